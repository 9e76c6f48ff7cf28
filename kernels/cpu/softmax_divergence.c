/* The divergence of two softmaxes over the same columns, value and gradients in one pass over chunks of rows: the logits of a
 * chunk become their gradients before the next chunk is made. */
#include "cpu/cpu.h"
#include "cpu/vector_math.h"

/* Logits of either kind held at a time: 8 MB, or those of 64 rows if that is more. */
enum { CHUNK_VALUES = 1 << 21, LEAST_ROWS = 64 };

static real largest(const real *x, int64_t n) {
    real most = x[0];
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < n; j++) most = x[j] > most ? x[j] : most;
    return most;
}

/* Logits s, r [m] of p and g. Returns sum p log(p / g); if `gradient`, s and r become weight times its gradients,
 * p (log(p / g) - the sum) and g - p. */
static double row_divergence(real *s, real *r, int64_t m, real weight, int gradient) {
    real most_s = largest(s, m), most_r = largest(r, m), sum_s = 0, sum_r = 0, moment = 0;
#pragma omp simd reduction(+ : sum_s, sum_r, moment)
    for (int64_t j = 0; j < m; j++) {
        real e = real_exp(s[j] - most_s);
        sum_s += e;
        sum_r += real_exp(r[j] - most_r);
        moment += e * ((s[j] - most_s) - (r[j] - most_r));
    }
    real mean = moment / sum_s;
    for (int64_t j = 0; gradient && j < m; j++) {
        real p = real_exp(s[j] - most_s) / sum_s, ratio = (s[j] - most_s) - (r[j] - most_r);
        r[j] = weight * (real_exp(r[j] - most_r) / sum_r - p);
        s[j] = weight * p * (ratio - mean);
    }
    return (double)mean + log((double)sum_r) - log((double)sum_s);
}

/* The gradients through the logits of `rows` rows from `first` on. */
static void spread(struct device *device, const struct softmax_divergence *d, int64_t first, int64_t rows, real *s,
                   real *r, dev_real da, dev_real db, dev_real dc) {
    int64_t dim = d->dim, m = d->last - d->first, row = first * dim;
    struct matrix c = {dev_real_at(d->c, d->first * dim), dim}, of_s = {{s}, m}, of_r = {{r}, m};
    struct gemm to_row = {.m = rows, .n = dim, .k = m, .alpha = d->scale, .beta = 1};
    struct gemm to_column = {.transpose_a = 1, .m = m, .n = dim, .k = rows, .alpha = d->scale, .beta = 1};
    if (da.at) cpu_gemm(device, &to_row, of_s, c, (struct matrix){dev_real_at(da, row), dim});
    if (db.at) cpu_gemm(device, &to_row, of_r, c, (struct matrix){dev_real_at(db, row), dim});
    if (!dc.at) return;
    struct matrix of_c = {dev_real_at(dc, d->first * dim), dim};
    cpu_gemm(device, &to_column, of_s, (struct matrix){dev_real_at(d->a, row), dim}, of_c);
    cpu_gemm(device, &to_column, of_r, (struct matrix){dev_real_at(d->b, row), dim}, of_c);
}

void cpu_softmax_divergence(struct device *device, const struct softmax_divergence *d, dev_real loss, dev_real da,
                            dev_real db, dev_real dc) {
    int64_t n = d->n, m = d->last - d->first, dim = d->dim;
    if (n <= 0 || m <= 0 || dim <= 0) return;
    int64_t chunk = CHUNK_VALUES / m < LEAST_ROWS ? LEAST_ROWS : CHUNK_VALUES / m;
    if (chunk > n) chunk = n;
    int gradient = da.at || db.at || dc.at;
    int64_t held = (chunk * m + 15) / 16 * 16;
    real *s = cpu_scratch(device, 2 * held + chunk * (int64_t)(sizeof(double) / sizeof(real))), *r = s + held;
    if (!s) return;
    double *values = (double *)(r + held), total = 0;
    for (int64_t first = 0; first < n; first += chunk) {
        int64_t rows = first + chunk < n ? chunk : n - first;
        struct matrix c = {dev_real_at(d->c, d->first * dim), dim};
        struct gemm product = {.transpose_b = 1, .m = rows, .n = m, .k = dim, .alpha = d->scale};
        cpu_gemm(device, &product, (struct matrix){dev_real_at(d->a, first * dim), dim}, c, (struct matrix){{s}, m});
        cpu_gemm(device, &product, (struct matrix){dev_real_at(d->b, first * dim), dim}, c, (struct matrix){{r}, m});
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * m > PARALLEL_MIN)
        for (int64_t i = 0; i < rows; i++)
            values[i] = row_divergence(s + i * m, r + i * m, m, (real)d->weight, gradient);
        spread(device, d, first, rows, s, r, da, db, dc);
        for (int64_t i = 0; i < rows; i++) total += values[i];
    }
    if (loss.at) loss.at[0] += (real)(d->weight * total);
}
