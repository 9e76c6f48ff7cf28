/* Layer norm and RMS norm, a warp for each row. Bound by memory; floors in bytes per float32 value: norm 8, 12 with a residual, 16
 * if its sum is kept; backward 16, and 8 more for wide rows where x and dy have left the L2 cache. Second readings of a row
 * by its warp come from the L1 cache.
 */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/rows.cuh"
#include "cuda/sums.cuh"

/* struct norm as kernels take it: NULL is what is not there. */
struct norm_rows {
    int64_t rows, cols;
    int center;
    real epsilon;
    const real *x, *residual, *gain, *bias;
    real *sum, *mean, *rstd;
};

static struct norm_rows rows_of(const struct norm *n) {
    return {n->rows,  n->cols,     n->center, (real)n->epsilon, n->x.at,   n->residual.at, n->gain.at,
            n->bias.at, n->sum.at, n->mean.at, n->rstd.at};
}

/* Each lane reads and writes the same columns, so y and the sum may be x or residual. */
static __global__ void norm_kernel(struct norm_rows n, real *y) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, n.rows) {
        const real *a = n.x + r * n.cols, *b = n.residual ? n.residual + r * n.cols : NULL;
        real total = 0, square = 0, mean = 0;
        if (n.center) {
            for (int64_t c = lane; c < n.cols; c += WARP) total += b ? a[c] + b[c] : a[c];
            mean = warp_sum(total) / (real)n.cols;
        }
        for (int64_t c = lane; c < n.cols; c += WARP) {
            real d = (b ? a[c] + b[c] : a[c]) - mean;
            square += d * d;
        }
        real scale = 1 / sqrt(warp_sum(square) / (real)n.cols + n.epsilon);
        for (int64_t c = lane; c < n.cols; c += WARP) {
            real s = b ? a[c] + b[c] : a[c];
            if (b && n.sum) n.sum[r * n.cols + c] = s;
            y[r * n.cols + c] = (s - mean) * scale * (n.gain ? n.gain[c] : 1) + (n.bias ? n.bias[c] : 0);
        }
        if (lane == 0 && n.mean) n.mean[r] = mean;
        if (lane == 0 && n.rstd) n.rstd[r] = scale;
    }
}

extern "C" void cuda_norm(struct device *device, const struct norm *n, dev_real y) {
    launch(device, "norm", norm_kernel, row_blocks(n->rows), ROW_WARPS * WARP, 0, rows_of(n), y.at);
}

/* ---- backward ---- */
/* The gradients of gain and bias are sums over rows of dy (x - mean) rstd and of dy: of the slices, in
 * partial[slices, 2 width], then of all, by the last block. */
template <typename T>
static __device__ inline void add_slices(unsigned n_slices, int64_t width, int64_t c, const T *partial, T *dgain,
                                         T *dbias, T *room) {
    int64_t none = 2 * width;
    T gain_sum = sum_of_slice(n_slices, 2 * width, c < width ? c : none, 0, 1, partial, room);
    T bias_sum = sum_of_slice(n_slices, 2 * width, c < width ? width + c : none, 0, 1, partial, room);
    if (threadIdx.y > 0 || c >= width) return;
    if (dgain) add_scaled(1, gain_sum, dgain + c);
    if (dbias) add_scaled(1, bias_sum, dbias + c);
}

/* Rows that fit into the registers of a warp's lanes, NORM_QUADS quads each, are read once for all three gradients. A
 * row of threads has rows of one slice. */
enum { NORM_QUADS = 2, MOST_FUSED = WARP * 4 * NORM_QUADS };

