/* Sum up, find the directions, set the maps. */
#include "medtok/first_text_map.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "fit/principal_components.h"

enum { BLOCK = 1024 };

static double inner(int64_t n, const double *a, const double *b) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += a[j] * b[j];
    return sum;
}

/* ---- sums over the codes ---- */
struct sums {
    int64_t dim;
    double n, *mean, *square; /* codes, [dim], [dim, dim] products of what is left without the mean */
};

static int counts(const struct dataset *d, int64_t code, uint64_t seed, double share) {
    return dataset_has_text(d, code) && rng_uniform(seed, RNG_TEXT_MAP, 0, (uint64_t)code) < share;
}

static void read_row(const struct dataset *d, int64_t code, float *row) {
    text_features_row(&d->text, dataset_view(d, code).tokens[0], row);
}

static void add_to_mean(struct sums *s, const struct dataset *d, uint64_t seed, double share, float *row) {
    for (int64_t i = 0; i < d->n_codes; i++) {
        if (!counts(d, d->codes[i], seed, share)) continue;
        read_row(d, d->codes[i], row);
        for (int64_t j = 0; j < s->dim; j++) s->mean[j] += (double)row[j];
        s->n++;
    }
}

/* square += X^T X, X the `rows` rows of the block. */
static void add_block(struct device *device, const struct sums *s, const real *block, int64_t rows, dev_real x,
                      dev_real square) {
    if (rows == 0) return;
    device_upload_reals(device, x, block, rows * s->dim);
    struct gemm g = {.transpose_a = 1, .m = s->dim, .n = s->dim, .k = rows, .alpha = 1, .beta = 1};
    struct matrix vectors = {x, s->dim};
    device->run->gemm(device, &g, vectors, vectors, (struct matrix){square, s->dim});
    device_synchronize(device);
}

/* Products of rows less the mean: of a mean far from 0 the difference of two large sums would be left. */
static int add_products(struct device *device, struct sums *s, const struct dataset *d, uint64_t seed, double share,
                        float *row) {
    int64_t dim = s->dim, rows = 0;
    real *block = NULL;
    dev_real x = device_alloc_reals(device, BLOCK * dim), square = device_alloc_reals(device, dim * dim);
    int status;
    TRY_DONE(mem_alloc(&block, (BLOCK > dim ? BLOCK : dim) * dim, sizeof *block));
    TRY_DONE(device_error(device) ? status_set(STATUS_FAILED, "first text map: %s", device_error(device)) : STATUS_OK);
    device->run->fill(device, dim * dim, 0, square);
    for (int64_t i = 0; i < d->n_codes; i++) {
        if (!counts(d, d->codes[i], seed, share)) continue;
        read_row(d, d->codes[i], row);
        for (int64_t j = 0; j < dim; j++) block[rows * dim + j] = (real)((double)row[j] - s->mean[j]);
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
    return status;
}

/* Collective: mean and products over the codes of all ranks. */
static int sum_up(struct sums *s, const struct comm *comm, struct device *device, const struct dataset *d,
                  uint64_t seed, double share) {
    float *row = NULL;
    int status;
    TRY_DONE(comm_agree(comm, mem_alloc(&row, s->dim, sizeof *row)));
    add_to_mean(s, d, seed, share, row);
    TRY_DONE(comm_sum_double(comm, &s->n, 1));
    TRY_DONE(comm_sum_double(comm, s->mean, s->dim));
    for (int64_t j = 0; j < s->dim && s->n > 0; j++) s->mean[j] /= s->n;
    TRY_DONE(comm_agree(comm, add_products(device, s, d, seed, share, row)));
    status = comm_sum_double(comm, s->square, s->dim * s->dim);
done:
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

/* vectors [dim, dim], values [dim]: of the covariance. */
static int find_directions(const struct sums *s, double *values, double *vectors) {
    int64_t dim = s->dim;
    double *covariance;
    TRY(mem_alloc(&covariance, dim * dim, sizeof *covariance));
    for (int64_t i = 0; i < dim; i++) /* symmetric to the last bit */
        for (int64_t j = 0; j < dim; j++)
            covariance[i * dim + j] = (i < j ? s->square[i * dim + j] : s->square[j * dim + i]) / s->n;
    int status = symmetric_eigen(dim, covariance, values, vectors);
    free(covariance);
    return status;
}

static int set_maps(const struct model *model, struct optimiser *optimiser, const struct sums *s) {
    int64_t dim = s->dim, d = model->text.weight->rows;
    double *vectors = NULL, *values = NULL, along = 0, all = 0;
    int status;
    TRY_DONE(mem_alloc(&vectors, dim * dim, sizeof *vectors));
    TRY_DONE(mem_alloc(&values, dim, sizeof *values));
    TRY_DONE(find_directions(s, values, vectors));
    for (int64_t i = 0; i < d; i++) along += values[i];
    for (int64_t i = 0; i < dim; i++) all += values[i];
    double scale = along > 0 ? sqrt((double)d / along) : 1;
    TRY_DONE(set_map(optimiser, model->text, vectors, s->mean, scale));
    TRY_DONE(set_identity(optimiser, model->text_specific));
    log_info("text map: %lld principal components of %.0f texts have %.1f %% of their variance", (long long)d, s->n,
             100 * along / fmax(all, 1e-300));
done:
    free(vectors);
    free(values);
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
    status = mem_alloc(&s.mean, s.dim, sizeof *s.mean);
    if (status == STATUS_OK) status = mem_alloc(&s.square, s.dim * s.dim, sizeof *s.square);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(sum_up(&s, comm, device, dataset, model->settings.seed, share));
    if (s.n > 0) TRY_DONE(comm_agree(comm, set_maps(model, optimiser, &s)));
done:
    free(s.mean);
    free(s.square);
    return status;
}
