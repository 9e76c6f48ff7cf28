/* Products (cuBLAS, in the precision that the device was opened with) and work on rows. The latter are bound by memory;
 * bytes per float32 value: add_bias 8, sum_rows 4, relu 8, relu_backward 12, copy_matrix 8 (12 when it adds),
 * l2_normalize 8, its backward 16, layer_norm 8, its backward 16, and 8 more for wide rows where x and dy have left the L2
 * cache. Second readings of a row by its warp come from the L1 cache.
 *
 * Sums over rows are made in two stages, of parts that depend on the shape alone: the result is the same in each run.
 */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/products.cuh"
#include "cuda/rows.cuh"

/* ---- products ---- */
static __global__ void scale_matrix_kernel(int64_t rows, int64_t cols, real beta, real *c, int64_t ldc) {
    FOR_EACH_ROW(i, rows)
    FOR_EACH_COLUMN(j, cols) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

extern "C" void cuda_gemm_batch(struct device *device, int64_t count, int transpose_a, int transpose_b, int64_t m,
                                int64_t n, int64_t k, double alpha, struct matrices a, struct matrices b, double beta,
                                struct matrices c) {
    if (count <= 0 || m <= 0 || n <= 0) return;
    struct shape s = shape_for(m, n);
    for (int64_t i = 0; k <= 0 && i < count; i++) /* BLAS leaves c alone then; the sum over nothing is 0 */
        launch(device, "gemm", scale_matrix_kernel, s.blocks, s.threads, 0, m, n, (real)beta, c.first.at + i * c.stride,
               c.ld);
    if (k > 0)
        multiply_batch(device, cuda_of(device)->products, count, transpose_a, transpose_b, m, n, k, alpha, a, b, beta,
                       c);
}

extern "C" void cuda_gemm(struct device *device, int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                          double alpha, dev_real a, int64_t lda, dev_real b, int64_t ldb, double beta, dev_real c,
                          int64_t ldc) {
    cuda_gemm_batch(device, 1, transpose_a, transpose_b, m, n, k, alpha, {a, lda, 0}, {b, ldb, 0}, beta, {c, ldc, 0});
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

extern "C" void cuda_copy_matrix(struct device *device, int64_t rows, int64_t cols, dev_real x, int64_t ldx, dev_real y,
                                 int64_t ldy, int accumulate) {
    copy(device, "copy_matrix", rows, cols, x.at, ldx, y.at, ldy, accumulate);
}

extern "C" void cuda_add_bias(struct device *device, int64_t rows, int64_t cols, dev_real bias, dev_real y) {
    copy(device, "add_bias", rows, cols, bias.at, 0, y.at, cols, 1);
}

/* ---- sums over rows. A block sums a slice of the rows, threads.x columns at a time (row_threads) and threads.y rows;
 * SUM_SLICES blocks of SUM_THREADS threads, each with SUM_LOADS loads under way, are what the bandwidth takes. The last
 * block to come adds the slices' sums. ---- */
enum { SUM_THREADS = 512, SUM_SLICES = 256, SUM_LOADS = 8 };

static dim3 sum_threads(int64_t width) {
    unsigned lanes = row_threads(width).x;
    return dim3(lanes, SUM_THREADS / lanes);
}

static unsigned slices_for(int64_t rows, dim3 threads) { return blocks_for(rows, 4 * (int)threads.y, SUM_SLICES); }

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

/* ---- relu ---- */
struct relu_op {
    enum { INPUTS = 0, KEEPS = 1 };
    __device__ real operator()(real, real, real y) const { return y < 0 ? 0 : y; } /* a NaN stays */
};

struct relu_slope_op {
    enum { INPUTS = 1, KEEPS = 1 };
    __device__ real operator()(real y, real, real dy) const { return y > 0 ? dy : 0; }
};

extern "C" void cuda_relu(struct device *device, int64_t n, dev_real y) {
    elementwise(device, "relu", relu_op{}, n, NULL, NULL, y.at);
}

extern "C" void cuda_relu_backward(struct device *device, int64_t n, dev_real y, dev_real dy) {
    elementwise(device, "relu_backward", relu_slope_op{}, n, y.at, NULL, dy.at);
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

/* ---- layer norm, a warp for each row ---- */
static const real LAYER_NORM_EPSILON = (real)1e-5; /* PyTorch's default */

static __global__ void layer_norm_kernel(int64_t rows, int64_t cols, real epsilon, const real *x, const real *gain,
                                         const real *bias, real *y, real *mean, real *rstd) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, rows) {
        const real *from = x + r * cols;
        real sum = 0, square = 0;
        for (int64_t c = lane; c < cols; c += WARP) sum += from[c];
        real m = warp_sum(sum) / (real)cols;
        for (int64_t c = lane; c < cols; c += WARP) square += (from[c] - m) * (from[c] - m);
        real s = 1 / sqrt(warp_sum(square) / (real)cols + epsilon);
        for (int64_t c = lane; c < cols; c += WARP) y[r * cols + c] = (from[c] - m) * s * gain[c] + bias[c];
        if (lane == 0) {
            mean[r] = m;
            rstd[r] = s;
        }
    }
}

extern "C" void cuda_layer_norm(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real gain,
                                dev_real bias, dev_real y, dev_real mean, dev_real rstd) {
    launch(device, "layer_norm", layer_norm_kernel, row_blocks(rows), ROW_WARPS * WARP, 0, rows, cols,
           LAYER_NORM_EPSILON, x.at, gain.at, bias.at, y.at, mean.at, rstd.at);
}

/* Its backward. The gradients of gain and bias are sums over rows of dy (x - mean) rstd and of dy: of the slices, in
 * partial[slices, 2 width], then of all, by the last block. */
template <typename T>
static __device__ inline void add_slices(unsigned n_slices, int64_t width, int64_t c, const T *partial, T *dgain,
                                         T *dbias, T *room) {
    int64_t none = 2 * width;
    T gain_sum = sum_of_slice(n_slices, 2 * width, c < width ? c : none, 0, 1, partial, room);
    T bias_sum = sum_of_slice(n_slices, 2 * width, c < width ? width + c : none, 0, 1, partial, room);
    if (threadIdx.y > 0 || c >= width) return;
    add_scaled(1, gain_sum, dgain + c);
    add_scaled(1, bias_sum, dbias + c);
}

/* Rows that fit into the registers of a warp's lanes, NORM_QUADS quads each, are read once for all three gradients. A
 * row of threads has rows of one slice. */
enum { NORM_QUADS = 2, MOST_FUSED = WARP * 4 * NORM_QUADS };

static __global__ void __launch_bounds__(SUM_THREADS, 2)
    layer_norm_backward_kernel(int64_t rows, int64_t width, const quad *x, const quad *gain, const real *mean,
                               const real *rstd, const quad *dy, quad *dx, quad *partial, unsigned *arrivals,
                               quad *dgain, quad *dbias, int accumulate) {
    __shared__ quad room[SUM_THREADS];
    quad weight[NORM_QUADS] = {}, gain_sum[NORM_QUADS] = {}, bias_sum[NORM_QUADS] = {};
    unsigned lanes = blockDim.x, lane = threadIdx.x;
    real share = 1 / (real)(4 * width);
    for (int k = 0; k < NORM_QUADS; k++)
        if (k * lanes + lane < width) weight[k] = gain[k * lanes + lane];
    for (int64_t first = block_row(); first < rows; first += row_stride()) { /* the whole block: lanes_sum */
        int64_t r = first + threadIdx.y;
        quad unit[NORM_QUADS] = {}, slope[NORM_QUADS] = {}, before[NORM_QUADS] = {};
        real m = 0, s = 0, sum = 0, along = 0;
        if (r < rows) m = mean[r], s = rstd[r];
        for (int k = 0; k < NORM_QUADS; k++) {
            unsigned c = k * lanes + lane;
            if (r >= rows || c >= width) continue;
            unit[k] = x[r * width + c];
            slope[k] = dy[r * width + c];
            if (accumulate) before[k] = dx[r * width + c];
        }
        for (int k = 0; k < NORM_QUADS; k++)
            for (int i = 0; i < 4; i++) { /* where there is nothing, slope is 0 */
                unit[k].at[i] = (unit[k].at[i] - m) * s;
                gain_sum[k].at[i] += slope[k].at[i] * unit[k].at[i];
                bias_sum[k].at[i] += slope[k].at[i];
                slope[k].at[i] *= weight[k].at[i];
                sum += slope[k].at[i];
                along += slope[k].at[i] * unit[k].at[i];
            }
        sum = share * lanes_sum(sum, lanes);
        along = share * lanes_sum(along, lanes);
        for (int k = 0; k < NORM_QUADS; k++) {
            unsigned c = k * lanes + lane;
            for (int i = 0; i < 4; i++) before[k].at[i] += s * (slope[k].at[i] - sum - unit[k].at[i] * along);
            if (r < rows && c < width) dx[r * width + c] = before[k];
        }
    }
    for (int k = 0; k < NORM_QUADS; k++) {
        unsigned c = k * lanes + lane;
        quad gain_part = sum_over_threads(gain_sum[k], room), bias_part = sum_over_threads(bias_sum[k], room);
        if (threadIdx.y > 0 || c >= width) continue;
        partial[blockIdx.x * 2 * width + c] = gain_part;
        partial[blockIdx.x * 2 * width + width + c] = bias_part;
    }
    if (!last_to_arrive(arrivals, gridDim.x)) return;
    for (int64_t base = 0; base < width; base += lanes)
        add_slices(gridDim.x, width, base + lane, partial, dgain, dbias, room);
}

/* Other rows: a warp for each, then the gradients of gain and bias by columns. */
static __global__ void layer_norm_dx_kernel(int64_t rows, int64_t cols, const real *x, const real *gain,
                                            const real *mean, const real *rstd, const real *dy, real *dx,
                                            int accumulate) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, rows) {
        const real *from = x + r * cols, *slope = dy + r * cols;
        real m = mean[r], s = rstd[r], sum = 0, along = 0;
        for (int64_t c = lane; c < cols; c += WARP) {
            real g = slope[c] * gain[c];
            sum += g;
            along += g * (from[c] - m) * s;
        }
        sum = warp_sum(sum) / (real)cols;
        along = warp_sum(along) / (real)cols;
        for (int64_t c = lane; c < cols; c += WARP)
            dx[r * cols + c] =
                (accumulate ? dx[r * cols + c] : 0) + s * (slope[c] * gain[c] - sum - (from[c] - m) * s * along);
    }
}

