/* Binary cross-entropy of independent labels. The loss is summed over fixed blocks of rows in double, then over the blocks in
 * order. */
#include "cpu/cpu.h"
#include "cpu/vector_math.h"

enum { BLOCK = 1 << 13 }; /* values */

/* One row: returns its loss, without the common weight; gradient: dx += its gradient. */
IN_PLACE double terms(int64_t labels, const real *x, const int32_t *y, const real *positive_weights, real weight,
                      real *dx, int weighted, int gradient) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t l = 0; l < labels; l++) {
        real truth = y[l] > 0 ? 1 : 0, w = weighted ? 1 + truth * (positive_weights[l] - 1) : 1;
        w = y[l] < 0 ? 0 : w;
        real value = y[l] < 0 ? 0 : x[l]; /* what is ignored may be NaN */
        real small = real_exp(value < 0 ? value : -value), above = value > 0 ? value : 0;
        sum += (double)(w * (above - truth * value + real_log1p(small)));
        real share = (value < 0 ? small : 1) / (1 + small); /* the sigmoid */
        if (gradient) dx[l] += weight * w * (share - truth);
    }
    return sum;
}

/* A loop of its own for each of the four kinds, so that none has conditions within. */
WIDE_VECTORS static double row_loss(int64_t labels, const real *x, const int32_t *y, const real *positive_weights,
                                    real weight, real *dx) {
    if (positive_weights)
        return dx ? terms(labels, x, y, positive_weights, weight, dx, 1, 1)
                  : terms(labels, x, y, positive_weights, weight, dx, 1, 0);
    return dx ? terms(labels, x, y, NULL, weight, dx, 0, 1) : terms(labels, x, y, NULL, weight, dx, 0, 0);
}

void cpu_bce(struct device *device, const struct bce *b, dev_real loss, dev_real dx) {
    int64_t labels = b->labels;
    if (b->rows <= 0 || labels <= 0 || device->error[0]) return;
    int64_t rows = BLOCK / labels < 1 ? 1 : BLOCK / labels, n_blocks = (b->rows + rows - 1) / rows;
    double *partial = (double *)cpu_scratch(device, n_blocks * (int64_t)(sizeof(double) / sizeof(real)));
    if (!partial) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (b->rows * labels > PARALLEL_MIN)
    for (int64_t k = 0; k < n_blocks; k++) {
        int64_t end = (k + 1) * rows < b->rows ? (k + 1) * rows : b->rows;
        partial[k] = 0;
        for (int64_t r = k * rows; r < end; r++)
            partial[k] += row_loss(labels, b->x.at + r * labels, b->y.at + r * labels, b->positive_weights.at,
                                   (real)b->weight, dx.at ? dx.at + r * labels : NULL);
    }
    double sum = 0;
    for (int64_t k = 0; k < n_blocks; k++) sum += partial[k];
    if (loss.at) loss.at[0] = (real)((double)loss.at[0] + b->weight * sum);
}
