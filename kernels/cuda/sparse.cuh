/* Least squares over a few rows, a warp for each vector: lane i has row i of the equations' matrix, in registers, so that loops over
 * columns are unrolled. */
#ifndef MEDTOK_KERNELS_CUDA_SPARSE_CUH
#define MEDTOK_KERNELS_CUDA_SPARSE_CUH

#include "cuda/elementwise.cuh"

struct equations {
    real at[SPARSE_ROWS];
};

static __device__ inline real lane_value(real x, int lane) { return __shfl_sync(0xffffffffu, x, lane); }

/* Column j of this lane's row. */
static __device__ inline real column_of(const struct equations *e, int j) {
    real x = 0;
#pragma unroll
    for (int i = 0; i < SPARSE_ROWS; i++) x = i == j ? e->at[i] : x;
    return x;
}

/* (C C^T + ridge I)^-1 of the rows c[row], lane i having the row number of row i, for those that are `in`; the others are as if they were
 * orthogonal to all, of ridge 1. */
static __device__ inline void invert_products(struct equations *e, int64_t dim, const real *c, int32_t row, bool in) {
    int lane = threadIdx.x % WARP;
    unsigned used = __ballot_sync(0xffffffffu, in);
#pragma unroll
    for (int j = 0; j < SPARSE_ROWS; j++) {
        e->at[j] = lane == j;
        if (!(used >> j & 1)) continue;
        const real *b = c + __shfl_sync(0xffffffffu, row, j) * dim;
        for (int i = 0; i < SPARSE_ROWS; i++) {
            if (!(used >> i & 1)) continue;
            const real *a = c + __shfl_sync(0xffffffffu, row, i) * dim;
            real x = 0;
            for (int64_t k = lane; k < dim; k += WARP) x += a[k] * b[k];
            x = warp_sum(x);
            if (lane == i) e->at[j] = x + (i == j ? (real)SPARSE_RIDGE : 0);
        }
    }
#pragma unroll
    for (int p = 0; p < SPARSE_ROWS; p++) {
        real pivot = 1 / lane_value(e->at[p], p), factor = e->at[p];
#pragma unroll
        for (int j = 0; j < SPARSE_ROWS; j++) {
            real of_pivot = j == p ? pivot : lane_value(e->at[j], p) * pivot;
            e->at[j] = lane == p ? of_pivot : (j == p ? 0 : e->at[j]) - factor * of_pivot;
        }
    }
}

/* sum_j e_ij x_j, x_j at lane j. */
static __device__ inline real times_vector(const struct equations *e, real x) {
    real sum = 0;
#pragma unroll
    for (int j = 0; j < SPARSE_ROWS; j++) sum += e->at[j] * lane_value(x, j);
    return sum;
}

#endif
