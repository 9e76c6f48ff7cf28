/* Rows by index, and rows in segments. Floors, in bytes: gather_rows, 2 n cols values (gather_halves, 1.5); scatter_add_rows, 3 n cols;
 * segment_mean, n_rows cols; its backward, 2 n_rows cols; dropout, 2 n_rows cols (3 where it accumulates). */
#include "cuda/primitives.h"
#include "cuda/rows.cuh"
#include "half.h"

/* ---- rows by index ---- */
template <typename T>
static __global__ void gather_rows_kernel(int64_t n, int64_t width, const real *table, const int32_t *index,
                                          real *out) {
    const T *from = reinterpret_cast<const T *>(table);
    T *to = reinterpret_cast<T *>(out);
    for (int64_t i = block_row() + threadIdx.y; i < n; i += row_stride()) {
        int64_t row = index[i];
        for (int64_t c = threadIdx.x; c < width; c += blockDim.x)
            to[i * width + c] = row < 0 ? T{} : from[row * width + c];
    }
}

extern "C" void cuda_gather_rows(struct device *device, int64_t n, int64_t cols, dev_real table, dev_int index,
                                 dev_real out) {
    int quads = in_quads(cols, table.at, out.at);
    int64_t width = quads ? cols / 4 : cols;
    dim3 threads = row_threads(width);
    launch(device, "gather_rows", quads ? gather_rows_kernel<quad> : gather_rows_kernel<real>, blocks_for(n, threads.y),
           threads, 0, n, width, table.at, index.at, out.at);
}

struct alignas(8) half_quad {
    uint16_t at[4];
};
static __device__ inline real widened(uint16_t x) { return (real)half_to_float(x); }
static __device__ inline quad widened(half_quad x) {
    return {{widened(x.at[0]), widened(x.at[1]), widened(x.at[2]), widened(x.at[3])}};
}

/* T is what `Half` becomes: real of uint16_t, quad of half_quad. */
template <typename Half, typename T>
static __global__ void gather_halves_kernel(int64_t n, int64_t width, const uint16_t *table, const int32_t *index,
                                            real *out) {
    const Half *from = reinterpret_cast<const Half *>(table);
    T *to = reinterpret_cast<T *>(out);
    for (int64_t i = block_row() + threadIdx.y; i < n; i += row_stride()) {
        int64_t row = index[i];
        for (int64_t c = threadIdx.x; c < width; c += blockDim.x)
            to[i * width + c] = row < 0 ? T{} : widened(from[row * width + c]);
    }
}

extern "C" void cuda_gather_halves(struct device *device, int64_t n, int64_t cols, dev_half table, dev_int index,
                                   dev_real out) {
    int quads = in_quads(cols, out.at, NULL) && (uintptr_t)table.at % alignof(half_quad) == 0;
    int64_t width = quads ? cols / 4 : cols;
    dim3 threads = row_threads(width);
    launch(device, "gather_halves",
           quads ? gather_halves_kernel<half_quad, quad> : gather_halves_kernel<uint16_t, real>,
           blocks_for(n, threads.y), threads, 0, n, width, table.at, index.at, out.at);
}

static __global__ void scatter_add_rows_kernel(int64_t n, int64_t cols, const real *x, const int32_t *index,
                                               real *table) {
    for (int64_t i = block_row() + threadIdx.y; i < n; i += row_stride()) {
        int64_t row = index[i];
        if (row < 0) continue;
        for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) atomicAdd(table + row * cols + c, x[i * cols + c]);
    }
}

/* Rows that are named more than once collect their sums in any order: the last bits may differ from run to run. */
extern "C" void cuda_scatter_add_rows(struct device *device, int64_t n, int64_t cols, dev_real x, dev_int index,
                                      dev_real table) {
    dim3 threads = row_threads(cols);
    launch(device, "scatter_add_rows", scatter_add_rows_kernel, blocks_for(n, threads.y), threads, 0, n, cols, x.at,
           index.at, table.at);
}

/* ---- means: a block for 32 columns of a segment, whose rows eight warps share ---- */
enum { MEAN_ROWS = 8 };

static __global__ void segment_mean_kernel(struct ragged rows, int64_t cols, const real *x, real *y) {
    __shared__ real partial[MEAN_ROWS][WARP];
    int64_t i = blockIdx.x, c = (int64_t)blockIdx.y * WARP + threadIdx.x;
    int64_t first = rows.offsets.at[i], end = rows.offsets.at[i + 1];
    real sum = 0;
    if (c < cols) {
#pragma unroll 4
        for (int64_t r = first + threadIdx.y; r < end; r += MEAN_ROWS) sum += x[r * cols + c];
    }
    partial[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || c >= cols) return;
    for (int k = 1; k < MEAN_ROWS; k++) sum += partial[k][threadIdx.x];
    y[i * cols + c] = end > first ? sum / (real)(end - first) : 0;
}

