/* Sums over rows, made in two stages of parts that depend on the shape alone: the result is the same in each run. */
#ifndef MEDTOK_KERNELS_CUDA_SUMS_CUH
#define MEDTOK_KERNELS_CUDA_SUMS_CUH

#include "cuda/rows.cuh"

/* A block sums a slice of the rows, threads.x columns at a time (row_threads) and threads.y rows;
 * SUM_SLICES blocks of SUM_THREADS threads, each with SUM_LOADS loads under way, are what the bandwidth takes. The last
 * block to come adds the slices' sums. */
enum { SUM_THREADS = 512, SUM_SLICES = 256, SUM_LOADS = 8 };

static inline dim3 sum_threads(int64_t width) {
    unsigned lanes = row_threads(width).x;
    return dim3(lanes, SUM_THREADS / lanes);
}

static inline unsigned slices_for(int64_t rows, dim3 threads) { return blocks_for(rows, 4 * (int)threads.y, SUM_SLICES); }

/* Sum over threadIdx.y, for threadIdx.y = 0. */
template <typename T>
static __device__ inline T sum_over_threads(T sum, T *room) {
    T *own = room + threadIdx.y * blockDim.x + threadIdx.x;
    *own = sum;
    for (unsigned step = blockDim.y / 2; step > 0; step /= 2) {
        __syncthreads();
        if (threadIdx.y < step) add_scaled(1, own[step * blockDim.x], own);
    }
    sum = *own;
    __syncthreads();
    return sum;
}

/* The sum of slice `slice` of `n_slices` of column c of x [rows, width], for threadIdx.y = 0. */
template <typename T>
static __device__ inline T sum_of_slice(int64_t rows, int64_t width, int64_t c, unsigned slice, unsigned n_slices,
                                        const T *x, T *room) {
    T sum = {};
    int64_t r = (int64_t)slice * blockDim.y + threadIdx.y, step = (int64_t)n_slices * blockDim.y;
    const T *from = x + r * width + c;
    for (; c < width && r < rows; r += SUM_LOADS * step, from += SUM_LOADS * step * width) {
        T row[SUM_LOADS];
#pragma unroll
        for (int k = 0; k < SUM_LOADS; k++) row[k] = r + k * step < rows ? from[k * step * width] : T{};
#pragma unroll
        for (int k = 0; k < SUM_LOADS; k++) add_scaled(1, row[k], &sum);
    }
    return sum_over_threads(sum, room);
}

#endif
