/* Functions that compilers turn into vector code. exp in float32: Cody-Waite reduction by ln 2 in two parts and a minimax
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
static inline void real_sine_cosine(double x, double *sine, double *cosine) {
    *sine = sin(x);
    *cosine = cos(x);
}
static inline double real_log1p(double e) { return log1p(e); }
static inline double real_erf_root2(double x) { return erf(x * 0.70710678118654752440); }
static inline double real_tanh(double x) { return tanh(x); }
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

/* For |x| below 10^6, which is reduced by multiples of pi/2 in double (in two parts, of which the first times such a multiple is
 * exact); then polynomials on [-pi/4, pi/4] (coefficients of Cephes' sinf and cosf). Errors below 2e-7. */
static inline void real_sine_cosine(double x, float *sine, float *cosine) {
    double shifted =
        x * 0.63661977236758134308 + 6755399441055744.0; /* 1.5 * 2^52: rounds to an integer in the low bits */
    double n = shifted - 6755399441055744.0;
    float r = (float)(x - n * 1.57079632673412561417 - n * 6.07710050650619224932e-11), s = r * r;
    uint64_t quadrant;
    memcpy(&quadrant, &shifted, sizeof quadrant);
    float p = ((-1.9515295891e-4f * s + 8.3321608736e-3f) * s - 1.6666654611e-1f) * s * r + r;
    float q = ((2.443315711809948e-5f * s - 1.388731625493765e-3f) * s + 4.166664568298827e-2f) * s * s - 0.5f * s + 1;
    float a = quadrant & 1 ? q : p, b = quadrant & 1 ? p : q;
    *sine = quadrant & 2 ? -a : a;
    *cosine = (quadrant + 1) & 2 ? -b : b;
}

/* log(1 + e) for e in [0, 1]: 2 artanh z with z = e / (2 + e), at most 1/3, whose series is cut where terms are below 2e-9 of it. */
static inline float real_log1p(float e) {
    float z = e / (2.0f + e), s = z * z;
    float p = 1.0f / 15;
    p = p * s + 1.0f / 13;
    p = p * s + 1.0f / 11;
    p = p * s + 1.0f / 9;
    p = p * s + 1.0f / 7;
    p = p * s + 1.0f / 5;
    p = p * s + 1.0f / 3;
    return 2 * z + 2 * z * (p * s);
}

/* erf(v) with v = x / sqrt 2: v P(v^2) on [-3.92, 3.92], beyond which it is 1 to float32's precision. P is our Chebyshev fit, in
 * t = 2 v^2 / 3.92^2 - 1; the error is below 3e-7. */
static inline float real_erf_root2(float x) {
    float v = x * 0.70710678f;
    v = v > 3.92f ? 3.92f : v;
    v = v < -3.92f ? -3.92f : v;
    float t = v * v * 0.1301541025f - 1.0f;
    float p = -9.392719177e-04f;
    p = p * t + 2.127858181e-03f;
    p = p * t - 1.045277992e-03f;
    p = p * t + 1.820330416e-03f;
    p = p * t - 8.170483237e-03f;
    p = p * t + 1.434350203e-02f;
    p = p * t - 1.961749015e-02f;
    p = p * t + 2.960921198e-02f;
    p = p * t - 4.358573430e-02f;
    p = p * t + 5.842582719e-02f;
    p = p * t - 7.398989038e-02f;
    p = p * t + 9.059221235e-02f;
    p = p * t - 1.091818543e-01f;
    p = p * t + 1.340848369e-01f;
    p = p * t - 1.801085622e-01f;
    p = p * t + 3.607368086e-01f;
    return v * p;
}

/* On [-0.6, 0.6] x + x^3 P(x^2) with our Chebyshev fit P, beyond it 1 - 2 / (1 + exp(2 |x|)); relative error below 2e-7. */
static inline float real_tanh(float x) {
    float t = x * x, size = x < 0 ? -x : x;
    float p = -6.276385936e-03f;
    p = p * t + 2.111621259e-02f;
    p = p * t - 5.387513777e-02f;
    p = p * t + 1.333292399e-01f;
    p = p * t - 3.333333042e-01f;
    float near = x + x * (t * p), far = 1.0f - 2.0f / (1.0f + real_exp(2.0f * size));
    return size > 0.6f ? (x < 0 ? -far : far) : near;
}
#endif

#endif
