/* The end of a sum whose terms other kernels have left in memory. */
#ifndef MEDTOK_KERNELS_CUDA_LOSS_SUM_CUH
#define MEDTOK_KERNELS_CUDA_LOSS_SUM_CUH

#include "cuda/cuda.cuh"

enum { ADD_SUM_THREADS = 1024 };

/* out[0] += alpha * sum of terms[n]; one block. Which terms a thread adds depends on their number alone. */
static __global__ void add_sum_kernel(int64_t n, const double *terms, double alpha, real *out) {
    __shared__ double room[ADD_SUM_THREADS / WARP];
    double sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += ADD_SUM_THREADS) sum += terms[i];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) out[0] += (real)(alpha * sum);
}

static inline void add_sum(struct device *device, const char *name, int64_t n, const double *terms, double alpha,
                           real *out) {
    launch(device, name, add_sum_kernel, 1, ADD_SUM_THREADS, 0, n, terms, alpha, out);
}

#endif
