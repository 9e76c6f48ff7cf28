/* How much a training learns from, in words: the same in all reports. */
#ifndef MEDTOK_MEASURE_TRAINING_SIZE_H
#define MEDTOK_MEASURE_TRAINING_SIZE_H

#include <stdint.h>

/* "all", "1,000 samples", "8 of each class". train_samples 0: all; shots 0: not drawn by class. Returns text. */
const char *training_size_text(int64_t train_samples, int64_t shots, char text[48]);

#endif
