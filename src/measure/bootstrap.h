/* Bootstrap intervals: how far a measure would move if other codes (or pairs) of the same kind had been looked at.
 *
 * Poisson bootstrap (Hanley and MacGibbon, 2006): in resample r unit u counts as often as a Poisson(1) number says that is
 * drawn from (seed, RNG_BOOTSTRAP + stream, r, u). So resamples can be computed by any rank and thread, with the same result.
 *
 * The interval goes from the 2.5th to the 97.5th percentile of the resampled values. Usage, perplexity and entropy are lower
 * in any resample, because it lacks a third of the units, so that this interval would lie below the value (a calibration
 * error is larger): theirs is shifted by value - mean of the resampled values (`shift`).
 */
#ifndef MEDTOK_MEASURE_BOOTSTRAP_H
#define MEDTOK_MEASURE_BOOTSTRAP_H

#include <stdint.h>

#include "base/log.h"
#include "dist/comm.h"

struct bootstrap {
    const struct comm *comm;
    uint64_t seed;
    int64_t resamples;
    int threads;
    struct progress *progress; /* borrowed, begun by the caller; counts resamples. NULL: none */
    int (*poll)(void); /* asked before each measure; a status other than STATUS_OK ends it on all ranks. NULL: none */
};

/* A measure with its 95 % interval, from n units. n 0: it cannot be formed, and the values are 0. */
struct estimate {
    double value, low, high;
    int64_t n;
};

enum { BOOTSTRAP_MOST_RESULTS = 64 };

/* What is resampled: n_units units, of which `compute` makes n_results values, NaN where there is none. weights [n_units]:
 * how often each unit counts. scratch: scratch_bytes bytes for the call, undefined content. shift: bit i for the interval of result i. */
struct bootstrap_measure {
    int64_t n_units, scratch_bytes;
    int n_results;
    uint64_t shift;
    uint32_t stream; /* less than 0x100; measures with the same units and stream are resampled alike */
    void (*compute)(const void *context, const uint8_t *weights, void *scratch, double *results);
    const void *context;
};

/* Collective. estimates [n_results]: the same on every rank. */
int bootstrap_run(const struct bootstrap *bootstrap, const struct bootstrap_measure *measure,
                  struct estimate *estimates);

/* The measure of pairs of values a, b [n]: the means of both, their difference and their ratio, resampled together. */
int bootstrap_compare(const struct bootstrap *bootstrap, uint32_t stream, int64_t n, const double *a, const double *b,
                      struct estimate estimates[4]);

#endif
