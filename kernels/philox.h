/* Philox4x32-10: the counter-based random function behind every random number of the program.
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The known answers of that paper's
 * library are in kernels/tests. Key = seed; counter = (block, stream ^ high bits of index, step, low bits of index).
 * The same code runs on host and device. */
#ifndef MEDTOK_KERNELS_PHILOX_H
#define MEDTOK_KERNELS_PHILOX_H

#include <stdint.h>

#ifdef __CUDACC__
#define PHILOX_INLINE static __host__ __device__ __forceinline__
#else
#define PHILOX_INLINE static inline
#endif

PHILOX_INLINE void philox_rounds(uint32_t key0, uint32_t key1, uint32_t c[4]) {
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t c0 = (uint32_t)(p1 >> 32) ^ c[1] ^ key0, c2 = (uint32_t)(p0 >> 32) ^ c[3] ^ key1;
        c[1] = (uint32_t)p1;
        c[3] = (uint32_t)p0;
        c[0] = c0;
        c[2] = c2;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

/* Four words for the counter (stream, step, index, block) under `seed`. */
PHILOX_INLINE void philox4x32(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index, uint32_t block,
                              uint32_t words[4]) {
    words[0] = block;
    words[1] = stream ^ ((uint32_t)(index >> 32) << 12);
    words[2] = step;
    words[3] = (uint32_t)index;
    philox_rounds((uint32_t)seed, (uint32_t)(seed >> 32), words);
}

#endif
