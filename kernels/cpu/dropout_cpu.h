/* Dropout factors (0 or 1/(1-rate)) of many elements at once. */
#ifndef MEDTOK_KERNELS_CPU_DROPOUT_CPU_H
#define MEDTOK_KERNELS_CPU_DROPOUT_CPU_H

#include "kernels.h"

enum { DROPOUT_CHUNK = 128 };

/* factor[0..DROPOUT_CHUNK): elements DROPOUT_CHUNK * chunk .. of the segment with key `key`. */
void cpu_dropout_factors(struct dropout dropout, uint64_t key, int64_t chunk, real factor[DROPOUT_CHUNK]);

/* factor[dropout_room(count)]: elements 0 .. count-1 of the segment with key `key`, and more, in whole chunks. */
void cpu_dropout_segment(struct dropout dropout, int32_t key, int64_t count, real *factor);
static inline int64_t dropout_room(int64_t count) {
    return (count + DROPOUT_CHUNK - 1) / DROPOUT_CHUNK * DROPOUT_CHUNK;
}

#endif