static __global__ void __launch_bounds__(SUM_THREADS)
    layer_norm_columns_kernel(int64_t rows, int64_t cols, const real *x, const real *mean, const real *rstd,
                              const real *dy, real *partial, unsigned *arrivals, real *dgain, real *dbias) {
    __shared__ real room[SUM_THREADS];
    int64_t first = (int64_t)blockIdx.x * blockDim.x, step = (int64_t)gridDim.x * blockDim.x;
    int64_t row_step = (int64_t)gridDim.y * blockDim.y;
    for (int64_t base = first; base < cols; base += step) {
        int64_t c = base + threadIdx.x;
        real gain_sum = 0, bias_sum = 0;
        for (int64_t r = (int64_t)blockIdx.y * blockDim.y + threadIdx.y; c < cols && r < rows; r += row_step) {
            real slope = dy[r * cols + c];
            gain_sum += slope * ((x[r * cols + c] - mean[r]) * rstd[r]);
            bias_sum += slope;
        }
        gain_sum = sum_over_threads(gain_sum, room);
        bias_sum = sum_over_threads(bias_sum, room);
        if (threadIdx.y > 0 || c >= cols) continue;
        partial[blockIdx.y * 2 * cols + c] = gain_sum;
        partial[blockIdx.y * 2 * cols + cols + c] = bias_sum;
    }
    if (!last_to_arrive(arrivals + blockIdx.x, gridDim.y)) return;
    for (int64_t base = first; base < cols; base += step)
        add_slices(gridDim.y, cols, base + threadIdx.x, partial, dgain, dbias, room);
}

