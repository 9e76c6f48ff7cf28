/* The covariance by one product, its eigenvectors by rotations. */
#include "fit/principal_components.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/device_status.h"

/* ---- eigenvectors ---- */
/* Turns rows p and q of m [., n], whose values stand `step` apart. */
static void turn(double *m, int64_t n, int64_t p, int64_t q, int64_t row, int64_t step, double c, double s) {
    double *x = m + p * row, *y = m + q * row;
    for (int64_t i = 0; i < n; i++, x += step, y += step) {
        double old = *x;
        *x = c * old - s * *y;
        *y = s * old + c * *y;
    }
}

/* The rotation that makes a[p, q] zero. Returns whether there was anything to turn. */
static int rotate(int64_t n, double *a, double *vectors, int64_t p, int64_t q, double least) {
    double off = a[p * n + q];
    if (fabs(off) <= least) return 0;
    double theta = (a[q * n + q] - a[p * n + p]) / (2 * off);
    double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;
    turn(a, n, p, q, n, 1, c, s);
    turn(a, n, p, q, 1, n, c, s);
    turn(vectors, n, p, q, n, 1, c, s);
    return 1;
}

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

int symmetric_eigen(int64_t n, double *a, double *values, double *vectors) {
    enum { MOST_SWEEPS = 30 };
    double square = 0;
    int64_t turned = 1;
    for (int64_t i = 0; i < n * n; i++) square += a[i] * a[i];
    double least = 1e-12 * sqrt(square) / (double)(n > 0 ? n : 1);
    memset(vectors, 0, (size_t)(n * n) * sizeof *vectors);
    for (int64_t i = 0; i < n; i++) vectors[i * n + i] = 1;
    for (int sweep = 0; sweep < MOST_SWEEPS && turned; sweep++) {
        turned = 0;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) turned += rotate(n, a, vectors, p, q, least);
    }
    if (turned) return status_set(STATUS_FAILED, "the eigenvectors of a covariance were not found: is it finite?");
    for (int64_t i = 0; i < n; i++) values[i] = a[i * n + i];
    for (int64_t i = 0; i < n; i++) {
        int64_t largest = i;
        for (int64_t j = i + 1; j < n; j++)
            if (values[j] > values[largest]) largest = j;
        if (largest != i) swap_rows(n, values, vectors, i, largest);
        make_largest_positive(n, vectors + i * n);
    }
    return STATUS_OK;
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
    double *a = NULL, *vectors = NULL, *values = NULL;
    int status;
    *p = (struct principal_components){.width = width, .n = n};
    TRY_DONE(mem_alloc(&p->mean, width, sizeof *p->mean));
    TRY_DONE(mem_alloc(&p->directions, n * width, sizeof *p->directions));
    TRY_DONE(mem_alloc(&cov, width * width, sizeof *cov));
    TRY_DONE(mem_alloc(&a, width * width, sizeof *a));
    TRY_DONE(mem_alloc(&vectors, width * width, sizeof *vectors));
    TRY_DONE(mem_alloc(&values, width, sizeof *values));
    for (int64_t i = 0; i < n_rows * width; i++) values[i % width] += (double)rows[i];
    for (int64_t c = 0; c < width && n_rows > 0; c++) p->mean[c] = (real)(values[c] / (double)n_rows);
    TRY_DONE(covariance(device, n_rows, width, rows, p->mean, cov));
    for (int64_t i = 0; i < width; i++) /* symmetric to the last bit */
        for (int64_t j = 0; j < width; j++) a[i * width + j] = (double)cov[i < j ? i * width + j : j * width + i];
    TRY_DONE(symmetric_eigen(width, a, values, vectors));
    for (int64_t i = 0; i < n * width; i++) p->directions[i] = (real)vectors[i];
done:
    free(cov);
    free(a);
    free(vectors);
    free(values);
    return status;
}

void principal_components_free(struct principal_components *p) {
    free(p->mean);
    free(p->directions);
    *p = (struct principal_components){0};
}
