/* What is multiplied goes to the device, and what comes of it back. */
#include "fit/design_dense.h"

#include <stdlib.h>

#include "base/device_status.h"
#include "fit/design.h"

static int allocate(struct dense_rows *r, int most_outputs) {
    struct device *d = r->device;
    int64_t most = r->n > r->n_columns ? r->n : r->n_columns, all = r->n * r->n_columns;
    TRY(mem_alloc(&r->host, most * most_outputs > all ? most * most_outputs : all, sizeof *r->host));
    r->rows = device_alloc_reals(d, all);
    r->of_columns = device_alloc_reals(d, r->n_columns * most_outputs);
    r->of_rows = device_alloc_reals(d, r->n * most_outputs);
    return device_status(d);
}

int dense_rows_make(struct dense_rows **rows, struct device *device, int64_t n, int64_t n_columns, const float *values,
                    int most_outputs) {
    TRY(mem_alloc(rows, 1, sizeof **rows));
    struct dense_rows *r = *rows;
    *r = (struct dense_rows){.device = device, .n = n, .n_columns = n_columns};
    TRY(allocate(r, most_outputs));
    for (int64_t i = 0; i < n * n_columns; i++) r->host[i] = (real)values[i];
    device_upload_reals(device, r->rows, r->host, n * n_columns);
    return device_status(device);
}

void dense_rows_free(struct dense_rows *r) {
    if (!r) return;
    device_free_reals(r->device, r->rows);
    device_free_reals(r->device, r->of_columns);
    device_free_reals(r->device, r->of_rows);
    free(r->host);
    free(r);
}

int dense_rows_multiply(struct dense_rows *r, int n, const double *weights, const double *intercepts, double *out) {
    struct device *d = r->device;
    struct gemm g = {.m = r->n, .n = n, .k = r->n_columns, .alpha = 1};
    for (int64_t i = 0; i < r->n_columns * n; i++) r->host[i] = (real)weights[i];
    device_upload_reals(d, r->of_columns, r->host, r->n_columns * n);
    d->run->gemm(d, &g, (struct matrix){r->rows, r->n_columns}, (struct matrix){r->of_columns, n},
                 (struct matrix){r->of_rows, n});
    device_download_reals(d, r->host, r->of_rows, r->n * n);
    for (int64_t i = 0; i < r->n; i++)
        for (int k = 0; k < n; k++) out[i * n + k] = intercepts[k] + (double)r->host[i * n + k];
    return device_status(d);
}

int dense_rows_multiply_transposed(struct dense_rows *r, int n, const double *residuals, double *out) {
    struct device *d = r->device;
    struct gemm g = {.transpose_a = 1, .m = r->n_columns, .n = n, .k = r->n, .alpha = 1};
    for (int64_t i = 0; i < r->n * n; i++) r->host[i] = (real)residuals[i];
    device_upload_reals(d, r->of_rows, r->host, r->n * n);
    d->run->gemm(d, &g, (struct matrix){r->rows, r->n_columns}, (struct matrix){r->of_rows, n},
                 (struct matrix){r->of_columns, n});
    device_download_reals(d, r->host, r->of_columns, r->n_columns * n);
    for (int64_t i = 0; i < r->n_columns * n; i++) out[i] = (double)r->host[i];
    return device_status(d);
}

int dense_rows_squares(struct dense_rows *r, const double *weight, double *out) {
    device_download_reals(r->device, r->host, r->rows, r->n * r->n_columns);
    for (int64_t j = 0; j < r->n_columns; j++) out[j] = 0;
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t j = 0; j < r->n_columns; j++) {
            double value = (double)r->host[i * r->n_columns + j];
            out[j] += weight[i] * value * value;
        }
    return device_status(r->device);
}

/* ---- as a design ---- */
static int fill(struct design *d, struct device *device, const float *rows, const int32_t *label, int most_outputs) {
    int64_t n = d->n_rows;
    TRY(mem_alloc(&d->first_rows, 2, sizeof *d->first_rows));
    TRY(mem_alloc(&d->first_chunks, 2, sizeof *d->first_chunks));
    TRY(mem_alloc(&d->first_columns, 2, sizeof *d->first_columns));
    TRY(mem_alloc(&d->all_chunks, (n / DESIGN_CHUNK + 1) * DESIGN_SUMS, sizeof *d->all_chunks));
    TRY(mem_alloc(&d->scale, d->n_columns, sizeof *d->scale));
    TRY(mem_alloc(&d->weight, n, sizeof *d->weight));
    TRY(mem_alloc(&d->label, n, sizeof *d->label));
    d->first_rows[1] = d->n_own_rows = n;
    d->first_chunks[1] = design_own_chunks(d);
    d->first_columns[1] = d->n_own_columns = d->n_columns;
    for (int64_t j = 0; j < d->n_columns; j++) d->scale[j] = 1;
    for (int64_t i = 0; i < n; i++) {
        d->weight[i] = 1;
        d->label[i] = label[i];
    }
    d->total_weight = (double)n;
    return dense_rows_make(&d->dense, device, n, d->n_columns, rows, most_outputs);
}

int design_make_dense(struct design *d, const struct comm *self, struct device *device, int64_t n, int64_t n_columns,
                      const float *rows, const int32_t *label, int most_outputs) {
    *d = (struct design){.comm = self, .threads = device->host_threads, .n_rows = n, .n_columns = n_columns};
    return fill(d, device, rows, label, most_outputs);
}
