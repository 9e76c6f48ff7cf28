/* The floating-point type of values, gradients and parameters: float32. The tests build the same sources once more with
 * MEDTOK_REAL_DOUBLE, so that gradients can be checked by finite differences without rounding in the way. */
#ifndef MEDTOK_KERNELS_REAL_H
#define MEDTOK_KERNELS_REAL_H

#ifdef MEDTOK_REAL_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
