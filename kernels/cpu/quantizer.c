/* The quantiser: nearest code vectors, their weights, and the gradients of both. Rows have norm 1, so |u|^2 + |c|^2 - 2 u.c falls
 * as u.c grows, and u.c is what is ranked (nearest.h). */
#include "cpu/cpu.h"
#include "cpu/nearest.h"
#include "cpu/row_math.h"
#include "cpu/vector_math.h"

/* softmax(-distance) = softmax(2 u.c), and the weighted mean of the code vectors. */
static void finish_row(const struct nearest *best, int64_t top_k, int64_t dim, const real *c, int32_t *index,
                       real *weight, real *q) {
    real sum = 0;
    for (int64_t k = 0; k < top_k; k++) {
        index[k] = best->index[k];
        weight[k] = real_exp(2 * (best->dot[k] - best->dot[0]));
        sum += weight[k];
    }
    memset(q, 0, (size_t)dim * sizeof(real));
    for (int64_t k = 0; k < top_k; k++) {
        weight[k] /= sum;
        const real *row = c + (int64_t)index[k] * dim;
#pragma omp simd
        for (int64_t j = 0; j < dim; j++) q[j] += weight[k] * row[j];
    }
}

void cpu_quantize(struct device *device, const struct quantize *z, struct picks picks, dev_real q) {
    int threads = cpu_threads(device);
    int64_t n = z->n, dim = z->dim, top_k = z->top_k;
    int64_t lists = (n * (int64_t)sizeof(struct nearest) + 63) / 64 * 64 / (int64_t)sizeof(real);
    real *scratch = cpu_scratch(device, lists + nearest_scratch(threads, dim, z->last - z->first));
    if (!scratch || n <= 0) return;
    struct nearest *best = (struct nearest *)scratch;
    nearest_rows(((struct cpu *)device->backend)->vectors, threads, n, dim, z->first, z->last, top_k, z->u.at, z->c.at,
                 best, scratch + lists);
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++)
        finish_row(&best[i], top_k, dim, z->c.at, picks.index.at + i * top_k, picks.weight.at + i * top_k,
                   q.at + i * dim);
}

/* s_k = -distance_k, q = sum w_k c_k: dw_k = dq.c_k, ds_k = w_k (dw_k - sum_j w_j dw_j). */
static void logit_gradients(int64_t top_k, int64_t dim, const real *c, const int32_t *index, const real *weight,
                            const real *dq, real *ds) {
    real mean = 0;
    for (int64_t k = 0; k < top_k; k++) {
        ds[k] = row_dot(dq, c + (int64_t)index[k] * dim, dim);
        mean += weight[k] * ds[k];
    }
    for (int64_t k = 0; k < top_k; k++) ds[k] = weight[k] * (ds[k] - mean);
}

void cpu_quantize_backward(struct device *device, const struct quantize *z, struct picks picks, dev_real dq,
                           dev_real du, dev_real dc) {
    const real *u = z->u.at, *c = z->c.at;
    int64_t n = z->n, dim = z->dim, top_k = z->top_k;
    real *slopes = cpu_scratch(device, n * top_k);
    if (!slopes) return;
    int threads = cpu_threads(device);
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        const int32_t *rows = picks.index.at + i * top_k;
        real *ds = slopes + i * top_k, *out = du.at + i * dim;
        const real *ui = u + i * dim;
        logit_gradients(top_k, dim, c, rows, picks.weight.at + i * top_k, dq.at + i * dim, ds);
        for (int64_t k = 0; k < top_k; k++) {
            const real *row = c + (int64_t)rows[k] * dim;
#pragma omp simd
            for (int64_t j = 0; j < dim; j++) out[j] += 2 * ds[k] * (row[j] - ui[j]);
        }
    }
    if (!dc.at) return;
    /* Many queries may pick one row: threads share the columns, and each adds in query order. */
    int64_t slice = (dim + threads - 1) / threads;
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN) schedule(static, 1)
    for (int64_t begin = 0; begin < dim; begin += slice) {
        int64_t end = begin + slice < dim ? begin + slice : dim;
        for (int64_t i = 0; i < n * top_k; i++) {
            const real *row = c + (int64_t)picks.index.at[i] * dim, *g = dq.at + i / top_k * dim;
            const real *ui = u + i / top_k * dim;
            real *out = dc.at + (int64_t)picks.index.at[i] * dim, w = picks.weight.at[i], s = 2 * slopes[i];
#pragma omp simd
            for (int64_t j = begin; j < end; j++) out[j] += w * g[j] + s * (ui[j] - row[j]);
        }
    }
}

void cpu_sum_picks(struct device *device, int64_t n, int64_t dim, int64_t top_k, dev_real u, struct picks picks,
                   dev_real sums) {
    if (device->error[0]) return;
    int threads = cpu_threads(device);
    int64_t slice = (dim + threads - 1) / threads;
    /* As above: threads share the columns. The first counts. */
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN) schedule(static, 1)
    for (int64_t begin = 0; begin < dim; begin += slice) {
        int64_t end = begin + slice < dim ? begin + slice : dim;
        for (int64_t i = 0; i < n * top_k; i++) {
            const real *row = u.at + i / top_k * dim;
            real *out = sums.at + (int64_t)picks.index.at[i] * (dim + 1), w = picks.weight.at[i];
#pragma omp simd
            for (int64_t j = begin; j < end; j++) out[j] += w * row[j];
            if (begin == 0) out[dim] += w;
        }
    }
}

void cpu_ema_rows(struct device *device, const struct ema *e, dev_real sums, dev_real average, dev_real c) {
    if (device->error[0]) return;
    int64_t size = e->size, dim = e->dim;
    double total = 0;
    real keep = (real)e->decay;
    cpu_blend(device, size * (dim + 1), (dev_real){&keep}, sums, average);
    for (int64_t r = 0; r < size; r++) total += average.at[r * (dim + 1) + dim];
#pragma omp parallel for num_threads(cpu_threads(device)) if (size * dim > PARALLEL_MIN)
    for (int64_t r = 0; r < size; r++) {
        if (!(sums.at[r * (dim + 1) + dim] > 0)) continue;
        const real *m = average.at + r * (dim + 1);
        double count = (m[dim] + e->epsilon) / (total + (double)size * e->epsilon) * total;
        for (int64_t j = 0; j < dim; j++) c.at[r * dim + j] = (real)(m[j] / count);
    }
}
