/* What the files of the CUDA backend share. All primitives are queued on one stream, in order; nothing waits for it but
 * device_download_* and device_synchronize, and what frees memory. No primitive allocates: scratch memory grows seldom and stays.
 *
 * The same sources are compiled by nvcc and, for tests on machines without a GPU, by a C++ compiler against
 * tests/emulation/, which runs the threads of a block as coroutines. So a launch is a call of launch(), and dynamic
 * shared memory is declared by DYNAMIC_SHARED. */
#ifndef MEDTOK_KERNELS_CUDA_CUDA_CUH
#define MEDTOK_KERNELS_CUDA_CUDA_CUH

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include "kernels.h"

/* Uploads pass through a ring of pinned host memory, part by part; a part's event says when its copies have left it. */
enum { STAGING_PARTS = 8 };

struct cuda {
    int ordinal, n_multiprocessors;
    int capability; /* compute capability 8.0 is 80 */
    enum precision_of_products products; /* of gemm */
    int host_visible;                    /* buffers are managed memory: for tests */
    cudaStream_t stream, copies;         /* the primitives; prefetches beside them */
    cudaStream_t exchange;               /* what goes to other processes: fetches, sums over devices */
    cublasHandle_t blas;
    void *blas_workspace;
    void *scratch; /* device memory, grown on demand */
    size_t scratch_size;
    int scratch_number; /* counts how often it was allocated: recordings hold the address */
    unsigned *arrivals; /* see last_to_arrive */
    char *staging;
    cudaEvent_t part_left[STAGING_PARTS];
    int part;                            /* that is being filled */
    size_t part_used;                    /* bytes of it */
    cudaEvent_t before_wait, prefetched; /* of prefetches: see device.h */
    cudaEvent_t before_exchange, exchanged;
    struct group *group; /* device_sums.cu; NULL: none */
    int recording;       /* `stream` records what is queued */
};

static inline struct cuda *cuda_of(const struct device *device) { return (struct cuda *)device->backend; }

/* Device scratch for `count` values, valid until the next call; NULL (error recorded) if memory is out. */
real *cuda_scratch(struct device *device, int64_t count);

/* Records an error, if there is none yet. */
void cuda_set_error(struct device *device, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Records the first failure: "cuda: WHAT: cudaGetErrorString". Returns whether `code` is success. */
int cuda_check(struct device *device, cudaError_t code, const char *what);
int cuda_check_blas(struct device *device, cublasStatus_t code, const char *what);

/* Whether `exchange` waits for what was queued on `stream` so far; else the error is recorded. */
int cuda_exchange_behind(struct device *device, const char *what);

/* Sums over devices (device_sums.cu); NULL in a build without NCCL (no_nccl.c). cuda_sums_go_on: whether sums are under way, and nothing is known
 * that would keep them from ending; if something is, they are given up, and the error is recorded. */
extern "C" const struct device_sums *const CUDA_SUMS;
extern "C" int cuda_sums_go_on(struct device *device);

/* Leaves the group at the end of the device: together with the others if no sum is under way and nothing has failed, else without them. */
extern "C" void cuda_sums_close(struct device *device);

enum { WARP = 32 };

/* Whether the device multiplies so; else the error is recorded. tf32 and bf16 are of the tensor cores of Ampere and later. */
int cuda_check_products(struct device *device, enum precision_of_products products);

#ifdef __CUDACC__
#define DYNAMIC_SHARED(type, name)                                                                                     \
    extern __shared__ __align__(16) unsigned char name##_bytes[];                                                      \
    type *name = reinterpret_cast<type *>(name##_bytes)

/* The launch's own code: cudaGetLastError would also tell what another library of this thread has left behind. */
template <typename... P>
static inline cudaError_t queue_kernel(void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared,
                                       cudaStream_t stream, P... arguments) {
    void *addresses[] = {const_cast<void *>(static_cast<const void *>(&arguments))...};
    return cudaLaunchKernel(reinterpret_cast<const void *>(kernel), blocks, threads, addresses, shared, stream);
}

/* Queues a kernel: `blocks` may be 0 (nothing happens); shared: bytes of dynamic shared memory (at most 48 KB). */
template <typename... P, typename... A>
static inline void launch(struct device *device, const char *name, void (*kernel)(P...), dim3 blocks, dim3 threads,
                          size_t shared, A... arguments) {
    if (device->error[0] || blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
    cuda_check(device, queue_kernel<P...>(kernel, blocks, threads, shared, cuda_of(device)->stream, arguments...), name);
}
#else /* the emulation */
#define DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(emulation_dynamic_shared())

template <typename... P, typename... A>
static inline void launch(struct device *device, const char *name, void (*kernel)(P...), dim3 blocks, dim3 threads,
                          size_t shared, A... arguments) {
    if (device->error[0] || blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
    cuda_check(device,
               emulation_launch(name, blocks, threads, shared, cuda_of(device)->stream,
                                [=] { kernel(static_cast<P>(arguments)...); }),
               name);
}
#endif

/* Blocks of `threads` threads that cover n elements, at most `most` of them: kernels walk in strides of the grid. */
static inline unsigned blocks_for(int64_t n, int threads, int64_t most = 1 << 16) {
    int64_t blocks = (n + threads - 1) / threads;
    return (unsigned)(blocks < 0 ? 0 : blocks > most ? most : blocks);
}

/* ---- sums over a warp and over a block; every thread of it must call ---- */
template <typename T>
static __device__ inline T warp_sum(T x) {
    for (int step = WARP / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

template <typename T>
static __device__ inline T warp_max(T x) {
    for (int step = WARP / 2; step > 0; step /= 2) {
        T other = __shfl_xor_sync(0xffffffffu, x, step);
        x = other > x ? other : x;
    }
    return x;
}

/* `room`: shared memory for one value a warp; may be used again after the call. blockDim.x is a multiple of 32. */
template <typename T>
static __device__ inline T block_sum(T x, T *room) {
    x = warp_sum(x);
    if (threadIdx.x % WARP == 0) room[threadIdx.x / WARP] = x;
    __syncthreads();
    T sum = 0;
    for (unsigned w = 0; w < blockDim.x / WARP; w++) sum += room[w];
    __syncthreads();
    return sum;
}

/* The largest of the block's values; a NaN may be passed over. `room`: as block_sum's. */
static __device__ inline real block_max(real x, real *room) {
    x = warp_max(x);
    if (threadIdx.x % WARP == 0) room[threadIdx.x / WARP] = x;
    __syncthreads();
    for (unsigned w = 0; w < blockDim.x / WARP; w++) x = room[w] > x ? room[w] : x;
    __syncthreads();
    return x;
}

/* ---- sums over blocks, in one launch: the last block to come adds what all have written ---- */
enum { ARRIVALS = 64 }; /* counters in device memory, zero between kernels */

/* Whether the block is the last of `n` that call with this counter. It then sees what the others wrote to global memory
 * before, and the counter is zero again. Every thread of the block must call, once in a kernel. */
static __device__ inline int last_to_arrive(unsigned *counter, unsigned n) {
    __shared__ int last;
    __threadfence(); /* each thread's writes, before the block is counted */
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        last = atomicAdd(counter, 1) == n - 1;
        if (last) *counter = 0;
    }
    __syncthreads();
    if (last) __threadfence(); /* its reads see no older lines of the L1 cache */
    return last;
}

#endif
