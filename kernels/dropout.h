/* The dropout decision, shared by the backends: element e of the segment with key `key` survives if its 16-bit random
 * number is at least rate * 65536. One Philox call gives the numbers of eight neighbouring elements. */
#ifndef MEDTOK_KERNELS_DROPOUT_H
#define MEDTOK_KERNELS_DROPOUT_H

#include "kernels.h"
#include "philox.h"

PHILOX_INLINE uint32_t dropout_threshold(double rate) { return (uint32_t)(rate * 65536.0 + 0.5); }

/* The eight 16-bit numbers of elements 8*block .. 8*block+7, two in each word, the lower half first. */
PHILOX_INLINE void dropout_words(struct dropout dropout, uint64_t key, uint32_t block, uint32_t words[4]) {
    philox4x32(dropout.seed, dropout.stream, dropout.step, key, block, words);
}

/* Bit i: whether element 8 block + i of the segment with key `key` survives, for i < 8. */
PHILOX_INLINE unsigned dropout_block(struct dropout dropout, uint32_t threshold, int32_t key, uint32_t block) {
    uint32_t words[4];
    unsigned bits = 0;
    dropout_words(dropout, (uint64_t)(uint32_t)key, block, words);
    for (unsigned i = 0; i < 8; i++) bits |= (unsigned)((words[i / 2] >> (i % 2 * 16) & 0xffff) >= threshold) << i;
    return bits;
}

PHILOX_INLINE int dropout_keeps(struct dropout dropout, uint64_t key, uint64_t element) {
    uint32_t words[4];
    dropout_words(dropout, key, (uint32_t)(element / 8), words);
    uint32_t half = words[element % 8 / 2] >> (element % 2 * 16) & 0xffff;
    return half >= dropout_threshold(dropout.rate);
}

#endif
