/* Products (oneDNN or OpenBLAS, blocks of the result shared by the threads) and work on rows. */
#include "cpu/cpu.h"
#include "cpu/onednn.h"
#include "cpu/row_math.h"

enum { PRODUCT_BLOCK = 256 }; /* rows or columns of a product that one thread computes at a time */

void cpu_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k, real alpha, const real *a,
                 int64_t lda, const real *b, int64_t ldb, real beta, real *c, int64_t ldc) {
    if (onednn_gemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) return;
    cblas_rgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)m,
                (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

/* A sum over nothing, which BLAS would leave out: c = beta c. */
static void scale_rows(int64_t rows, int64_t cols, real beta, real *c, int64_t ldc) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

/* The cut into blocks must not depend on the number of threads: BLAS rounds differently for other sizes. */
void cpu_gemm_batch(struct device *device, int64_t count, const struct gemm *g, struct matrices a, struct matrices b,
                    struct matrices c) {
    int64_t m = g->m, n = g->n, k = g->k;
    if (m <= 0 || n <= 0 || device->error[0]) return;
    int64_t rows = m >= 2 * PRODUCT_BLOCK ? PRODUCT_BLOCK : m;
    int64_t cols = rows == m && n >= 2 * PRODUCT_BLOCK ? PRODUCT_BLOCK : n;
    int64_t n_row_blocks = (m + rows - 1) / rows, n_blocks = n_row_blocks * ((n + cols - 1) / cols);
#pragma omp parallel for num_threads(cpu_threads(device)) if (count * n_blocks > 1 &&                                  \
                                                              count * m * n * k > 8 * PARALLEL_MIN)
    for (int64_t block = 0; block < count * n_blocks; block++) {
        int64_t matrix = block / n_blocks, i = block % n_row_blocks * rows;
        int64_t j = block % n_blocks / n_row_blocks * cols;
        int64_t height = i + rows < m ? rows : m - i, width = j + cols < n ? cols : n - j;
        const real *a_block = a.first.at + matrix * a.stride + (g->transpose_a ? i : i * a.ld);
        const real *b_block = b.first.at + matrix * b.stride + (g->transpose_b ? j * b.ld : j);
        real *c_block = c.first.at + matrix * c.stride + i * c.ld + j;
        if (k > 0)
            cpu_product(g->transpose_a, g->transpose_b, height, width, k, (real)g->alpha, a_block, a.ld, b_block, b.ld,
                        (real)g->beta, c_block, c.ld);
        else
            scale_rows(height, width, (real)g->beta, c_block, c.ld);
    }
}

void cpu_gemm(struct device *device, const struct gemm *g, struct matrix a, struct matrix b, struct matrix c) {
    cpu_gemm_batch(device, 1, g, (struct matrices){a.first, a.ld, 0}, (struct matrices){b.first, b.ld, 0},
                   (struct matrices){c.first, c.ld, 0});
}

void cpu_add_bias(struct device *device, int64_t rows, int64_t cols, dev_real bias, dev_real y) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * cols > PARALLEL_MIN)
    for (int64_t r = 0; r < rows; r++)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) y.at[r * cols + c] += bias.at[c];
}

/* Adds the rows first..end-1 of x to out[cols]. */
static void add_rows(const real *x, int64_t first, int64_t end, int64_t cols, real *out) {
    for (int64_t r = first; r < end; r++)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) out[c] += x[r * cols + c];
}

void cpu_sum_rows(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real out) {
    int64_t n_blocks = (rows + REDUCTION_ROWS - 1) / REDUCTION_ROWS;
    if (rows <= 0 || device->error[0]) return;
    real *partial = cpu_scratch(device, n_blocks * cols);
    if (!partial) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * cols > PARALLEL_MIN)
    for (int64_t k = 0; k < n_blocks; k++) {
        int64_t first = k * REDUCTION_ROWS, end = first + REDUCTION_ROWS < rows ? first + REDUCTION_ROWS : rows;
        memset(partial + k * cols, 0, (size_t)cols * sizeof(real));
        add_rows(x.at, first, end, cols, partial + k * cols);
    }
    add_rows(partial, 0, n_blocks, cols, out.at);
}

void cpu_copy_matrix(struct device *device, int64_t rows, int64_t cols, struct matrix x, struct matrix y,
                     int accumulate) {
    if (device->error[0]) return;
    real keep = accumulate ? 1 : 0;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * cols > PARALLEL_MIN)
    for (int64_t r = 0; r < rows; r++) {
        if (keep == 0)
            memcpy(y.first.at + r * y.ld, x.first.at + r * x.ld, (size_t)cols * sizeof(real));
        else
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) y.first.at[r * y.ld + c] += x.first.at[r * x.ld + c];
    }
}

void cpu_l2_normalize(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real y, dev_real norm) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * cols > PARALLEL_MIN)
    for (int64_t r = 0; r < rows; r++) {
        const real *xr = x.at + r * cols;
        real length = real_sqrt(row_dot(xr, xr, cols));
        norm.at[r] = length > (real)1e-12 ? length : (real)1e-12; /* as PyTorch's F.normalize */
        if (isnan(length)) norm.at[r] = length;                   /* a NaN must not be hidden */
        real scale = 1 / norm.at[r];
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) y.at[r * cols + c] = scale * xr[c];
    }
}

void cpu_l2_normalize_backward(struct device *device, int64_t rows, int64_t cols, dev_real y, dev_real norm,
                               dev_real dy, dev_real dx) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * cols > PARALLEL_MIN)
    for (int64_t r = 0; r < rows; r++) {
        const real *yr = y.at + r * cols, *g = dy.at + r * cols;
        real along = row_dot(yr, g, cols), scale = 1 / norm.at[r];
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) dx.at[r * cols + c] += scale * (g[c] - along * yr[c]);
    }
}
