/* Work on single values and on rows of them, 16 bytes at a time where addresses and counts allow: a warp then moves 512
 * bytes an instruction, which is what it takes to come near the bandwidth of the memory.
 */
#ifndef MEDTOK_KERNELS_CUDA_ELEMENTWISE_CUH
#define MEDTOK_KERNELS_CUDA_ELEMENTWISE_CUH

#include "cuda/cuda.cuh"

enum { PACK = 16 / sizeof(real), ELEMENTWISE_THREADS = 256 };

struct alignas(16) pack {
    real at[PACK];
};

/* Buffers start at multiples of 64 bytes, but dev_real_at may point anywhere into them. */
static inline bool is_aligned(const void *p) { return (uintptr_t)p % sizeof(struct pack) == 0; }

/* y[i] = op(a[i], b[i], y[i]). Op says how many of a and b it reads (INPUTS; the others may be NULL) and whether it
 * reads y (KEEPS). y may be a or b. */
template <typename Op>
static __global__ void elementwise_kernel(Op op, int64_t n, int64_t n_packs, const real *a, const real *b, real *y) {
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = thread; i < n_packs; i += stride) {
        struct pack p = {}, q = {}, out = {};
        if (Op::INPUTS > 0) p = ((const struct pack *)a)[i];
        if (Op::INPUTS > 1) q = ((const struct pack *)b)[i];
        if (Op::KEEPS) out = ((const struct pack *)y)[i];
        for (int j = 0; j < PACK; j++) out.at[j] = op(p.at[j], q.at[j], out.at[j]);
        ((struct pack *)y)[i] = out;
    }
    for (int64_t i = n_packs * PACK + thread; i < n; i += stride)
        y[i] = op(Op::INPUTS > 0 ? a[i] : 0, Op::INPUTS > 1 ? b[i] : 0, Op::KEEPS ? y[i] : 0);
}

template <typename Op>
static inline void elementwise(struct device *device, const char *name, Op op, int64_t n, const real *a, const real *b,
                               real *y) {
    int64_t n_packs = is_aligned(a) && is_aligned(b) && is_aligned(y) ? n / PACK : 0;
    launch(device, name, elementwise_kernel<Op>, blocks_for(n_packs ? n_packs : n, ELEMENTWISE_THREADS),
           ELEMENTWISE_THREADS, 0, op, n, n_packs, a, b, y);
}

/* One step of a moving average: keep y + (1 - keep) x; keep lies in device memory, unless that is NULL. */
struct blend_op {
    enum { INPUTS = 1, KEEPS = 1 };
    const real *on_device;
    real keep;
    __device__ real operator()(real x, real, real y) const {
        real k = on_device ? *on_device : keep;
        return k * y + (1 - k) * x;
    }
};

/* How threads lie over a matrix of `rows` x `cols` items: threads.x along a row, so that a warp's accesses are joined,
 * and threads.y over rows; grid.x over rows (it alone may exceed 65,535), grid.y over columns. Kernels walk in
 * strides. */
struct shape {
    dim3 blocks, threads;
};

static inline struct shape shape_for(int64_t rows, int64_t cols) {
    unsigned x = 1;
    while (x < cols && x < ELEMENTWISE_THREADS) x *= 2;
    unsigned y = ELEMENTWISE_THREADS / x;
    return {dim3(blocks_for(rows, (int)y), blocks_for(cols, (int)x, 64)), dim3(x, y)};
}

/* For each row r and column c of this thread. */
#define FOR_EACH_ROW(r, rows)                                                                                          \
    for (int64_t r = (int64_t)blockIdx.x * blockDim.y + threadIdx.y; r < (rows); r += (int64_t)gridDim.x * blockDim.y)
#define FOR_EACH_COLUMN(c, cols)                                                                                       \
    for (int64_t c = (int64_t)blockIdx.y * blockDim.x + threadIdx.x; c < (cols); c += (int64_t)gridDim.y * blockDim.x)

/* Kernels with a warp for each row, ROW_WARPS rows a block. */
enum { ROW_WARPS = 8 };

static inline unsigned row_blocks(int64_t rows) { return blocks_for(rows, ROW_WARPS); }

#define FOR_EACH_WARP_ROW(r, rows)                                                                                     \
    for (int64_t r = (int64_t)blockIdx.x * ROW_WARPS + threadIdx.x / WARP; r < (rows);                                 \
         r += (int64_t)gridDim.x * ROW_WARPS)

#endif
