/* What the picks of the quantiser give back: gradients through the weights and code vectors, and the moving averages. */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/sparse.cuh"

static const unsigned ALL_LANES = 0xffffffffu;

/* ---- gradient: a warp for each query. Queries share rows of c, so that dc is added by atomics, and its last bits may
 * differ from run to run. Floor: bytes of u, dq and twice du, and top_k rows of c read and of dc added to, mostly in
 * the L2 cache. ---- */

/* s_k = -distance_k, q = sum w_k c_k: dw_k = dq.c_k, ds_k = w_k (dw_k - sum_j w_j dw_j); lane k returns 2 ds_k. */
static __device__ real logit_slope(int64_t dim, int top_k, const real *c, const real *dq, real weight, int32_t index) {
    int lane = threadIdx.x % WARP;
    real own = 0;
    for (int k = 0; k < top_k; k++) {
        const real *row = c + (int64_t)__shfl_sync(ALL_LANES, index, k) * dim;
        real dot = 0;
        for (int64_t j = lane; j < dim; j += WARP) dot += dq[j] * row[j];
        dot = warp_sum(dot);
        if (lane == k) own = dot;
    }
    return 2 * weight * (own - warp_sum(weight * own));
}

static __global__ void quantize_backward_kernel(int64_t n, int64_t dim, int top_k, const real *u, const real *c,
                                                const int32_t *index, const real *weight, const real *dq, real *du,
                                                real *dc) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, n) {
        int32_t own_index = lane < top_k ? index[r * top_k + lane] : 0;
        real own_weight = lane < top_k ? weight[r * top_k + lane] : 0;
        real own_slope = logit_slope(dim, top_k, c, dq + r * dim, own_weight, own_index);
        for (int64_t base = 0; base < dim; base += WARP) {
            int64_t j = base + lane;
            real x = j < dim ? u[r * dim + j] : 0, g = j < dim ? dq[r * dim + j] : 0, sum = 0;
            for (int k = 0; k < top_k; k++) {
                int64_t at = (int64_t)__shfl_sync(ALL_LANES, own_index, k) * dim + j;
                real w = __shfl_sync(ALL_LANES, own_weight, k), slope = __shfl_sync(ALL_LANES, own_slope, k);
                if (j >= dim) continue;
                real difference = c[at] - x;
                sum += slope * difference;
                if (dc) atomicAdd(dc + at, w * g - slope * difference);
            }
            if (j < dim) du[r * dim + j] += sum;
        }
    }
}

extern "C" void cuda_quantize_backward(struct device *device, const struct quantize *z, struct picks picks, dev_real dq,
                                       dev_real du, dev_real dc) {
    launch(device, "quantize_backward", quantize_backward_kernel, row_blocks(z->n), ROW_WARPS * WARP, 0, z->n, z->dim,
           (int)z->top_k, z->u.at, z->c.at, picks.index.at, picks.weight.at, dq.at, du.at, dc.at);
}

/* ---- gradient of residual quantisation: a warp for each query, its lanes with columns of their own. With g the gradient
 * with respect to r_k: r_(k+1) = r_k - w c, w = r_k . c, gives g - (g.c) c below it; dc by atomics, as above. ---- */
static __global__ void quantize_residual_backward_kernel(int64_t n, int64_t dim, int top_k, const real *before,
                                                         const real *c, const int32_t *index, const real *weight,
                                                         const real *dq, real *du, real *dc, real *g) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(i, n) {
        for (int64_t j = lane; j < dim; j += WARP) g[i * dim + j] = -dq[i * dim + j];
        for (int k = top_k - 1; k >= 0; k--) {
            int64_t at = i * top_k + k, row = (int64_t)index[at] * dim;
            real w = weight[at], slope = 0;
            if (!(w > 0)) continue;
            for (int64_t j = lane; j < dim; j += WARP) slope += g[i * dim + j] * c[row + j];
            slope = warp_sum(slope);
            for (int64_t j = lane; j < dim; j += WARP) {
                real x = g[i * dim + j];
                if (dc) atomicAdd(dc + row + j, -(slope * before[at * dim + j] + w * x));
                g[i * dim + j] = x - slope * c[row + j];
            }
        }
        for (int64_t j = lane; j < dim; j += WARP) du[i * dim + j] += dq[i * dim + j] + g[i * dim + j];
    }
}

extern "C" void cuda_quantize_residual_backward(struct device *device, const struct quantize *z, struct picks picks,
                                                dev_real dq, dev_real du, dev_real dc) {
    real *g = cuda_scratch(device, z->n * z->dim);
    if (!g) return;
    launch(device, "quantize_residual_backward", quantize_residual_backward_kernel, row_blocks(z->n), ROW_WARPS * WARP,
           0, z->n, z->dim, (int)z->top_k, (const real *)picks.before.at, (const real *)z->c.at,
           (const int32_t *)picks.index.at, (const real *)picks.weight.at, (const real *)dq.at, du.at, dc.at, g);
}

/* ---- gradient of sparse coding: a warp for each query. With h = A^T dq, s = (A^T A + ridge I)^-1 h over the rows of weight above 0;
 * dc by atomics, as above. ---- */
