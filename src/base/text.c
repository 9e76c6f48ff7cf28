#include "base/text.h"

#include <ctype.h>
#include <string.h>

int text_distance(const char *a, const char *b) {
    int row[TEXT_DISTANCE_BYTES + 1], n = (int)strnlen(b, TEXT_DISTANCE_BYTES);
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 0; a[i] && i < TEXT_DISTANCE_BYTES; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 0; j < n; j++) {
            int best = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j + 1] + 1 < best) best = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[n];
}

int text_begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }
