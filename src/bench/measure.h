/* Timing of one piece of work on all ranks at once.
 *
 * A measurement is a number of samples, each of as many calls as its share of the wanted time holds; the ranks start each
 * sample together, and its time is that of the slowest. Operations and bytes are those that the device counted
 * (kernels/costs.h), summed over ranks, so that rates are what all ranks reach side by side.
 */
#ifndef MEDTOK_BENCH_MEASURE_H
#define MEDTOK_BENCH_MEASURE_H

#include "device.h"
#include "dist/comm.h"

struct measurement {
    int64_t calls;               /* in each sample */
    double median, least, most;  /* seconds a call, over the samples */
    double flops, bytes;         /* a call, all ranks */
    double flop_rate, byte_rate; /* flops and bytes over the median */
    double spread;               /* (most - least) / median */
};

struct measure_options {
    const struct comm *comm;
    struct device *device;
    int64_t samples;
    double seconds; /* least time of all samples together */
};

/* Collective. Measures `call(context)`, after one call to warm up. The first failure of any rank ends it. */
int measure(const struct measure_options *options, int (*call)(void *context), void *context,
            struct measurement *measurement);

/* The median of values[n], n > 0; sorts them. */
double median(double *values, int64_t n);

#endif
