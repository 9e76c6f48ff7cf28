/* Short rows: sums along them, compiled into the loops that call. */
#ifndef MEDTOK_KERNELS_CPU_ROW_MATH_H
#define MEDTOK_KERNELS_CPU_ROW_MATH_H

#include "cpu/cpu.h"

IN_PLACE real row_dot(const real *a, const real *b, int64_t n) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < n; c++) sum += a[c] * b[c];
    return sum;
}

/* y += alpha x */
IN_PLACE void row_add(real alpha, const real *x, real *y, int64_t n) {
#pragma omp simd
    for (int64_t c = 0; c < n; c++) y[c] += alpha * x[c];
}

#endif
