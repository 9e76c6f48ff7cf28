/* Products (cuBLAS, in the precision that the device was opened with) and work on rows. The latter are bound by memory;
 * bytes per float32 value: add_bias 8, sum_rows 4, copy_matrix 8 (12 when it adds), l2_normalize 8, its backward 16. Second
 * readings of a row by its warp come from the L1 cache.
 *
 * Sums over rows are made in two stages, of parts that depend on the shape alone: the result is the same in each run.
 */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/products.cuh"
#include "cuda/rows.cuh"
#include "cuda/sums.cuh"

/* ---- products ---- */
static __global__ void scale_matrix_kernel(int64_t rows, int64_t cols, real beta, real *c, int64_t ldc) {
    FOR_EACH_ROW(i, rows)
    FOR_EACH_COLUMN(j, cols) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

extern "C" void cuda_gemm_batch(struct device *device, int64_t count, const struct gemm *g, struct matrices a,
                                struct matrices b, struct matrices c) {
    if (count <= 0 || g->m <= 0 || g->n <= 0) return;
    struct shape s = shape_for(g->m, g->n);
    for (int64_t i = 0; g->k <= 0 && i < count; i++) /* BLAS leaves c alone then; the sum over nothing is 0 */
        launch(device, "gemm", scale_matrix_kernel, s.blocks, s.threads, 0, g->m, g->n, (real)g->beta,
               c.first.at + i * c.stride, c.ld);
    if (g->k > 0) multiply_batch(device, cuda_of(device)->products, count, g, a, b, c);
}

extern "C" void cuda_gemm(struct device *device, const struct gemm *g, struct matrix a, struct matrix b,
                          struct matrix c) {
    cuda_gemm_batch(device, 1, g, {a.first, a.ld, 0}, {b.first, b.ld, 0}, {c.first, c.ld, 0});
}

/* ---- rows ---- */
/* y (ldy) = x (ldx), or y += x with `accumulate`; T is real or a pack of them. ldx 0 repeats one row. */
template <typename T>
static __global__ void copy_kernel(int64_t rows, int64_t cols, const T *x, int64_t ldx, T *y, int64_t ldy,
                                   int accumulate) {
    FOR_EACH_ROW(r, rows)
    FOR_EACH_COLUMN(c, cols) {
        T from = x[r * ldx + c];
        if (accumulate) {
            T to = y[r * ldy + c];
            for (int j = 0; j < (int)(sizeof(T) / sizeof(real)); j++) ((real *)&from)[j] += ((real *)&to)[j];
        }
        y[r * ldy + c] = from;
    }
}

static void copy(struct device *device, const char *name, int64_t rows, int64_t cols, const real *x, int64_t ldx,
                 real *y, int64_t ldy, int accumulate) {
    if (is_aligned(x) && is_aligned(y) && cols % PACK == 0 && ldx % PACK == 0 && ldy % PACK == 0) {
        struct shape s = shape_for(rows, cols / PACK);
        launch(device, name, copy_kernel<struct pack>, s.blocks, s.threads, 0, rows, cols / PACK,
               (const struct pack *)x, ldx / PACK, (struct pack *)y, ldy / PACK, accumulate);
    } else {
        struct shape s = shape_for(rows, cols);
        launch(device, name, copy_kernel<real>, s.blocks, s.threads, 0, rows, cols, x, ldx, y, ldy, accumulate);
    }
}

extern "C" void cuda_copy_matrix(struct device *device, int64_t rows, int64_t cols, struct matrix x, struct matrix y,
                                 int accumulate) {
    copy(device, "copy_matrix", rows, cols, x.first.at, x.ld, y.first.at, y.ld, accumulate);
}

extern "C" void cuda_add_bias(struct device *device, int64_t rows, int64_t cols, dev_real bias, dev_real y) {
    copy(device, "add_bias", rows, cols, bias.at, 0, y.at, cols, 1);
}

/* ---- sums over rows (cuda/sums.cuh) ---- */
/* partial[slices, width]; blockIdx.x walks over columns, blockIdx.y is the slice. */
template <typename T>
static __global__ void __launch_bounds__(SUM_THREADS, 2)
    sum_rows_kernel(int64_t rows, int64_t width, const real *x, real *partial, unsigned *arrivals, real *out) {
    __shared__ T room[SUM_THREADS];
    T *sums = reinterpret_cast<T *>(partial), *to = reinterpret_cast<T *>(out);
    int64_t first = (int64_t)blockIdx.x * blockDim.x, step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t base = first; base < width; base += step) {
        int64_t c = base + threadIdx.x;
        T sum = sum_of_slice(rows, width, c, blockIdx.y, gridDim.y, reinterpret_cast<const T *>(x), room);
        if (threadIdx.y == 0 && c < width) sums[blockIdx.y * width + c] = sum;
    }
    if (!last_to_arrive(arrivals + blockIdx.x, gridDim.y)) return;
    for (int64_t base = first; base < width; base += step) {
        int64_t c = base + threadIdx.x;
        T sum = sum_of_slice<T>(gridDim.y, width, c, 0, 1, sums, room);
        if (threadIdx.y == 0 && c < width) add_scaled(1, sum, to + c);
    }
}

