#include "measure/training_size.h"

#include <stdio.h>

const char *training_size_text(int64_t train_samples, int64_t shots, char text[48]) {
    char part[24] = "all";
    if (train_samples >= 1000)
        snprintf(part, sizeof part, "%lld,%03lld", (long long)train_samples / 1000, (long long)train_samples % 1000);
    else if (train_samples)
        snprintf(part, sizeof part, "%lld", (long long)train_samples);
    if (shots)
        snprintf(text, 48, "%lld of each class", (long long)shots);
    else
        snprintf(text, 48, train_samples ? "%s samples" : "%s", part);
    return text;
}
