/* Contrastive cross-entropy, value and gradients in one pass over chunks of rows: the logits of a chunk become its
 * probabilities, and these the gradients, before the next chunk is made. */
#include "cpu/cpu.h"
#include "cpu/vector_math.h"

enum { CHUNK_VALUES = 1 << 22 }; /* logits held at a time: 16 MB */

/* A logit whose exponential is 0 beside any other. */
static const real NOTHING = (real)-1e30;

/* Takes the columns of the row's class, but the positive, out of the softmax. */
static void leave_out(real *logits, int64_t m, int64_t positive, int32_t row_class, const int32_t *column_class) {
    real target = logits[positive];
    if (row_class < 0) return;
#pragma omp simd
    for (int64_t j = 0; j < m; j++) logits[j] = column_class[j] == row_class ? NOTHING : logits[j];
    logits[positive] = target;
}

/* logits [m] -> weight * (softmax - one at `positive`); returns -log softmax[positive]. */
static double row_gradient(real *logits, int64_t m, int64_t positive, real weight) {
    real most = logits[0], sum = 0, target = logits[positive];
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < m; j++) most = logits[j] > most ? logits[j] : most;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < m; j++) {
        logits[j] = real_exp(logits[j] - most);
        sum += logits[j];
    }
    real scale = weight / sum;
#pragma omp simd
    for (int64_t j = 0; j < m; j++) logits[j] *= scale;
    logits[positive] -= weight;
    return log((double)sum) - ((double)target - (double)most);
}

void cpu_nce(struct device *device, int64_t n, int64_t m, int64_t dim, int64_t positive, double temperature,
             double weight, dev_int row_class, dev_int column_class, dev_real a, dev_real b, dev_real loss, dev_real da,
             dev_real db) {
    if (n <= 0 || m <= 0) return;
    int64_t chunk = CHUNK_VALUES / m < 1 ? 1 : CHUNK_VALUES / m;
    if (chunk > n) chunk = n;
    int64_t per_real = (int64_t)(sizeof(double) / sizeof(real));
    real *logits = cpu_scratch(device, chunk * m + 16 + chunk * per_real);
    if (!logits) return;
    double *values = (double *)(logits + (chunk * m + 15) / 16 * 16), total = 0;
    for (int64_t first = 0; first < n; first += chunk) {
        int64_t rows = first + chunk < n ? chunk : n - first;
        dev_real block = {logits}, a_rows = dev_real_at(a, first * dim), da_rows = dev_real_at(da, first * dim);
        cpu_gemm(device, 0, 1, rows, m, dim, 1 / temperature, a_rows, dim, b, dim, 0, block, m);
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * m > PARALLEL_MIN)
        for (int64_t r = 0; r < rows; r++) {
            int64_t column = positive + first + r;
            if (row_class.at) leave_out(logits + r * m, m, column, row_class.at[first + r], column_class.at);
            values[r] = row_gradient(logits + r * m, m, column, (real)weight);
        }
        cpu_gemm(device, 0, 0, rows, dim, m, 1 / temperature, block, m, b, dim, 1, da_rows, dim);
        cpu_gemm(device, 1, 0, m, dim, rows, 1 / temperature, block, m, a_rows, dim, 1, db, dim);
        for (int64_t r = 0; r < rows; r++) total += values[r];
    }
    loss.at[0] += (real)(weight * total);
}