extern "C" void cuda_sum_rows(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real out) {
    if (rows <= 0 || cols <= 0) return;
    int quads = in_quads(cols, x.at, out.at);
    int64_t width = quads ? cols / 4 : cols;
    dim3 threads = sum_threads(width), blocks(blocks_for(width, (int)threads.x, ARRIVALS), slices_for(rows, threads));
    real *partial = cuda_scratch(device, blocks.y * cols);
    if (!partial) return;
    launch(device, "sum_rows", quads ? sum_rows_kernel<quad> : sum_rows_kernel<real>, blocks, threads, 0, rows, width,
           x.at, partial, cuda_of(device)->arrivals, out.at);
}

/* ---- rows of norm 1, a warp each ---- */
static __global__ void l2_normalize_kernel(int64_t rows, int64_t cols, const real *x, real *y, real *norm) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, rows) {
        const real *from = x + r * cols;
        real square = 0;
        for (int64_t c = lane; c < cols; c += WARP) square += from[c] * from[c];
        real length = sqrt(warp_sum(square));
        if (length <= (real)1e-12) length = (real)1e-12; /* as PyTorch's F.normalize; a NaN stays */
        real scale = 1 / length;
        for (int64_t c = lane; c < cols; c += WARP) y[r * cols + c] = scale * from[c];
        if (lane == 0) norm[r] = length;
    }
}

static __global__ void l2_normalize_backward_kernel(int64_t rows, int64_t cols, const real *y, const real *norm,
                                                    const real *dy, real *dx) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, rows) {
        const real *unit = y + r * cols, *g = dy + r * cols;
        real along = 0, scale = 1 / norm[r];
        for (int64_t c = lane; c < cols; c += WARP) along += unit[c] * g[c];
        along = warp_sum(along);
        for (int64_t c = lane; c < cols; c += WARP) dx[r * cols + c] += scale * (g[c] - along * unit[c]);
    }
}

extern "C" void cuda_l2_normalize(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real y,
                                  dev_real norm) {
    launch(device, "l2_normalize", l2_normalize_kernel, row_blocks(rows), ROW_WARPS * WARP, 0, rows, cols, x.at, y.at,
           norm.at);
}

extern "C" void cuda_l2_normalize_backward(struct device *device, int64_t rows, int64_t cols, dev_real y, dev_real norm,
                                           dev_real dy, dev_real dx) {
    launch(device, "l2_normalize_backward", l2_normalize_backward_kernel, row_blocks(rows), ROW_WARPS * WARP, 0, rows,
           cols, y.at, norm.at, dy.at, dx.at);
}
