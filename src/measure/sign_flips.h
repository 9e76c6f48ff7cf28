/* Two ways to answer the same questions, each perhaps several times, compared question by question. */
#ifndef MEDTOK_MEASURE_SIGN_FLIPS_H
#define MEDTOK_MEASURE_SIGN_FLIPS_H

#include <stdint.h>

/* The exact two-sided p-value of the paired permutation test (Fisher, 1935) of the differences d[n], whose sum is tested: the share of
 * the 2^n choices of signs whose sum of +-d[i] is at least as far from 0 as that of d. With differences of -1, 0 and 1 it is McNemar's exact
 * test; 1 where all are 0. Takes n sum|d| additions. */
int sign_flips_exact(int64_t n, const int32_t *d, double *p);

#endif
