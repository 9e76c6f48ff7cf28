/* Sum up, find the directions, set the maps. */
#include "medtok/first_text_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"

enum { BLOCK = 1024, ITERATIONS = 40 };

/* ---- directions ---- */
static double inner(int64_t n, const double *a, const double *b) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += a[j] * b[j];
    return sum;
}

/* Takes from direction `i` its parts along those before it, and makes its length 1. One of which nothing is left is drawn
 * anew: the matrix knows no more directions. */
static void orthonormalize(int64_t dim, int64_t i, uint64_t seed, double *directions) {
    double *v = directions + i * dim, before = sqrt(inner(dim, v, v)), left = 0;
    for (uint32_t draw = 0; left <= 1e-9 * before; draw++) {
        for (int64_t j = 0; draw > 0 && j < dim; j++)
            v[j] = rng_normal(seed, RNG_TEXT_MAP, draw, (uint64_t)(i * dim + j));
        if (draw > 0) before = sqrt(inner(dim, v, v));
        for (int twice = 0; twice < 2; twice++) /* once is not enough in floating point */
            for (int64_t k = 0; k < i; k++) {
                double along = inner(dim, v, directions + k * dim);
                for (int64_t j = 0; j < dim; j++) v[j] -= along * directions[k * dim + j];
            }
        left = sqrt(inner(dim, v, v));
    }
    for (int64_t j = 0; j < dim; j++) v[j] /= left;
}

int principal_directions(int64_t dim, int64_t n, const double *matrix, uint64_t seed, double *directions) {
    double *product;
    TRY(mem_alloc(&product, dim, sizeof *product));
    memset(directions, 0, (size_t)(n * dim) * sizeof *directions);
    for (int iteration = 0; iteration <= ITERATIONS; iteration++)
        for (int64_t i = 0; i < n; i++) {
            double *v = directions + i * dim;
            if (iteration > 0) {
                for (int64_t j = 0; j < dim; j++) product[j] = inner(dim, matrix + j * dim, v);
                memcpy(v, product, (size_t)dim * sizeof *v);
            }
            orthonormalize(dim, i, seed, directions);
        }
    free(product);
    return STATUS_OK;
}

/* ---- sums over the codes ---- */
struct sums {
    int64_t dim;
    double n, *sum, *square; /* codes, [dim], [dim, dim] */
};

static int counts(const struct dataset *d, int64_t code, uint64_t seed, double share) {
    return dataset_has_text(d, code) && rng_uniform(seed, RNG_TEXT_MAP, 0, (uint64_t)code) < share;
}

/* square += X^T X, X the `rows` rows of the block. */
static void add_block(struct device *device, struct sums *s, const real *block, int64_t rows, dev_real x,
                      dev_real square) {
    if (rows == 0) return;
    device_upload_reals(device, x, block, rows * s->dim);
    struct gemm g = {.transpose_a = 1, .m = s->dim, .n = s->dim, .k = rows, .alpha = 1, .beta = 1};
    struct matrix vectors = {x, s->dim};
    device->run->gemm(device, &g, vectors, vectors, (struct matrix){square, s->dim});
    device_synchronize(device);
    for (int64_t i = 0; i < rows * s->dim; i++) s->sum[i % s->dim] += block[i];
    s->n += (double)rows;
}

static int add_codes(struct device *device, struct sums *s, const struct dataset *d, uint64_t seed, double share) {
    int64_t dim = s->dim, rows = 0;
    real *block = NULL;
    float *row = NULL;
    dev_real x = device_alloc_reals(device, BLOCK * dim), square = device_alloc_reals(device, dim * dim);
    int status;
    TRY_DONE(mem_alloc(&block, (BLOCK > dim ? BLOCK : dim) * dim, sizeof *block));
    TRY_DONE(mem_alloc(&row, dim, sizeof *row));
    TRY_DONE(device_error(device) ? status_set(STATUS_FAILED, "first text map: %s", device_error(device)) : STATUS_OK);
    device->run->fill(device, dim * dim, 0, square);
    for (int64_t i = 0; i < d->n_codes; i++) {
        if (!counts(d, d->codes[i], seed, share)) continue;
        text_features_row(&d->text, dataset_view(d, d->codes[i]).tokens[0], row);
        for (int64_t j = 0; j < dim; j++) block[rows * dim + j] = row[j];
        if (++rows < BLOCK) continue;
        add_block(device, s, block, rows, x, square);
        rows = 0;
    }
    add_block(device, s, block, rows, x, square);
    device_download_reals(device, block, square, dim * dim);
    for (int64_t i = 0; i < dim * dim; i++) s->square[i] = block[i];
done:
    device_free_reals(device, x);
    device_free_reals(device, square);
    free(block);
    free(row);
    return status;
}

