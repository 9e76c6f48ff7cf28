/* Softmax cross-entropy, value and gradients in one pass over chunks of rows: the logits of a chunk become its
 * probabilities, and these the gradients, before the next chunk is made. */
#include "cpu/cpu.h"
#include "cpu/vector_math.h"

/* Logits held at a time: 16 MB, or those of 64 rows if that is more, since products of fewer rows read b for too little work. */
enum { CHUNK_VALUES = 1 << 22, LEAST_ROWS = 64, BIAS_COLUMNS = 1024 };

/* A logit whose exponential is 0 beside any other. */
static const real NOTHING = (real)-1e30;

/* Adds the bias, and takes the columns of the row's class, but the target, out of the softmax. */
static void finish_logits(const struct cross_entropy *c, int64_t row, int64_t target, real *logits) {
    int64_t m = c->m;
    if (c->bias.at)
#pragma omp simd
        for (int64_t j = 0; j < m; j++) logits[j] += c->bias.at[j];
    int32_t class = c->row_class.at ? c->row_class.at[row] : -1;
    if (class < 0) return;
    real kept = logits[target];
#pragma omp simd
    for (int64_t j = 0; j < m; j++) logits[j] = c->column_class.at[j] == class ? NOTHING : logits[j];
    logits[target] = kept;
}

/* Returns log softmax[target]; logits [m] -> weight * (softmax - one at the target) if `gradient`, else any values. */
static double row_log_probability(real *logits, int64_t m, int64_t target, real weight, int gradient) {
    real most = logits[0], sum = 0, wanted = logits[target];
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < m; j++) most = logits[j] > most ? logits[j] : most;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < m; j++) {
        logits[j] = real_exp(logits[j] - most);
        sum += logits[j];
    }
    if (gradient) {
        real scale = weight / sum;
#pragma omp simd
        for (int64_t j = 0; j < m; j++) logits[j] *= scale;
        logits[target] -= weight;
    }
    return (double)wanted - (double)most - log((double)sum);
}

/* One row's logits -> their gradient; returns the row's log-probability, 0 if it is ignored. */
static double row_entropy(const struct cross_entropy *c, int64_t row, real *logits, int gradient) {
    int64_t target = c->target.at ? c->target.at[row] : c->first + row;
    double weight = c->weight * (c->weights.at ? (double)c->weights.at[row] : 1);
    if (target < 0) {
        memset(logits, 0, (size_t)c->m * sizeof *logits);
        return 0;
    }
    finish_logits(c, row, target, logits);
    return row_log_probability(logits, c->m, target, (real)weight, gradient);
}

/* out[cols] += the rows of x, in their order; threads share the columns. */
static void add_columns(struct device *device, int64_t rows, int64_t cols, const real *x, real *out) {
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * cols > PARALLEL_MIN)
    for (int64_t first = 0; first < cols; first += BIAS_COLUMNS) {
        int64_t end = first + BIAS_COLUMNS < cols ? first + BIAS_COLUMNS : cols;
        for (int64_t r = 0; r < rows; r++)
#pragma omp simd
            for (int64_t j = first; j < end; j++) out[j] += x[r * cols + j];
    }
}

void cpu_cross_entropy(struct device *device, const struct cross_entropy *c, dev_real loss, dev_real log_probability,
                       dev_real da, dev_real db, dev_real dbias) {
    int64_t n = c->n, m = c->m, dim = c->dim;
    if (n <= 0 || m <= 0 || dim <= 0) return;
    int64_t chunk = CHUNK_VALUES / m < LEAST_ROWS ? LEAST_ROWS : CHUNK_VALUES / m;
    if (chunk > n) chunk = n;
    int gradient = da.at || db.at || dbias.at;
    int64_t per_real = (int64_t)(sizeof(double) / sizeof(real));
    real *logits = cpu_scratch(device, chunk * m + 16 + chunk * per_real);
    if (!logits) return;
    double *values = (double *)(logits + (chunk * m + 15) / 16 * 16), total = 0;
    for (int64_t first = 0; first < n; first += chunk) {
        int64_t rows = first + chunk < n ? chunk : n - first;
        struct matrix a = {dev_real_at(c->a, first * dim), dim}, b = {c->b, dim}, block = {{logits}, m};
        struct gemm product = {.transpose_b = 1, .m = rows, .n = m, .k = dim, .alpha = c->scale};
        struct gemm of_a = {.m = rows, .n = dim, .k = m, .alpha = c->scale, .beta = 1};
        struct gemm of_b = {.transpose_a = 1, .m = m, .n = dim, .k = rows, .alpha = c->scale, .beta = 1};
        cpu_gemm(device, &product, a, b, block);
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * m > PARALLEL_MIN)
        for (int64_t r = 0; r < rows; r++) values[r] = row_entropy(c, first + r, logits + r * m, gradient);
        if (da.at) cpu_gemm(device, &of_a, block, b, (struct matrix){dev_real_at(da, first * dim), dim});
        if (db.at) cpu_gemm(device, &of_b, block, a, (struct matrix){db, dim});
        if (dbias.at) add_columns(device, rows, m, logits, dbias.at);
        for (int64_t r = 0; r < rows; r++) {
            total -= (c->weights.at ? (double)c->weights.at[first + r] : 1) * values[r];
            if (log_probability.at) log_probability.at[first + r] = (real)values[r];
        }
    }
    if (loss.at) loss.at[0] += (real)(c->weight * total);
}
