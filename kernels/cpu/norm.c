/* Layer norm and RMS norm, row by row. */
#include "cpu/cpu.h"

/* What was normalised: x, or its sum with the residual, which is kept for backward. */
static const real *normalised_row(const struct norm *n, int64_t r) {
    return (n->residual.at ? n->sum.at : n->x.at) + r * n->cols;
}

/* One row: x, with the residual (NULL: none) added into `sum`; gain and bias may be NULL. */
IN_PLACE void norm_row(const struct norm *n, int64_t r, real *sum, real *y) {
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

WIDE_VECTORS static void norm_rows(const struct norm *n, int64_t first, int64_t end, real *sums, real *y) {
    for (int64_t r = first; r < end; r++) norm_row(n, r, sums + r * n->cols, y + r * n->cols);
}

enum { NORM_ROWS = 16 }; /* that a thread takes at a time */

void cpu_norm(struct device *device, const struct norm *n, dev_real y) {
    if (device->error[0]) return;
    real *sums = n->sum.at ? n->sum.at : y.at;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n->rows * n->cols > PARALLEL_MIN)
    for (int64_t r = 0; r < n->rows; r += NORM_ROWS)
        norm_rows(n, r, r + NORM_ROWS < n->rows ? r + NORM_ROWS : n->rows, sums, y.at);
}

/* ---- backward ---- */
/* One row: dx, and what it adds to the sums of the gradients of gain and bias; the flags are constants of the caller. */
IN_PLACE void row_backward(const struct norm *n, int64_t r, const real *dy, real *dx, real *dgain, real *dbias,
                           int has_gain, int adds, int sums) {
    int64_t cols = n->cols;
    const real *x = normalised_row(n, r), *gain = n->gain.at;
    real m = n->center ? n->mean.at[r] : 0, s = n->rstd.at[r], sum = 0, along = 0;
#pragma omp simd reduction(+ : sum, along)
    for (int64_t c = 0; c < cols; c++) {
        real g = has_gain ? dy[c] * gain[c] : dy[c];
        sum += g;
        along += g * (x[c] - m) * s;
    }
    sum = n->center ? sum / (real)cols : 0;
    along /= (real)cols;
#pragma omp simd
    for (int64_t c = 0; c < cols; c++) {
        real h = (x[c] - m) * s;
        dx[c] = (adds ? dx[c] : 0) + s * ((has_gain ? dy[c] * gain[c] : dy[c]) - sum - h * along);
        if (sums) dgain[c] += dy[c] * h;
        if (sums) dbias[c] += dy[c];
    }
}

/* The sums alone. */
IN_PLACE void row_sums(const struct norm *n, int64_t r, const real *dy, real *dgain, real *dbias) {
    const real *x = normalised_row(n, r);
    real m = n->center ? n->mean.at[r] : 0, s = n->rstd.at[r];
#pragma omp simd
    for (int64_t c = 0; c < n->cols; c++) {
        dgain[c] += dy[c] * ((x[c] - m) * s);
        dbias[c] += dy[c];
    }
}

/* Rows first .. end-1. dx (of all rows) may be NULL, and so may both sums. */
WIDE_VECTORS static void rows_backward(const struct norm *n, int64_t first, int64_t end, const real *dy, real *dx,
                                       int adds, real *dgain, real *dbias) {
#define ROWS(has_gain, adds, sums)                                                                                     \
    for (int64_t r = first; r < end; r++)                                                                              \
    row_backward(n, r, dy + r * n->cols, dx + r * n->cols, dgain, dbias, has_gain, adds, sums)
    int kind = (n->gain.at ? 4 : 0) + (adds ? 2 : 0) + (dgain ? 1 : 0);
    for (int64_t r = first; r < end && !dx && dgain; r++) row_sums(n, r, dy + r * n->cols, dgain, dbias);
    if (!dx) return;
    switch (kind) {
        case 7: ROWS(1, 1, 1); break;
        case 6: ROWS(1, 1, 0); break;
        case 5: ROWS(1, 0, 1); break;
        case 4: ROWS(1, 0, 0); break;
        case 3: ROWS(0, 1, 1); break;
        case 2: ROWS(0, 1, 0); break;
        case 1: ROWS(0, 0, 1); break;
        default: ROWS(0, 0, 0); break;
    }
#undef ROWS
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
        real *sums = partial ? partial + k * 2 * cols : NULL;
        if (sums) memset(sums, 0, 2 * (size_t)cols * sizeof(real));
        rows_backward(n, first, end, dy.at, to.dx.at, to.accumulate, sums, sums ? sums + cols : NULL);
    }
    for (int64_t k = 0; partial && k < n_blocks; k++) {
        if (to.dgain.at) add_row(partial + k * 2 * cols, cols, to.dgain.at);
        if (to.dbias.at) add_row(partial + k * 2 * cols + cols, cols, to.dbias.at);
    }
}