extern "C" void cuda_segment_mean(struct device *device, struct ragged rows, int64_t cols, dev_real x, dev_real y) {
    launch(device, "segment_mean", segment_mean_kernel, dim3((unsigned)rows.n, blocks_for(cols, WARP)),
           dim3(WARP, MEAN_ROWS), 0, rows, cols, x.at, y.at);
}

template <typename T>
static __global__ void segment_mean_backward_kernel(struct ragged rows, int64_t width, const real *dy, real *dx,
                                                    int accumulate) {
    int64_t i = blockIdx.x, first = rows.offsets.at[i], end = rows.offsets.at[i + 1];
    const T *from = reinterpret_cast<const T *>(dy) + i * width;
    T *to = reinterpret_cast<T *>(dx);
    real scale = 1 / (real)(end - first); /* of no use where there are no rows */
    int64_t step = (int64_t)blockDim.y * gridDim.y;
    for (int64_t r = first + (int64_t)blockIdx.y * blockDim.y + threadIdx.y; r < end; r += step)
        for (int64_t c = threadIdx.x; c < width; c += blockDim.x) {
            T x = accumulate ? to[r * width + c] : T{};
            add_scaled(scale, from[c], &x);
            to[r * width + c] = x;
        }
}

extern "C" void cuda_segment_mean_backward(struct device *device, struct ragged rows, int64_t cols, dev_real dy,
                                           dev_real dx, int accumulate) {
    int quads = in_quads(cols, dy.at, dx.at);
    int64_t width = quads ? cols / 4 : cols;
    dim3 threads = row_threads(width), blocks((unsigned)rows.n, parts_for(rows.n_rows, rows.n, 4 * threads.y));
    launch(device, "segment_mean_backward",
           quads ? segment_mean_backward_kernel<quad> : segment_mean_backward_kernel<real>, blocks, threads, 0, rows,
           width, dy.at, dx.at, accumulate);
}

/* ---- dropout: a thread for eight elements, which is what one random block decides ---- */
enum { DROPOUT_THREADS = 256 };

/* y = x where `bits` say so, times scale, and 0 elsewhere; for `count` neighbouring values. x may be y. */
static __device__ inline void drop_values(unsigned bits, real scale, int accumulate, int count, const real *x,
                                          real *y) {
    for (int k = 0; k < count; k++) {
        real kept = bits >> k & 1 ? scale * x[k] : 0;
        y[k] = accumulate ? y[k] + kept : kept;
    }
}

static __global__ void dropout_kernel(struct ragged rows, int64_t cols, const int32_t *keys, struct dropout dropout,
                                      real scale, const real *x, real *y, int accumulate, int quads) {
    int64_t i = blockIdx.x, first = rows.offsets.at[i] * cols, count = rows.offsets.at[i + 1] * cols - first;
    int64_t step = 8 * (int64_t)blockDim.x * gridDim.y;
    uint32_t threshold = dropout_threshold(dropout.rate);
    for (int64_t e = 8 * ((int64_t)blockIdx.y * blockDim.x + threadIdx.x); e < count; e += step) {
        unsigned bits = dropout_bits(dropout, threshold, keys[i], (uint64_t)e);
        if (!quads || e + 8 > count) {
            drop_values(bits, scale, accumulate, (int)(count - e < 8 ? count - e : 8), x + first + e, y + first + e);
            continue;
        }
        for (int half = 0; half < 2; half++) {
            quad from = reinterpret_cast<const quad *>(x + first + e)[half], to = {};
            quad *at = reinterpret_cast<quad *>(y + first + e) + half;
            if (accumulate) to = *at;
            drop_values(bits >> (4 * half), scale, accumulate, 4, from.at, to.at);
            *at = to;
        }
    }
}

extern "C" void cuda_dropout(struct device *device, const struct dropout_rows *d, dev_real x, dev_real y,
                             int accumulate) {
    dim3 blocks((unsigned)d->rows.n, parts_for(d->rows.n_rows * d->cols, d->rows.n, 4 * 8 * DROPOUT_THREADS));
    launch(device, "dropout", dropout_kernel, blocks, DROPOUT_THREADS, 0, d->rows, d->cols, d->keys.at, d->dropout,
           dropout_scale(d->dropout), x.at, y.at, accumulate, in_quads(d->cols, x.at, y.at));
}
