/* The covariance by one product, its eigenvectors by LAPACK. */
#include "fit/principal_components.h"

#include <math.h>
#include <stdlib.h>

#include "base/device_status.h"

/* ---- eigenvectors ---- */
/* LAPACK's, of OpenBLAS: eigenvalues (ascending) and, in the place of a, eigenvectors (its columns, our rows) of a symmetric matrix, by divide and conquer. */
void dsyevd_(const char *job, const char *triangle, const int *n, double *a, const int *lda, double *values,
             double *work, const int *n_work, int *iwork, const int *n_iwork, int *info);

static void swap_rows(int64_t n, double *values, double *vectors, int64_t i, int64_t j) {
    double value = values[i];
    values[i] = values[j];
    values[j] = value;
    for (int64_t c = 0; c < n; c++) {
        double x = vectors[i * n + c];
        vectors[i * n + c] = vectors[j * n + c];
        vectors[j * n + c] = x;
    }
}

/* An eigenvector may point either way, and which way it comes out may hang on a rounding. */
static void make_largest_positive(int64_t n, double *vector) {
    int64_t largest = 0;
    for (int64_t c = 1; c < n; c++)
        if (fabs(vector[c]) > fabs(vector[largest])) largest = c;
    if (vector[largest] >= 0) return;
    for (int64_t c = 0; c < n; c++) vector[c] = -vector[c];
}

int symmetric_eigen(int64_t n, double *a, double *values) {
    int width = (int)n, info = 0, n_work = 1 + 6 * width + 2 * width * width, n_iwork = 3 + 5 * width, status;
    double *work = NULL, square = 0;
    int *iwork = NULL;
    for (int64_t i = 0; i < n * n; i++) square += a[i] * a[i];
    if (!isfinite(square))
        return status_set(STATUS_FAILED, "the eigenvectors of a covariance were not found: it is not finite");
    TRY_DONE(mem_alloc(&work, n_work, sizeof *work));
    TRY_DONE(mem_alloc(&iwork, n_iwork, sizeof *iwork));
    if (n > 0) dsyevd_("V", "U", &width, a, &width, values, work, &n_work, iwork, &n_iwork, &info);
    TRY_DONE(info ? status_set(STATUS_FAILED,
                               "the eigenvectors of a covariance were not found: LAPACK's dsyevd ended with %d", info)
                  : STATUS_OK);
    for (int64_t i = 0; i < n / 2; i++) swap_rows(n, values, a, i, n - 1 - i); /* the largest first */
    for (int64_t i = 0; i < n; i++) make_largest_positive(n, a + i * n);
done:
    free(work);
    free(iwork);
    return status;
}

/* ---- components ---- */
/* covariance [width, width] of rows - mean. */
static int covariance(struct device *d, int64_t n, int64_t width, const float *rows, const real *mean, real *cov) {
    enum { BLOCK = 4096 };
    real *block;
    TRY(mem_alloc(&block, BLOCK * width, sizeof *block));
    dev_real x = device_alloc_reals(d, BLOCK * width), c = device_alloc_reals(d, width * width);
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t count = n - first < BLOCK ? n - first : BLOCK;
        for (int64_t i = 0; i < count * width; i++) block[i] = (real)rows[first * width + i] - mean[i % width];
        device_upload_reals(d, x, block, count * width);
        struct gemm g = {
            .transpose_a = 1, .m = width, .n = width, .k = count, .alpha = 1 / (double)n, .beta = first > 0};
        struct matrix centred = {x, width};
        d->run->gemm(d, &g, centred, centred, (struct matrix){c, width});
    }
    if (n > 0) device_download_reals(d, cov, c, width * width);
    device_free_reals(d, x);
    device_free_reals(d, c);
    free(block);
    return device_status(d);
}

int principal_components_make(struct principal_components *p, struct device *device, int64_t n_rows, int64_t width,
                              const float *rows, int64_t n) {
    real *cov = NULL;
    double *a = NULL, *values = NULL;
    int status;
    *p = (struct principal_components){.width = width, .n = n};
    TRY_DONE(mem_alloc(&p->mean, width, sizeof *p->mean));
    TRY_DONE(mem_alloc(&p->directions, n * width, sizeof *p->directions));
    TRY_DONE(mem_alloc(&cov, width * width, sizeof *cov));
    TRY_DONE(mem_alloc(&a, width * width, sizeof *a));
    TRY_DONE(mem_alloc(&values, width, sizeof *values));
    for (int64_t i = 0; i < n_rows * width; i++) values[i % width] += (double)rows[i];
    for (int64_t c = 0; c < width && n_rows > 0; c++) p->mean[c] = (real)(values[c] / (double)n_rows);
    TRY_DONE(covariance(device, n_rows, width, rows, p->mean, cov));
    for (int64_t i = 0; i < width; i++) /* symmetric to the last bit */
        for (int64_t j = 0; j < width; j++) a[i * width + j] = (double)cov[i < j ? i * width + j : j * width + i];
    TRY_DONE(symmetric_eigen(width, a, values));
    for (int64_t i = 0; i < n * width; i++) p->directions[i] = (real)a[i];
done:
    free(cov);
    free(a);
    free(values);
    return status;
}

void principal_components_free(struct principal_components *p) {
    free(p->mean);
    free(p->directions);
    *p = (struct principal_components){0};
}
