/* Rows of reals: how a block's threads walk along them, values moved by fours, and dropout's decisions by eights. */
#ifndef MEDTOK_KERNELS_CUDA_ROWS_CUH
#define MEDTOK_KERNELS_CUDA_ROWS_CUH

#include "cuda/cuda.cuh"
#include "dropout.h"

/* Four neighbouring values, moved by one instruction (in the double build, by two). Kernels over rows are templates
 * of the unit T in which they walk: quad where in_quads() allows it, else real. A row's `width` counts units. */
struct alignas(16) quad {
    real at[4];
};

/* Whether rows of `cols` values that begin at these addresses (NULL: any) can be read in quads. */
static inline int in_quads(int64_t cols, const real *a, const real *b, const real *c = NULL) {
    return cols % 4 == 0 && ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) % alignof(quad) == 0;
}

static __device__ inline void add_scaled(real weight, real x, real *sum) { *sum += weight * x; }
/* By way of whole copies: added in place, value by value, quads in memory would be read and written by single values. */
static __device__ inline void add_scaled(real weight, quad x, quad *sum) {
    quad y = *sum;
    for (int i = 0; i < 4; i++) y.at[i] += weight * x.at[i];
    *sum = y;
}

static __device__ inline real scaled(real weight, real x) { return weight * x; }
static __device__ inline quad scaled(real weight, const quad &x) {
    quad y;
    for (int i = 0; i < 4; i++) y.at[i] = weight * x.at[i];
    return y;
}

/* Value by value: a multiplication and an addition less than to add the sum of four. */
static __device__ inline void add_inner_product(real a, real b, real *sum) { *sum += a * b; }
static __device__ inline void add_inner_product(quad a, quad b, real *sum) {
    for (int i = 0; i < 4; i++) *sum += a.at[i] * b.at[i];
}

/* ---- threads: x along a row (a power of two, so that the lanes of a row are neighbours in one warp), y over rows
 * ---- */
static inline dim3 row_threads(int64_t width) {
    unsigned lanes = 1;
    while (lanes < WARP && lanes < width) lanes *= 2;
    return dim3(lanes, 256 / lanes);
}

static __device__ inline int64_t block_row() { return (int64_t)blockIdx.x * blockDim.y; }
static __device__ inline int64_t row_stride() { return (int64_t)gridDim.x * blockDim.y; }

/* Sum over the `lanes` neighbouring threads of a row; the whole warp must call. */
static __device__ inline real lanes_sum(real x, unsigned lanes) {
    for (unsigned step = lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* In how many parts the blocks of a segment share it, where n segments have `total` elements and a part should have
 * `each`: lengths are known on the device alone, so the mean decides. */
static inline unsigned parts_for(int64_t total, int64_t n, int64_t each) {
    int64_t parts = n > 0 ? total / n / each : 1;
    return (unsigned)(parts < 1 ? 1 : parts > 64 ? 64 : parts);
}

/* Bit i: whether `element` + i survives, for i < 8. */
static __device__ inline unsigned dropout_bits(struct dropout dropout, uint32_t threshold, int32_t key,
                                               uint64_t element) {
    uint32_t block = (uint32_t)(element / 8);
    unsigned before = (unsigned)(element % 8), bits = dropout_block(dropout, threshold, key, block);
    if (before) bits |= dropout_block(dropout, threshold, key, block + 1) << 8;
    return bits >> before & 0xff;
}

/* What survivors are multiplied by. */
static inline real dropout_scale(struct dropout dropout) { return (real)(1 / (1 - dropout.rate)); }

#endif
