/* Distance with top-K in blocks: a block of queries against a block of candidates fits the L2 cache, is multiplied by
 * BLAS, and is scanned at once against each query's K-th best; most sixteen similarities are passed over by one
 * comparison of their maximum. Rows have norm 1, so |u|^2 + |c|^2 - 2 u.c falls as u.c grows, and u.c is what is ranked. */
#include <omp.h>

#include "cpu/cpu.h"
#include "cpu/vector_math.h"

enum { QUERIES = 128, CANDIDATES = 512, SCAN = 16, MAX_TOP_K = 16 };

struct best {
    real dot[MAX_TOP_K]; /* largest first */
    int32_t index[MAX_TOP_K];
};

static void best_clear(struct best *best, int64_t first, int64_t top_k) {
    for (int64_t k = 0; k < top_k; k++) {
        best->dot[k] = -INFINITY;
        best->index[k] = (int32_t)(first + k); /* stays valid if similarities are NaN */
    }
}

/* Candidates come by ascending index, and only a strictly larger similarity moves another down: ties go to the smaller
 * index. */
static void best_insert(struct best *best, int64_t top_k, real dot, int32_t index) {
    int64_t k = top_k - 1;
    for (; k > 0 && dot > best->dot[k - 1]; k--) {
        best->dot[k] = best->dot[k - 1];
        best->index[k] = best->index[k - 1];
    }
    best->dot[k] = dot;
    best->index[k] = index;
}

static void scan_row(struct best *best, int64_t top_k, const real *dots, int64_t n, int64_t first) {
    for (int64_t at = 0; at < n; at += SCAN) {
        int64_t count = at + SCAN < n ? SCAN : n - at;
        real most = -INFINITY;
#pragma omp simd reduction(max : most)
        for (int64_t j = 0; j < count; j++) most = dots[at + j] > most ? dots[at + j] : most;
        if (!(most > best->dot[top_k - 1])) continue;
        for (int64_t j = 0; j < count; j++)
            if (dots[at + j] > best->dot[top_k - 1]) best_insert(best, top_k, dots[at + j], (int32_t)(first + at + j));
    }
}

/* softmax(-distance) = softmax(2 u.c), and the weighted mean of the code vectors. */
static void finish_row(const struct best *best, int64_t top_k, int64_t dim, const real *c, int32_t *index, real *weight,
                       real *q) {
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

void cpu_quantize(struct device *device, int64_t n, int64_t dim, int64_t first, int64_t last, int64_t top_k, dev_real u,
                  dev_real c, dev_int index, dev_real weight, dev_real q) {
    int threads = cpu_threads(device);
    real *scratch = cpu_scratch(device, (int64_t)threads * QUERIES * CANDIDATES);
    if (!scratch) return;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t block = 0; block < n; block += QUERIES) {
        int64_t rows = block + QUERIES < n ? QUERIES : n - block;
        real *dots = scratch + (int64_t)omp_get_thread_num() * QUERIES * CANDIDATES;
        struct best best[QUERIES];
        for (int64_t r = 0; r < rows; r++) best_clear(&best[r], first, top_k);
        for (int64_t at = first; at < last; at += CANDIDATES) {
            int64_t count = at + CANDIDATES < last ? CANDIDATES : last - at;
            cblas_rgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)count, (int)dim, 1, u.at + block * dim,
                        (int)dim, c.at + at * dim, (int)dim, 0, dots, CANDIDATES);
            for (int64_t r = 0; r < rows; r++) scan_row(&best[r], top_k, dots + r * CANDIDATES, count, at);
        }
        for (int64_t r = 0; r < rows; r++) {
            int64_t row = block + r;
            finish_row(&best[r], top_k, dim, c.at, index.at + row * top_k, weight.at + row * top_k, q.at + row * dim);
        }
    }
}

static real dot(const real *a, const real *b, int64_t n) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) sum += a[j] * b[j];
    return sum;
}

/* s_k = -distance_k, q = sum w_k c_k: dw_k = dq.c_k, ds_k = w_k (dw_k - sum_j w_j dw_j). */
static void logit_gradients(int64_t top_k, int64_t dim, const real *c, const int32_t *index, const real *weight,
                            const real *dq, real *ds) {
    real mean = 0;
    for (int64_t k = 0; k < top_k; k++) {
        ds[k] = dot(dq, c + (int64_t)index[k] * dim, dim);
        mean += weight[k] * ds[k];
    }
    for (int64_t k = 0; k < top_k; k++) ds[k] = weight[k] * (ds[k] - mean);
}

void cpu_quantize_backward(struct device *device, int64_t n, int64_t dim, int64_t top_k, dev_real u, dev_real c,
                           dev_int index, dev_real weight, dev_real dq, dev_real du, dev_real dc) {
    real *slopes = cpu_scratch(device, n * top_k);
    if (!slopes) return;
    int threads = cpu_threads(device);
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        const int32_t *rows = index.at + i * top_k;
        real *ds = slopes + i * top_k, *out = du.at + i * dim;
        const real *ui = u.at + i * dim;
        logit_gradients(top_k, dim, c.at, rows, weight.at + i * top_k, dq.at + i * dim, ds);
        for (int64_t k = 0; k < top_k; k++) {
            const real *row = c.at + (int64_t)rows[k] * dim;
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
            const real *row = c.at + (int64_t)index.at[i] * dim, *g = dq.at + i / top_k * dim;
            const real *ui = u.at + i / top_k * dim;
            real *out = dc.at + (int64_t)index.at[i] * dim, w = weight.at[i], s = 2 * slopes[i];
#pragma omp simd
            for (int64_t j = begin; j < end; j++) out[j] += w * g[j] + s * (ui[j] - row[j]);
        }
    }
}

void cpu_sum_picks(struct device *device, int64_t n, int64_t dim, int64_t top_k, dev_real u, dev_int index,
                   dev_real weight, dev_real picks) {
    if (device->error[0]) return;
    int threads = cpu_threads(device);
    int64_t slice = (dim + threads - 1) / threads;
    /* As above: threads share the columns. The first counts. */
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN) schedule(static, 1)
    for (int64_t begin = 0; begin < dim; begin += slice) {
        int64_t end = begin + slice < dim ? begin + slice : dim;
        for (int64_t i = 0; i < n * top_k; i++) {
            const real *row = u.at + i / top_k * dim;
            real *out = picks.at + (int64_t)index.at[i] * (dim + 1), w = weight.at[i];
#pragma omp simd
            for (int64_t j = begin; j < end; j++) out[j] += w * row[j];
            if (begin == 0) out[dim] += w;
        }
    }
}

void cpu_ema_rows(struct device *device, int64_t size, int64_t dim, double decay, double epsilon, dev_real picks,
                  dev_real average, dev_real c) {
    if (device->error[0]) return;
    double total = 0;
    cpu_blend(device, size * (dim + 1), decay, picks, average);
    for (int64_t r = 0; r < size; r++) total += average.at[r * (dim + 1) + dim];
#pragma omp parallel for num_threads(cpu_threads(device)) if (size * dim > PARALLEL_MIN)
    for (int64_t r = 0; r < size; r++) {
        if (!(picks.at[r * (dim + 1) + dim] > 0)) continue;
        const real *m = average.at + r * (dim + 1);
        double count = (m[dim] + epsilon) / (total + (double)size * epsilon) * total;
        for (int64_t j = 0; j < dim; j++) c.at[r * dim + j] = (real)(m[j] / count);
    }
}
