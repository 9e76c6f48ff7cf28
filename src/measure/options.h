/* Quality measures: settings inspect.*. */
#ifndef MEDTOK_MEASURE_OPTIONS_H
#define MEDTOK_MEASURE_OPTIONS_H

#include <stdint.h>

struct inspect_options {
    int64_t resamples, sample;
};

#endif