static __global__ void __launch_bounds__(SUM_THREADS, 2)
    norm_backward_kernel(struct norm_rows n, const quad *dy, quad *dx, quad *partial, unsigned *arrivals, quad *dgain,
                         quad *dbias, int accumulate) {
    const quad *x = (const quad *)n.x, *gain = (const quad *)n.gain;
    int64_t rows = n.rows, width = n.cols / 4;
    __shared__ quad room[SUM_THREADS];
    quad weight[NORM_QUADS] = {}, gain_sum[NORM_QUADS] = {}, bias_sum[NORM_QUADS] = {};
    unsigned lanes = blockDim.x, lane = threadIdx.x;
    real share = 1 / (real)(4 * width);
    for (int k = 0; k < NORM_QUADS; k++)
        for (int i = 0; i < 4; i++) weight[k].at[i] = 1;
    for (int k = 0; gain && k < NORM_QUADS; k++)
        if (k * lanes + lane < width) weight[k] = gain[k * lanes + lane];
    for (int64_t first = block_row(); first < rows; first += row_stride()) { /* the whole block: lanes_sum */
        int64_t r = first + threadIdx.y;
        quad unit[NORM_QUADS] = {}, slope[NORM_QUADS] = {}, before[NORM_QUADS] = {};
        real m = 0, s = 0, sum = 0, along = 0;
        if (r < rows) m = n.center ? n.mean[r] : 0, s = n.rstd[r];
        for (int k = 0; k < NORM_QUADS; k++) {
            unsigned c = k * lanes + lane;
            if (r >= rows || c >= width) continue;
            unit[k] = x[r * width + c];
            slope[k] = dy[r * width + c];
            if (accumulate && dx) before[k] = dx[r * width + c];
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
        sum = n.center ? share * lanes_sum(sum, lanes) : 0;
        along = share * lanes_sum(along, lanes);
        for (int k = 0; k < NORM_QUADS; k++) {
            unsigned c = k * lanes + lane;
            for (int i = 0; i < 4; i++) before[k].at[i] += s * (slope[k].at[i] - sum - unit[k].at[i] * along);
            if (dx && r < rows && c < width) dx[r * width + c] = before[k];
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
static __global__ void norm_dx_kernel(struct norm_rows n, const real *dy, real *dx, int accumulate) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, n.rows) {
        const real *from = n.x + r * n.cols, *slope = dy + r * n.cols;
        real m = n.center ? n.mean[r] : 0, s = n.rstd[r], sum = 0, along = 0;
        for (int64_t c = lane; c < n.cols; c += WARP) {
            real g = n.gain ? slope[c] * n.gain[c] : slope[c];
            sum += g;
            along += g * (from[c] - m) * s;
        }
        sum = n.center ? warp_sum(sum) / (real)n.cols : 0;
        along = warp_sum(along) / (real)n.cols;
        for (int64_t c = lane; c < n.cols; c += WARP)
            dx[r * n.cols + c] = (accumulate ? dx[r * n.cols + c] : 0) +
                                 s * ((n.gain ? slope[c] * n.gain[c] : slope[c]) - sum - (from[c] - m) * s * along);
    }
}

static __global__ void __launch_bounds__(SUM_THREADS)
    norm_columns_kernel(struct norm_rows n, const real *dy, real *partial, unsigned *arrivals, real *dgain,
                        real *dbias) {
    __shared__ real room[SUM_THREADS];
    int64_t rows = n.rows, cols = n.cols;
    int64_t first = (int64_t)blockIdx.x * blockDim.x, step = (int64_t)gridDim.x * blockDim.x;
    int64_t row_step = (int64_t)gridDim.y * blockDim.y;
    for (int64_t base = first; base < cols; base += step) {
        int64_t c = base + threadIdx.x;
        real gain_sum = 0, bias_sum = 0;
        for (int64_t r = (int64_t)blockIdx.y * blockDim.y + threadIdx.y; c < cols && r < rows; r += row_step) {
            real slope = dy[r * cols + c];
            gain_sum += slope * ((n.x[r * cols + c] - (n.center ? n.mean[r] : 0)) * n.rstd[r]);
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

extern "C" void cuda_norm_backward(struct device *device, const struct norm *norm, dev_real dy,
                                   struct norm_gradients to) {
    static const char NAME[] = "norm_backward";
    struct norm_rows n = rows_of(norm);
    int of_parameters = to.dgain.at || to.dbias.at;
    if (n.rows <= 0 || n.cols <= 0) return;
    if (n.residual) n.x = n.sum;
    int fused = of_parameters && n.cols <= MOST_FUSED && in_quads(n.cols, n.x, n.gain, dy.at) &&
                in_quads(n.cols, to.dx.at, to.dgain.at, to.dbias.at);
    int64_t width = fused ? n.cols / 4 : n.cols;
    dim3 threads = sum_threads(width);
    unsigned slices = slices_for(n.rows, threads), *arrivals = cuda_of(device)->arrivals;
    real *partial = of_parameters ? cuda_scratch(device, slices * 2 * n.cols) : NULL;
    if (of_parameters && !partial) return;
    if (fused) {
        launch(device, NAME, norm_backward_kernel, slices, threads, 0, n, (const quad *)dy.at, (quad *)to.dx.at,
               (quad *)partial, arrivals, (quad *)to.dgain.at, (quad *)to.dbias.at, to.accumulate);
        return;
    }
    if (of_parameters)
        launch(device, NAME, norm_columns_kernel, dim3(blocks_for(width, (int)threads.x, ARRIVALS), slices), threads, 0,
               n, dy.at, partial, arrivals, to.dgain.at, to.dbias.at);
    if (to.dx.at)
        launch(device, NAME, norm_dx_kernel, row_blocks(n.rows), ROW_WARPS * WARP, 0, n, dy.at, to.dx.at,
               to.accumulate);
}
