/* The activations on the CPU, and one over a row for those who apply it to rows of their own. */
#ifndef MEDTOK_KERNELS_CPU_ACTIVATION_H
#define MEDTOK_KERNELS_CPU_ACTIVATION_H

#include "cpu/cpu.h"
#include "cpu/vector_math.h"

#include "activation_math.h"

/* y[n] = f(x); y may be x. */
void activate_row(enum activation f, int64_t n, const real *x, real *y);

#endif
