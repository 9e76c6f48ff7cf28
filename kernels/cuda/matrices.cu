/* Products (cuBLAS, in the precision that the device was opened with) and work on rows. The latter are bound by memory;
 * bytes per float32 value: add_bias 8, sum_rows 4, relu 8, relu_backward 12, copy_matrix 8 (12 when it adds),
 * l2_normalize 8, its backward 16, layer_norm 8, its backward 16, and 8 more for the gradients of gain and bias where x
 * and dy have left the L2 cache. Second readings of a row by its warp come from the L1 cache.
 *
 * Sums over rows are made in two stages, of parts that depend on the number of rows alone: the result is the same in
 * each run.
 */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/products.cuh"

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

/* ---- sums over rows: blocks of SUM_COLS columns and SUM_ROWS threads a column, SUM_SLICES slices ---- */
enum { SUM_COLS = 32, SUM_ROWS = 8, SUM_SLICES = 128 };

static unsigned slices_for(int64_t rows) { return blocks_for(rows, 4 * SUM_ROWS, SUM_SLICES); }

/* Adds the sums of the block's columns over its threads; the first thread of each column has the result. */
static __device__ real sum_over_threads(real sum, real room[SUM_ROWS][SUM_COLS]) {
    room[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    sum = 0;
    if (threadIdx.y == 0)
        for (int y = 0; y < SUM_ROWS; y++) sum += room[y][threadIdx.x];
    __syncthreads();
    return sum;
}

/* out[slice,cols] (ldo) = sums of the rows of slice blockIdx.y of x (ldx), or += with `add` */
static __global__ void sum_rows_kernel(int64_t rows, int64_t cols, const real *x, int64_t ldx, real *out, int64_t ldo,
                                       int add) {
    __shared__ real room[SUM_ROWS][SUM_COLS];
    int64_t stride = (int64_t)gridDim.y * SUM_ROWS;
    for (int64_t base = (int64_t)blockIdx.x * SUM_COLS; base < cols; base += (int64_t)gridDim.x * SUM_COLS) {
        int64_t c = base + threadIdx.x;
        real sum = 0;
        if (c < cols)
            for (int64_t r = (int64_t)blockIdx.y * SUM_ROWS + threadIdx.y; r < rows; r += stride) sum += x[r * ldx + c];
        sum = sum_over_threads(sum, room);
        if (threadIdx.y > 0 || c >= cols) continue;
        real *to = out + blockIdx.y * ldo + c;
        *to = add ? *to + sum : sum;
    }
}

static void sum_slices(struct device *device, const char *name, int64_t rows, int64_t cols, const real *x, int64_t ldx,
                       unsigned slices, real *out, int64_t ldo, int add) {
    launch(device, name, sum_rows_kernel, dim3(blocks_for(cols, SUM_COLS), slices), dim3(SUM_COLS, SUM_ROWS), 0, rows,
           cols, x, ldx, out, ldo, add);
}

extern "C" void cuda_sum_rows(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real out) {
    if (rows <= 0 || cols <= 0) return;
    unsigned slices = slices_for(rows);
    real *partial = cuda_scratch(device, slices * cols);
    if (!partial) return;
    sum_slices(device, "sum_rows", rows, cols, x.at, cols, slices, partial, cols, 0);
    sum_slices(device, "sum_rows", slices, cols, partial, cols, 1, out.at, cols, 1);
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

/* ---- layer norm, a warp for each row; then the gradients of gain and bias by columns ---- */
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

static __global__ void layer_norm_dx_kernel(int64_t rows, int64_t cols, const real *x, const real *gain,
                                            const real *mean, const real *rstd, const real *dy, real *dx) {
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
            dx[r * cols + c] += s * (slope[c] * gain[c] - sum - (from[c] - m) * s * along);
    }
}

/* partial[slice, 2 cols]: the sums of dy (x - mean) rstd, then of dy, over the rows of slice blockIdx.y */
static __global__ void layer_norm_dgain_kernel(int64_t rows, int64_t cols, const real *x, const real *mean,
                                               const real *rstd, const real *dy, real *partial) {
    __shared__ real room[SUM_ROWS][SUM_COLS];
    int64_t stride = (int64_t)gridDim.y * SUM_ROWS;
    for (int64_t base = (int64_t)blockIdx.x * SUM_COLS; base < cols; base += (int64_t)gridDim.x * SUM_COLS) {
        int64_t c = base + threadIdx.x;
        real gain_sum = 0, bias_sum = 0;
        if (c < cols)
            for (int64_t r = (int64_t)blockIdx.y * SUM_ROWS + threadIdx.y; r < rows; r += stride) {
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
}

extern "C" void cuda_layer_norm(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real gain,
                                dev_real bias, dev_real y, dev_real mean, dev_real rstd) {
    launch(device, "layer_norm", layer_norm_kernel, row_blocks(rows), ROW_WARPS * WARP, 0, rows, cols,
           LAYER_NORM_EPSILON, x.at, gain.at, bias.at, y.at, mean.at, rstd.at);
}

extern "C" void cuda_layer_norm_backward(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real gain,
                                         dev_real mean, dev_real rstd, dev_real dy, dev_real dx, dev_real dgain,
                                         dev_real dbias) {
    static const char NAME[] = "layer_norm_backward";
    if (rows <= 0 || cols <= 0) return;
    unsigned slices = slices_for(rows);
    real *partial = cuda_scratch(device, slices * 2 * cols);
    if (!partial) return;
    launch(device, NAME, layer_norm_dx_kernel, row_blocks(rows), ROW_WARPS * WARP, 0, rows, cols, x.at, gain.at,
           mean.at, rstd.at, dy.at, dx.at);
    launch(device, NAME, layer_norm_dgain_kernel, dim3(blocks_for(cols, SUM_COLS), slices), dim3(SUM_COLS, SUM_ROWS), 0,
           rows, cols, x.at, mean.at, rstd.at, dy.at, partial);
    sum_slices(device, NAME, slices, cols, partial, 2 * cols, 1, dgain.at, cols, 1);
    sum_slices(device, NAME, slices, cols, partial + cols, 2 * cols, 1, dbias.at, cols, 1);
}