extern "C" void cuda_layer_norm_backward(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real gain,
                                         dev_real mean, dev_real rstd, dev_real dy, dev_real dx, dev_real dgain,
                                         dev_real dbias, int accumulate) {
    static const char NAME[] = "layer_norm_backward";
    if (rows <= 0 || cols <= 0) return;
    int fused = cols <= MOST_FUSED && in_quads(cols, x.at, gain.at, dy.at) && in_quads(cols, dx.at, dgain.at, dbias.at);
    int64_t width = fused ? cols / 4 : cols;
    dim3 threads = sum_threads(width);
    unsigned slices = slices_for(rows, threads), *arrivals = cuda_of(device)->arrivals;
    real *partial = cuda_scratch(device, slices * 2 * cols);
    if (!partial) return;
    if (fused) {
        launch(device, NAME, layer_norm_backward_kernel, slices, threads, 0, rows, width, (const quad *)x.at,
               (const quad *)gain.at, mean.at, rstd.at, (const quad *)dy.at, (quad *)dx.at, (quad *)partial, arrivals,
               (quad *)dgain.at, (quad *)dbias.at, accumulate);
        return;
    }
    launch(device, NAME, layer_norm_dx_kernel, row_blocks(rows), ROW_WARPS * WARP, 0, rows, cols, x.at, gain.at,
           mean.at, rstd.at, dy.at, dx.at, accumulate);
    launch(device, NAME, layer_norm_columns_kernel, dim3(blocks_for(width, (int)threads.x, ARRIVALS), slices), threads,
           0, rows, cols, x.at, mean.at, rstd.at, dy.at, partial, arrivals, dgain.at, dbias.at);
}
