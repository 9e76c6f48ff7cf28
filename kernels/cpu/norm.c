/* Layer norm and RMS norm, row by row. */
#include <stdio.h>

#include "cpu/cpu.h"

/* What was normalised: x, or its sum with the residual, which is kept for backward. */
static const real *normalised_row(const struct norm *n, int64_t r) {
    return (n->residual.at ? n->sum.at : n->x.at) + r * n->cols;
}

/* One row: x, with the residual (NULL: none) added into `sum`; gain and bias may be NULL. */
WIDE_VECTORS static void norm_row(const struct norm *n, int64_t r, real *sum, real *y) {
    int64_t cols = n->cols;
    const real *x = n->x.at + r * cols, *gain = n->gain.at, *bias = n->bias.at;
    real mean = 0, square = 0;
    if (n->residual.at) {
        const real *residual = n->residual.at + r * cols;
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) sum[c] = x[c] + residual[c];
        x = sum;
    }
    if (n->center) {
        real total = 0;
#pragma omp simd reduction(+ : total)
        for (int64_t c = 0; c < cols; c++) total += x[c];
        mean = total / (real)cols;
    }
#pragma omp simd reduction(+ : square)
    for (int64_t c = 0; c < cols; c++) square += (x[c] - mean) * (x[c] - mean);
    real scale = 1 / real_sqrt(square / (real)cols + (real)n->epsilon);
    if (gain && bias)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) y[c] = (x[c] - mean) * scale * gain[c] + bias[c];
    else
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) y[c] = (x[c] - mean) * scale * (gain ? gain[c] : 1) + (bias ? bias[c] : 0);
    if (n->mean.at) n->mean.at[r] = mean;
    if (n->rstd.at) n->rstd.at[r] = scale;
}

void cpu_norm(struct device *device, const struct norm *n, dev_real y) {
    if (device->error[0]) return;
    real *sums = n->sum.at ? n->sum.at : y.at;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n->rows * n->cols > PARALLEL_MIN)
    for (int64_t r = 0; r < n->rows; r++) norm_row(n, r, sums + r * n->cols, y.at + r * n->cols);
}

/* ---- backward ---- */
/* What one row adds to: dx, or NULL; sums over a block's rows of the gradients of gain and bias, or NULL both. */
struct norm_row_gradients {
    real *dx, *dgain, *dbias;
    int accumulate;
};

WIDE_VECTORS static void norm_row_backward(const struct norm *n, int64_t r, const real *dy,
                                           struct norm_row_gradients to) {
    int64_t cols = n->cols;
    const real *x = normalised_row(n, r), *gain = n->gain.at;
    real m = n->center ? n->mean.at[r] : 0, s = n->rstd.at[r], sum = 0, along = 0;
    if (to.dgain)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) {
            to.dgain[c] += dy[c] * ((x[c] - m) * s);
            to.dbias[c] += dy[c];
        }
    if (!to.dx) return;
#pragma omp simd reduction(+ : sum, along)
    for (int64_t c = 0; c < cols; c++) {
        real g = gain ? dy[c] * gain[c] : dy[c];
        sum += g;
        along += g * ((x[c] - m) * s);
    }
    sum = n->center ? sum / (real)cols : 0;
    along /= (real)cols;
    if (to.accumulate)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++)
            to.dx[c] += s * ((gain ? dy[c] * gain[c] : dy[c]) - sum - (x[c] - m) * s * along);
    else
#pragma omp simd
        for (int64_t c = 0; c < cols; c++)
            to.dx[c] = s * ((gain ? dy[c] * gain[c] : dy[c]) - sum - (x[c] - m) * s * along);
}

static void add_row(const real *x, int64_t cols, real *to) {
#pragma omp simd
    for (int64_t c = 0; c < cols; c++) to[c] += x[c];
}

/* The gradients of gain and bias are summed in blocks of rows, and the blocks in their order. */
void cpu_norm_backward(struct device *device, const struct norm *n, dev_real dy, struct norm_gradients to) {
    int64_t rows = n->rows, cols = n->cols, n_blocks = (rows + REDUCTION_ROWS - 1) / REDUCTION_ROWS;
    int of_parameters = to.dgain.at || to.dbias.at;
    if (rows <= 0 || device->error[0]) return;
    real *partial = of_parameters ? cpu_scratch(device, n_blocks * 2 * cols) : NULL;
    if (of_parameters && !partial) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * cols > PARALLEL_MIN)
    for (int64_t k = 0; k < n_blocks; k++) {
        int64_t first = k * REDUCTION_ROWS, end = first + REDUCTION_ROWS < rows ? first + REDUCTION_ROWS : rows;
        struct norm_row_gradients own = {.accumulate = to.accumulate};
        if (partial) {
            own.dgain = partial + k * 2 * cols;
            own.dbias = own.dgain + cols;
            memset(own.dgain, 0, 2 * (size_t)cols * sizeof(real));
        }
        for (int64_t r = first; r < end; r++) {
            if (to.dx.at) own.dx = to.dx.at + r * cols;
            norm_row_backward(n, r, dy.at + r * cols, own);
        }
    }
    for (int64_t k = 0; partial && k < n_blocks; k++) {
        if (to.dgain.at) add_row(partial + k * 2 * cols, cols, to.dgain.at);
        if (to.dbias.at) add_row(partial + k * 2 * cols + cols, cols, to.dbias.at);
    }
}