static __global__ void quantize_sparse_backward_kernel(int64_t n, int64_t dim, int top_k, const real *u, const real *c,
                                                       const int32_t *index, const real *weight, const real *dq, real *du,
                                                       real *dc) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, n) {
        int32_t own_index = lane < top_k ? index[r * top_k + lane] : 0;
        real own_weight = lane < top_k ? weight[r * top_k + lane] : 0, own_product = 0;
        for (int k = 0; k < top_k; k++) {
            int64_t row = (int64_t)__shfl_sync(ALL_LANES, own_index, k) * dim;
            real product = 0;
            for (int64_t j = lane; j < dim; j += WARP) product += dq[r * dim + j] * c[row + j];
            product = warp_sum(product);
            if (lane == k && own_weight > 0) own_product = product;
        }
        struct equations e;
        invert_products(&e, dim, c, own_index, own_weight > 0);
        real own_slope = times_vector(&e, own_product);
        if (!(own_weight > 0)) own_slope = 0;
        for (int64_t base = 0; base < dim; base += WARP) {
            int64_t j = base + lane;
            real rest = j < dim ? u[r * dim + j] : 0, along = 0, g = j < dim ? dq[r * dim + j] : 0;
            for (int k = 0; k < top_k; k++) {
                int64_t at = (int64_t)__shfl_sync(ALL_LANES, own_index, k) * dim + j;
                real w = lane_value(own_weight, k), slope = lane_value(own_slope, k);
                if (j >= dim || !(w > 0)) continue;
                rest -= w * c[at];
                along += slope * c[at];
            }
            for (int k = 0; k < top_k; k++) {
                int64_t at = (int64_t)__shfl_sync(ALL_LANES, own_index, k) * dim + j;
                real w = lane_value(own_weight, k), slope = lane_value(own_slope, k);
                if (dc && j < dim && w > 0) atomicAdd(dc + at, w * (g - along) + slope * rest);
            }
            if (j < dim) du[r * dim + j] += along;
        }
    }
}

extern "C" void cuda_quantize_sparse_backward(struct device *device, const struct quantize *z, struct picks picks, dev_real dq,
                                              dev_real du, dev_real dc) {
    launch(device, "quantize_sparse_backward", quantize_sparse_backward_kernel, row_blocks(z->n), ROW_WARPS * WARP, 0, z->n, z->dim,
           (int)z->top_k, z->u.at, z->c.at, picks.index.at, picks.weight.at, dq.at, du.at, dc.at);
}

/* ---- moving averages of the picks ---- */

/* A warp for each query. Added by atomics: the order, and so the last bits, may differ from run to run. */
static __global__ void sum_picks_kernel(int64_t n, int64_t dim, int top_k, const real *u, const int32_t *index,
                                        const real *weight, real *sums) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, n)
    for (int k = 0; k < top_k; k++) {
        real *to = sums + (int64_t)index[r * top_k + k] * (dim + 1), w = weight[r * top_k + k];
        for (int64_t j = lane; j <= dim; j += WARP) atomicAdd(to + j, j < dim ? w * u[r * dim + j] : w);
    }
}

extern "C" void cuda_sum_picks(struct device *device, int64_t n, int64_t dim, int64_t top_k, dev_real u,
                               struct picks picks, dev_real sums) {
    launch(device, "sum_picks", sum_picks_kernel, row_blocks(n), ROW_WARPS * WARP, 0, n, dim, (int)top_k, u.at,
           picks.index.at, picks.weight.at, sums.at);
}

enum { COUNT_BLOCKS = 64, COUNT_THREADS = ROW_WARPS * WARP };

/* partial[block] = sum over this block's rows of the last column, the counts */
static __global__ void sum_counts_kernel(int64_t size, int64_t dim, const real *average, double *partial) {
    __shared__ double room[ROW_WARPS];
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    double sum = 0;
    for (int64_t r = thread; r < size; r += stride) sum += average[r * (dim + 1) + dim];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

static __global__ void ema_rows_kernel(int64_t size, int64_t dim, double epsilon, int n_partial, const double *partial,
                                       const real *sums, const real *average, real *c) {
    int lane = threadIdx.x % WARP;
    double total = 0;
    for (int i = lane; i < n_partial; i += WARP) total += partial[i];
    total = warp_sum(total);
    FOR_EACH_WARP_ROW(r, size) {
        const real *m = average + r * (dim + 1);
        if (!(sums[r * (dim + 1) + dim] > 0)) continue;
        double count = (m[dim] + epsilon) / (total + (double)size * epsilon) * total;
        for (int64_t j = lane; j < dim; j += WARP) c[r * dim + j] = (real)(m[j] / count);
    }
}

extern "C" void cuda_ema_rows(struct device *device, const struct ema *e, dev_real sums, dev_real average, dev_real c) {
    int64_t size = e->size, dim = e->dim;
    if (size <= 0) return;
    double *partial = (double *)cuda_scratch(device, COUNT_BLOCKS * (int64_t)(sizeof(double) / sizeof(real)));
    if (!partial) return;
    int n_partial = (int)blocks_for(size, COUNT_THREADS, COUNT_BLOCKS);
    elementwise(device, "ema_rows", blend_op{NULL, (real)e->decay}, size * (dim + 1), sums.at, NULL, average.at);
    launch(device, "ema_rows", sum_counts_kernel, n_partial, COUNT_THREADS, 0, size, dim, (const real *)average.at,
           partial);
    launch(device, "ema_rows", ema_rows_kernel, row_blocks(size), ROW_WARPS * WARP, 0, size, dim, e->epsilon, n_partial,
           (const double *)partial, (const real *)sums.at, (const real *)average.at, c.at);
}
