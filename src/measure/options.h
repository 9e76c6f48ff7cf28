/* Quality measures: settings inspect.*. */
#ifndef MEDTOK_MEASURE_OPTIONS_H
#define MEDTOK_MEASURE_OPTIONS_H

#include "config/options.h"

#define INSPECT_OPTIONS(KEY, in)                                                                                       \
    KEY(in, INTEGER, "inspect.resamples", resamples, "1000", 20, 1e6, "resamples", JOB_TRAIN | JOB_INSPECT, LEAVES,    \
        "bootstrap resamples behind each interval")                                                                    \
    KEY(in, INTEGER, "inspect.sample", sample, "2000", 1, 1e6, "codes", JOB_TRAIN | JOB_INSPECT, LEAVES,               \
        "codes whose nearest codes are compared with the knowledge graph")
struct inspect_options {
    INSPECT_OPTIONS(OPTION_MEMBER, )
};

#endif
