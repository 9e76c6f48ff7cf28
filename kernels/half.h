/* IEEE half precision, as text features are stored: conversion in integers and exact steps of float32, the same on every CPU and
 * on devices. */
#ifndef MEDTOK_KERNELS_HALF_H
#define MEDTOK_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define HALF_INLINE static __host__ __device__ __forceinline__
#else
#define HALF_INLINE static inline
#endif

/* Rounds to the nearest half, ties to even; beyond 65504: infinity. */
HALF_INLINE uint16_t half_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);  /* NaN */
    if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* 65536 and more */
    if (magnitude < 0x38800000) { /* subnormal half: adding 2^-1 * ulp alignment rounds in float32 arithmetic */
        float scaled, magic = 0.5f;
        memcpy(&scaled, &magnitude, sizeof scaled);
        scaled += magic;
        uint32_t rounded;
        memcpy(&rounded, &scaled, sizeof rounded);
        return (uint16_t)(sign | (rounded - 0x3f000000));
    }
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | ((magnitude + 0xc8000fff + odd) >> 13));
}

/* Without branches, so that loops become vector code. */
HALF_INLINE float half_to_float(uint16_t half) {
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, bits;
    float value;
    memcpy(&value, &magnitude, sizeof value);
    value *= 0x1p112f; /* moves the exponent from bias 15 to 127, subnormals included */
    memcpy(&bits, &value, sizeof bits);
    bits |= (uint32_t)(half & 0x8000) << 16;
    bits |= magnitude >= 0x0f800000 ? 0x7f800000 : 0; /* infinity or NaN */
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
