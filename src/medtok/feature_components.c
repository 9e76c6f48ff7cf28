/* Sum up, find the directions. */
#include "medtok/feature_components.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "fit/principal_components.h"

enum { BLOCK = 1024 };

/* ---- sums over the rows ---- */
static int add_to_mean(struct feature_components *c, const struct feature_rows *rows, float *row) {
    int counts;
    for (int64_t i = 0; i < rows->n; i++) {
        TRY(rows->read(rows->self, i, row, &counts));
        if (!counts) continue;
        for (int64_t j = 0; j < c->dim; j++) c->mean[j] += (double)row[j];
        c->n++;
    }
    return STATUS_OK;
}

/* square += X^T X, X the `n` rows of the block. */
static void add_block(struct device *device, int64_t dim, const real *block, int64_t n, dev_real x, dev_real square) {
    if (n == 0) return;
    device_upload_reals(device, x, block, n * dim);
    struct gemm g = {.transpose_a = 1, .m = dim, .n = dim, .k = n, .alpha = 1, .beta = 1};
    struct matrix vectors = {x, dim};
    device->run->gemm(device, &g, vectors, vectors, (struct matrix){square, dim});
    device_synchronize(device);
}

/* Rows less the mean: of a mean far from 0 the difference of two large sums would be left. */
static int add_rows(const struct feature_components *c, struct device *device, const struct feature_rows *rows,
                    float *row, real *block, dev_real x, dev_real square) {
    int64_t dim = c->dim, n = 0;
    int counts;
    for (int64_t i = 0; i < rows->n; i++) {
        TRY(rows->read(rows->self, i, row, &counts));
        if (!counts) continue;
        for (int64_t j = 0; j < dim; j++) block[n * dim + j] = (real)((double)row[j] - c->mean[j]);
        if (++n < BLOCK) continue;
        add_block(device, dim, block, n, x, square);
        n = 0;
    }
    add_block(device, dim, block, n, x, square);
    return STATUS_OK;
}

static int add_products(const struct feature_components *c, struct device *device, const struct feature_rows *rows,
                        float *row, double *products) {
    int64_t dim = c->dim;
    real *block = NULL;
    dev_real x = device_alloc_reals(device, BLOCK * dim), square = device_alloc_reals(device, dim * dim);
    int status;
    TRY_DONE(mem_alloc(&block, (BLOCK > dim ? BLOCK : dim) * dim, sizeof *block));
    TRY_DONE(device_error(device)
                 ? status_set(STATUS_FAILED, "principal components of features: %s", device_error(device))
                 : STATUS_OK);
    device->run->fill(device, dim * dim, 0, square);
    TRY_DONE(add_rows(c, device, rows, row, block, x, square));
    device_download_reals(device, block, square, dim * dim);
    for (int64_t i = 0; i < dim * dim; i++) products[i] = block[i];
done:
    device_free_reals(device, x);
    device_free_reals(device, square);
    free(block);
    return status;
}

/* Collective: mean and products over the rows of all ranks. */
static int sum_up(struct feature_components *c, const struct comm *comm, struct device *device,
                  const struct feature_rows *rows, double *products) {
    float *row = NULL;
    int status = mem_alloc(&row, c->dim, sizeof *row);
    if (status == STATUS_OK) status = add_to_mean(c, rows, row);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_sum_double(comm, &c->n, 1));
    TRY_DONE(comm_sum_double(comm, c->mean, c->dim));
    for (int64_t j = 0; j < c->dim && c->n > 0; j++) c->mean[j] /= c->n;
    TRY_DONE(comm_agree(comm, add_products(c, device, rows, row, products)));
    status = comm_sum_double(comm, products, c->dim * c->dim);
done:
    free(row);
    return status;
}

/* ---- the directions ---- */
/* On one rank: another's processor may round otherwise. */
static int find_directions(struct feature_components *c, const double *products) {
    int64_t dim = c->dim;
    double *covariance = NULL, *values = NULL;
    int status;
    TRY_DONE(mem_alloc(&covariance, dim * dim, sizeof *covariance));
    TRY_DONE(mem_alloc(&values, dim, sizeof *values));
    for (int64_t i = 0; i < dim; i++) /* symmetric to the last bit */
        for (int64_t j = 0; j < dim; j++)
            covariance[i * dim + j] = (i < j ? products[i * dim + j] : products[j * dim + i]) / c->n;
    TRY_DONE(symmetric_eigen(dim, covariance, values));
    for (int64_t i = 0; i < dim; i++) c->all += values[i];
    for (int64_t i = 0; i < c->width; i++) c->variance[i] = values[i];
    for (int64_t i = 0; i < c->width * dim; i++) c->directions[i] = covariance[i];
done:
    free(covariance);
    free(values);
    return status;
}

int feature_components_make(struct feature_components *c, const struct comm *comm, struct device *device,
                            const struct feature_rows *rows, int64_t width) {
    double *products = NULL;
    *c = (struct feature_components){.dim = rows->dim, .width = width};
    int status = mem_alloc(&c->mean, c->dim, sizeof *c->mean);
    if (status == STATUS_OK) status = mem_alloc(&c->directions, width * c->dim, sizeof *c->directions);
    if (status == STATUS_OK) status = mem_alloc(&c->variance, width, sizeof *c->variance);
    if (status == STATUS_OK) status = mem_alloc(&products, c->dim * c->dim, sizeof *products);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(sum_up(c, comm, device, rows, products));
    if (c->n > 0) TRY_DONE(comm_agree(comm, comm->rank == 0 ? find_directions(c, products) : STATUS_OK));
    TRY_DONE(comm_broadcast(comm, c->directions, width * c->dim * (int64_t)sizeof *c->directions));
    TRY_DONE(comm_broadcast(comm, c->variance, width * (int64_t)sizeof *c->variance));
    status = comm_broadcast(comm, &c->all, sizeof c->all);
done:
    free(products);
    return status;
}

void feature_components_free(struct feature_components *c) {
    free(c->mean);
    free(c->directions);
    free(c->variance);
    *c = (struct feature_components){0};
}

/* ---- maps ---- */
int64_t feature_components_found(const struct feature_components *c) {
    const double LEAST = 1e-6; /* of the largest variance: sums of float32 products are that far off */
    int64_t n = 0;
    while (n < c->width && c->variance[n] > LEAST * c->variance[0]) n++;
    return n;
}

double feature_components_map(const struct feature_components *c, int64_t first, int64_t n, real *weight, real *bias) {
    double along = 0;
    for (int64_t i = first; i < first + n; i++) along += c->variance[i];
    double scale = along > 0 ? sqrt((double)n / along) : 1;
    for (int64_t i = 0; i < n; i++) {
        const double *direction = c->directions + (first + i) * c->dim;
        double at_mean = 0;
        for (int64_t j = 0; j < c->dim; j++) at_mean += direction[j] * c->mean[j];
        bias[i] = (real)(-scale * at_mean);
        for (int64_t j = 0; j < c->dim; j++) weight[i * c->dim + j] = (real)(scale * direction[j]);
    }
    return along / fmax(c->all, 1e-300);
}

int set_identity_map(struct optimiser *optimiser, struct linear_map map) {
    int64_t d = map.weight->rows;
    real *values;
    TRY(mem_alloc(&values, d * d, sizeof *values));
    optimiser_set_rows(optimiser, map.bias, 0, 1, values);
    for (int64_t i = 0; i < d; i++) values[i * d + i] = 1;
    optimiser_set_rows(optimiser, map.weight, 0, d, values);
    free(values);
    return STATUS_OK;
}
