/* bfloat16: the upper half of a float32. Conversion in integers, the same on every CPU. */
#ifndef MEDTOK_KERNELS_BF16_H
#define MEDTOK_KERNELS_BF16_H

#include <stdint.h>
#include <string.h>

/* Rounds to the nearest, ties to even, as the hardware does; NaN stays NaN. */
static inline uint16_t bf16_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)(value != value ? bits >> 16 | 0x40 : rounded);
}

static inline float bf16_to_float(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
