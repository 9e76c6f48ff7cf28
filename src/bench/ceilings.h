/* What the machine gives at best, found by the backend's own primitives in the same run as what is compared with it: matrix
 * products, and bytes copied. */
#ifndef MEDTOK_BENCH_CEILINGS_H
#define MEDTOK_BENCH_CEILINGS_H

#include "bench/measure.h"

struct ceilings {
    struct measurement gemm, copy; /* the fastest of several large shapes; rates are those of its fastest sample */
    char gemm_shape[64], copy_shape[64];
};

/* Collective. The products are those of gemm, in the precision that it computes in; a copy counts bytes read and written, and
 * may add to what it overwrites. */
int ceilings_measure(const struct measure_options *options, struct ceilings *ceilings);

#endif
