/* The divergence of two softmaxes over the same columns, value and gradients in one pass over chunks of rows: the logits of a
 * chunk become their gradients before the next chunk is made. */
#include "cpu/cpu.h"
#include "cpu/vector_math.h"

/* Logits of either kind held at a time: 8 MB, or those of 64 rows if that is more. */
enum { CHUNK_VALUES = 1 << 21, LEAST_ROWS = 64 };

/* A logit whose exponential is 0 beside any other. */
static const real NOTHING = (real)-1e30;

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

/* Logits of `rows` rows from `first` on: x [rows,m]. */
static void make_logits(struct device *device, const struct softmax_divergence *d, const struct similarities *s,
                        int64_t first, int64_t rows, real *x) {
    struct matrix a = {dev_real_at(s->rows, first * s->dim), s->dim}, b = {s->columns, s->dim};
    struct gemm product = {.transpose_b = 1, .m = rows, .n = d->m, .k = s->dim, .alpha = s->scale};
    cpu_gemm(device, &product, a, b, (struct matrix){{x}, d->m});
    for (int64_t i = 0; i < rows && d->own >= 0; i++) x[i * d->m + d->own + first + i] = NOTHING;
}

/* The gradients through their gradients x. */
static void spread(struct device *device, const struct softmax_divergence *d, const struct similarities *s,
                   int64_t first, int64_t rows, real *x, dev_real of_rows, dev_real of_columns) {
    int64_t dim = s->dim, m = d->m, row = first * dim;
    struct matrix of_x = {{x}, m};
    struct gemm to_row = {.m = rows, .n = dim, .k = m, .alpha = s->scale, .beta = 1};
    struct gemm to_column = {.transpose_a = 1, .m = m, .n = dim, .k = rows, .alpha = s->scale, .beta = 1};
    if (of_rows.at)
        cpu_gemm(device, &to_row, of_x, (struct matrix){s->columns, dim},
                 (struct matrix){dev_real_at(of_rows, row), dim});
    if (of_columns.at)
        cpu_gemm(device, &to_column, of_x, (struct matrix){dev_real_at(s->rows, row), dim},
                 (struct matrix){of_columns, dim});
}

void cpu_softmax_divergence(struct device *device, const struct softmax_divergence *d, dev_real loss,
                            struct softmax_divergence_gradients to) {
    int64_t n = d->n, m = d->m;
    if (n <= 0 || m <= 0 || d->p.dim <= 0 || d->g.dim <= 0) return;
    int64_t chunk = CHUNK_VALUES / m < LEAST_ROWS ? LEAST_ROWS : CHUNK_VALUES / m;
    if (chunk > n) chunk = n;
    int gradient = to.p_rows.at || to.p_columns.at || to.g_rows.at || to.g_columns.at;
    int64_t held = (chunk * m + 15) / 16 * 16;
    real *s = cpu_scratch(device, 2 * held + chunk * (int64_t)(sizeof(double) / sizeof(real))), *r = s + held;
    if (!s) return;
    double *values = (double *)(r + held), total = 0;
    for (int64_t first = 0; first < n; first += chunk) {
        int64_t rows = first + chunk < n ? chunk : n - first;
        make_logits(device, d, &d->p, first, rows, s);
        make_logits(device, d, &d->g, first, rows, r);
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * m > PARALLEL_MIN)
        for (int64_t i = 0; i < rows; i++)
            values[i] = row_divergence(s + i * m, r + i * m, m, (real)d->weight, gradient);
        spread(device, d, &d->p, first, rows, s, to.p_rows, to.p_columns);
        spread(device, d, &d->g, first, rows, r, to.g_rows, to.g_columns);
        for (int64_t i = 0; i < rows; i++) total += values[i];
    }
    if (loss.at) loss.at[0] += (real)(d->weight * total);
}
