/* Weighted sums of a table's rows. Floors, in bytes per float32 value: forward, 4 for each item's row and 4 for the sum (8 where
 * it accumulates); backward, 8 for each item's row of dtable, 4 more for each of table where weights have gradients, and 4 for
 * dy. */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/rows.cuh"

static __device__ inline int64_t first_item(const struct bag &b, int64_t bag) {
    return b.items.offsets.at ? b.items.offsets.at[bag] : bag * (b.items.n_rows / b.items.n);
}

static __device__ inline real weight_of(const struct bag &b, int64_t item) {
    return b.weight.at ? b.weight.at[item] : 1;
}

template <typename T>
static __global__ void bag_kernel(struct bag b, int64_t width, const real *table, real *y, int accumulate) {
    const T *from = reinterpret_cast<const T *>(table);
    T *to = reinterpret_cast<T *>(y);
    for (int64_t i = block_row() + threadIdx.y; i < b.items.n; i += row_stride()) {
        int64_t first = first_item(b, i), end = first_item(b, i + 1);
        for (int64_t c = threadIdx.x; c < width; c += blockDim.x) {
            T sum = accumulate ? to[i * width + c] : T{};
            for (int64_t p = first; p < end; p++) {
                int64_t row = b.index.at[p];
                if (row >= 0) add_scaled(weight_of(b, p), from[row * width + c], &sum);
            }
            to[i * width + c] = sum;
        }
    }
}

extern "C" void cuda_bag(struct device *device, const struct bag *b, dev_real table, dev_real y, int accumulate) {
    int quads = in_quads(b->cols, table.at, y.at);
    int64_t width = quads ? b->cols / 4 : b->cols;
    dim3 threads = row_threads(width);
    launch(device, "bag", quads ? bag_kernel<quad> : bag_kernel<real>, blocks_for(b->items.n, threads.y), threads, 0,
           *b, width, (const real *)table.at, y.at, accumulate);
}

/* A warp for each bag, or for each of gridDim.y shares of its items. dtable or dweight may be NULL. */
static __global__ void bag_backward_kernel(struct bag b, const real *table, const real *dy, real *dtable,
                                           real *dweight) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(i, b.items.n) {
        const real *g = dy + i * b.cols;
        int64_t end = first_item(b, i + 1);
        for (int64_t p = first_item(b, i) + blockIdx.y; p < end; p += gridDim.y) {
            int64_t row = b.index.at[p];
            if (row < 0) continue;
            real weight = weight_of(b, p), along = 0;
            for (int64_t c = lane; c < b.cols; c += WARP) {
                if (dtable) atomicAdd(dtable + row * b.cols + c, weight * g[c]);
                if (dweight) along += g[c] * table[row * b.cols + c];
            }
            if (!dweight) continue;
            along = warp_sum(along);
            if (lane == 0) dweight[p] += along;
        }
    }
}

/* Rows that several items name collect their sums in any order: the last bits may differ from run to run. */
extern "C" void cuda_bag_backward(struct device *device, const struct bag *b, dev_real table, dev_real dy,
                                  dev_real dtable, dev_real dweight) {
    if (!dtable.at && !dweight.at) return;
    dim3 blocks(row_blocks(b->items.n), parts_for(b->items.n_rows, b->items.n, 4));
    launch(device, "bag_backward", bag_backward_kernel, blocks, ROW_WARPS * WARP, 0, *b, (const real *)table.at,
           (const real *)dy.at, dtable.at, dweight.at);
}