/* ---- the maps ---- */
static int set_identity(struct optimiser *optimiser, struct linear_map map) {
    int64_t d = map.weight->rows;
    real *values;
    TRY(mem_alloc(&values, d * d, sizeof *values));
    optimiser_set_rows(optimiser, map.bias, 0, 1, values);
    for (int64_t i = 0; i < d; i++) values[i * d + i] = 1;
    optimiser_set_rows(optimiser, map.weight, 0, d, values);
    free(values);
    return STATUS_OK;
}

/* x -> scale V (x - mean), V [d, dim] */
static int set_map(struct optimiser *optimiser, struct linear_map map, const double *V, const double *mean,
                   double scale) {
    int64_t d = map.weight->rows, dim = map.weight->cols;
    real *weight, *bias = NULL;
    TRY(mem_alloc(&weight, d * dim, sizeof *weight));
    int status = mem_alloc(&bias, d, sizeof *bias);
    for (int64_t i = 0; status == STATUS_OK && i < d; i++) {
        bias[i] = (real)(-scale * inner(dim, V + i * dim, mean));
        for (int64_t j = 0; j < dim; j++) weight[i * dim + j] = (real)(scale * V[i * dim + j]);
    }
    if (status == STATUS_OK) {
        optimiser_set_rows(optimiser, map.weight, 0, d, weight);
        optimiser_set_rows(optimiser, map.bias, 0, 1, bias);
    }
    free(weight);
    free(bias);
    return status;
}

/* From the sums over all ranks: s->sum becomes the mean, s->square the covariance. */
static int set_maps(const struct model *model, struct optimiser *optimiser, struct sums *s) {
    int64_t dim = s->dim, d = model->text.weight->rows;
    double *V, along = 0, all = 0;
    for (int64_t j = 0; j < dim; j++) s->sum[j] /= s->n;
    for (int64_t i = 0; i < dim * dim; i++) s->square[i] = s->square[i] / s->n - s->sum[i / dim] * s->sum[i % dim];
    TRY(mem_alloc(&V, d * dim, sizeof *V));
    int status = principal_directions(dim, d, s->square, model->settings.seed, V);
    for (int64_t i = 0; status == STATUS_OK && i < d; i++)
        for (int64_t j = 0; j < dim; j++) along += V[i * dim + j] * inner(dim, s->square + j * dim, V + i * dim);
    for (int64_t j = 0; j < dim; j++) all += s->square[j * dim + j];
    double scale = along > 0 ? sqrt((double)d / along) : 1;
    if (status == STATUS_OK) status = set_map(optimiser, model->text, V, s->sum, scale);
    if (status == STATUS_OK) status = set_identity(optimiser, model->text_specific);
    if (status == STATUS_OK)
        log_info("text map: %lld principal components of %.0f texts have %.1f %% of their variance", (long long)d, s->n,
                 100 * along / fmax(all, 1e-300));
    free(V);
    return status;
}

int first_text_map_make(const struct model *model, const struct comm *comm, struct optimiser *optimiser,
                        const struct dataset *dataset, int64_t n_codes) {
    struct sums s = {.dim = model->text.weight->cols};
    struct device *device = optimiser->parameters->device;
    double share = (double)model->settings.quantizer.init_sample / (double)(n_codes > 0 ? n_codes : 1);
    int status;
    if (s.dim < model->text.weight->rows)
        return status_set(
            STATUS_USAGE,
            "model.text_map: principal needs text features as wide as quantizer.dim (%lld); they have %lld",
            (long long)model->text.weight->rows, (long long)s.dim);
    status = mem_alloc(&s.sum, s.dim, sizeof *s.sum);
    if (status == STATUS_OK) status = mem_alloc(&s.square, s.dim * s.dim, sizeof *s.square);
    if (status == STATUS_OK) status = add_codes(device, &s, dataset, model->settings.seed, share);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_sum_double(comm, &s.n, 1));
    TRY_DONE(comm_sum_double(comm, s.sum, s.dim));
    TRY_DONE(comm_sum_double(comm, s.square, s.dim * s.dim));
    if (s.n > 0) TRY_DONE(comm_agree(comm, set_maps(model, optimiser, &s)));
done:
    free(s.sum);
    free(s.square);
    return status;
}
