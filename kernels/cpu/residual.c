/* Residual quantisation: a token of each level takes from the vector what its code vector explains, and leaves the rest to the next
 * level. */
#include "cpu/cpu.h"
#include "cpu/nearest.h"
#include "cpu/row_math.h"

/* One level of one vector: *index = the row found, *weight = max(0, r . c), before = r, r -= weight c. */
static void take_level(const struct nearest *best, int64_t dim, const real *c, real *r, int32_t *index, real *weight,
                       real *before) {
    real w = best->dot[0] > 0 ? best->dot[0] : 0;
    *index = best->index[0];
    *weight = w;
    memcpy(before, r, (size_t)dim * sizeof(real));
    row_add(-w, c + (int64_t)best->index[0] * dim, r, dim);
}

void cpu_quantize_residual(struct device *device, const struct quantize *z, struct picks picks, dev_real q) {
    int threads = cpu_threads(device);
    int64_t n = z->n, dim = z->dim, first = z->first, last = z->last, top_k = z->top_k;
    int64_t lists = (n * (int64_t)sizeof(struct nearest) + 63) / 64 * 64 / (int64_t)sizeof(real);
    int64_t left = (n * dim + 15) / 16 * 16, widest = (last - first + top_k - 1) / top_k;
    real *scratch = cpu_scratch(device, lists + left + nearest_scratch(threads, dim, widest));
    if (!scratch || n <= 0) return;
    struct nearest *best = (struct nearest *)scratch;
    real *r = scratch + lists;
    memcpy(r, z->u.at, (size_t)(n * dim) * sizeof(real));
    for (int64_t k = 0; k < top_k; k++) {
        nearest_rows(((struct cpu *)device->backend)->vectors, threads, n, dim,
                     residual_level_first(first, last, top_k, k), residual_level_first(first, last, top_k, k + 1), 1, r,
                     z->c.at, best, r + left);
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN)
        for (int64_t i = 0; i < n; i++) {
            int64_t at = i * top_k + k;
            take_level(&best[i], dim, z->c.at, r + i * dim, picks.index.at + at, picks.weight.at + at,
                       picks.before.at + at * dim);
        }
    }
#pragma omp parallel for simd num_threads(threads) if (n * dim > PARALLEL_MIN)
    for (int64_t i = 0; i < n * dim; i++) q.at[i] = z->u.at[i] - r[i];
}

/* Of one vector: gradients[k] [dim] with respect to what level k leaves, slopes[k] = gradients[k] . c; du += that with respect to u.
 * r_(k+1) = r_k - (r_k . c) c gives g - (g . c) c below level k; where the weight is 0, it takes nothing. */
static void level_gradients(int64_t dim, int64_t top_k, const real *c, const int32_t *index, const real *weight,
                            const real *dq, real *gradients, real *slopes, real *du) {
    real *g = gradients + (top_k - 1) * dim;
    for (int64_t j = 0; j < dim; j++) g[j] = -dq[j];
    for (int64_t k = top_k - 1; k >= 0; k--) {
        const real *row = c + (int64_t)index[k] * dim;
        real *below = k ? g - dim : du;
        slopes[k] = weight[k] > 0 ? row_dot(g, row, dim) : 0;
        if (k) memset(below, 0, (size_t)dim * sizeof(real));
        row_add(1, g, below, dim);
        row_add(-slopes[k], row, below, dim);
        g = below;
    }
    row_add(1, dq, du, dim);
}

void cpu_quantize_residual_backward(struct device *device, const struct quantize *z, struct picks picks, dev_real dq,
                                    dev_real du, dev_real dc) {
    int64_t n = z->n, dim = z->dim, top_k = z->top_k;
    real *gradients = cpu_scratch(device, n * top_k * (dim + 1)), *slopes = gradients + n * top_k * dim;
    if (!gradients) return;
    int threads = cpu_threads(device);
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++)
        level_gradients(dim, top_k, z->c.at, picks.index.at + i * top_k, picks.weight.at + i * top_k, dq.at + i * dim,
                        gradients + i * top_k * dim, slopes + i * top_k, du.at + i * dim);
    if (!dc.at) return;
    /* Many vectors may pick one row: threads share the columns, and each adds in the order of vectors. */
    int64_t slice = (dim + threads - 1) / threads;
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN) schedule(static, 1)
    for (int64_t begin = 0; begin < dim; begin += slice) {
        int64_t end = begin + slice < dim ? begin + slice : dim;
        for (int64_t i = 0; i < n * top_k; i++) {
            const real *r = picks.before.at + i * dim, *g = gradients + i * dim;
            real *out = dc.at + (int64_t)picks.index.at[i] * dim, w = picks.weight.at[i], s = slopes[i];
            if (!(w > 0)) continue;
#pragma omp simd
            for (int64_t j = begin; j < end; j++) out[j] -= s * r[j] + w * g[j];
        }
    }
}
