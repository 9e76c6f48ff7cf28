/* An exponential that compilers turn into vector code. float32: Cody-Waite reduction by ln 2 in two parts and a minimax
 * polynomial on [-ln2/2, ln2/2] (coefficients of Cephes' expf); relative error below 2e-7 for arguments up to 88; below -87
 * the result is 0. The double build calls the C library. */
#ifndef MEDTOK_KERNELS_CPU_VECTOR_MATH_H
#define MEDTOK_KERNELS_CPU_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "real.h"

#ifdef MEDTOK_REAL_DOUBLE
static inline double real_exp(double x) { return exp(x); }
#else
static inline float real_exp(float x) {
    float clamped = x > 88.0f ? 88.0f : x < -87.0f ? -87.0f : x;
    float shifted = clamped * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to an integer in the low bits */
    float n = shifted - 12582912.0f;
    float r = clamped - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000u; /* the integer n moves into the exponent */
    float power;
    memcpy(&power, &bits, sizeof power);
    float y = x < -87.0f ? 0.0f : p * power;
    return x != x ? x : y;
}
#endif

#endif
