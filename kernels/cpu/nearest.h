/* The K nearest candidates of many queries by inner product: the inner loop of the quantiser. */
#ifndef MEDTOK_KERNELS_CPU_NEAREST_H
#define MEDTOK_KERNELS_CPU_NEAREST_H

#include "cpu/cpu.h"

enum { NEAREST_MOST = 16 };

/* The best of one query: largest inner product first, ties to the smaller index. */
struct nearest {
    real dot[NEAREST_MOST];
    int32_t index[NEAREST_MOST];
};

/* Values of scratch that nearest_rows wants, for `threads` threads. */
int64_t nearest_scratch(int threads, int64_t dim, int64_t n_candidates);

/* best[n] = the top_k rows of c[first..last-1, dim] with the largest products with each row of u[n, dim]; top_k <= last - first.
 * Products that are NaN are passed over. */
void nearest_rows(enum cpu_vectors vectors, int threads, int64_t n, int64_t dim, int64_t first, int64_t last,
                  int64_t top_k, const real *u, const real *c, struct nearest *best, real *scratch);

#endif
