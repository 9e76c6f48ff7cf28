/* Sample, evaluate, cluster. */
#include "medtok/first_codebook.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "medtok/codebook.h"
#include "medtok/inference.h"
#include "medtok/kmeans.h"
#include "train/sampler.h"

enum { BLOCK = 256, STREAMS_A_THIRD = 4, STREAM_SAMPLE = STREAMS_A_THIRD * N_THIRDS };
_Static_assert(RNG_KMEANS_LEVELS + STREAMS_A_THIRD * N_THIRDS * MAX_TOP_K <= RNG_TEXT_MAP,
               "the streams of the last level would be those of the first text map");

struct sample {
    const struct model *model;
    const struct comm *comm;
    struct device *device;
    struct optimiser *optimiser;
    struct text_source *text;
    const char *vocabulary;
    int64_t n, dim;
    int64_t *codes;      /* [n] ascending */
    double *u[N_GROUPS]; /* [n, dim] on every rank; zero rows where a side is absent */
    struct inference inference;
};

/* ---- sample ---- */
static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int draw_codes(struct sample *s, double holdout) {
    struct vocabulary sizes;
    TRY(vocabulary_read_sizes(s->vocabulary, &sizes));
    int64_t n = 0, wanted = s->model->settings.quantizer.init_sample;
    uint64_t seed = s->model->settings.seed;
    TRY(mem_alloc(&s->codes, sizes.n_codes_total, sizeof *s->codes));
    for (int64_t i = 0; i < sizes.n_codes_total; i++)
        if (!sampler_holds_out(seed, holdout, i)) s->codes[n++] = i;
    s->n = wanted < n ? wanted : n;
    rng_shuffle(seed, RNG_KMEANS + STREAM_SAMPLE, 0, 0, s->codes, n);
    qsort(s->codes, (size_t)s->n, sizeof *s->codes, ascending);
    for (int g = 0; g < N_GROUPS; g++) TRY(mem_alloc(&s->u[g], s->n * s->dim, sizeof **s->u));
    return STATUS_OK;
}

/* ---- evaluate ---- */

/* Vectors of one group; row i of the device belongs to code positions[i] of the block, out to its first code. */
static int keep_group(struct sample *s, const struct var *u, const int32_t *positions, double *out) {
    real *host;
    TRY(mem_alloc(&host, u->rows * u->cols, sizeof *host));
    device_download_reals(s->device, host, u->value, u->rows * u->cols);
    for (int64_t i = 0; i < u->rows; i++)
        for (int64_t j = 0; j < u->cols; j++) out[positions[i] * u->cols + j] = host[i * u->cols + j];
    free(host);
    return STATUS_OK;
}

/* Collective: all ranks come here with a block each, or with none (n 0). */
static int evaluate_block(struct sample *s, int64_t first, int64_t n) {
    struct dataset dataset = {0};
    struct batch_builder builder = {0};
    int status = STATUS_OK;
    struct comm self = comm_self();
    if (n)
        status = dataset_read(&dataset, &self, s->vocabulary, s->text, s->model->settings.sides, s->codes + first, n,
                              STATUS_OK);
    dataset.node_position = s->model->nodes->position;
    if (n && status == STATUS_OK) status = batch_builder_make(&builder, s->device, &dataset);
    status = inference_run(&s->inference, &dataset, &builder, s->codes + first, n, status);
    for (int g = 0; n && status == STATUS_OK && g < N_GROUPS; g++)
        status = keep_group(s, s->inference.output.groups[g].u,
                            group_positions(&s->inference.batch, (enum token_group)g), s->u[g] + first * s->dim);
    status = comm_agree(s->comm, status);
    batch_builder_free(&builder);
    dataset_free(&dataset);
    return status;
}

static int evaluate(struct sample *s) {
    int64_t blocks = (s->n + BLOCK - 1) / BLOCK, size = s->comm->size;
    int64_t begin = blocks * s->comm->rank / size, end = blocks * (s->comm->rank + 1) / size;
    for (int64_t i = 0; i < (blocks + size - 1) / size; i++) {
        int64_t first = (begin + i) * BLOCK, n = s->n - first < BLOCK ? s->n - first : BLOCK;
        TRY(evaluate_block(s, first, begin + i < end ? n : 0));
    }
    for (int g = 0; g < N_GROUPS; g++) TRY(comm_sum_double(s->comm, s->u[g], s->n * s->dim));
    return STATUS_OK;
}

/* ---- cluster ---- */

/* Appends the rows that are not zero to points [n, dim]. */
static int64_t add_points(const struct sample *s, enum token_group group, real *points, int64_t n) {
    int64_t dim = s->dim;
    for (int64_t i = 0; i < s->n; i++) {
        const double *u = s->u[group] + i * dim;
        double square = 0;
        for (int64_t j = 0; j < dim; j++) square += u[j] * u[j];
        if (square < 0.5) continue; /* norms are 1, or 0 where absent */
        for (int64_t j = 0; j < dim; j++) points[n * dim + j] = (real)u[j];
        n++;
    }
    return n;
}

static void set_rows(struct sample *s, struct region region, real *centres) {
    int64_t n = region.last - region.first;
    for (int64_t j = 0; j < n * s->dim; j++) centres[j] *= (real)sqrt((double)s->dim);
    optimiser_set_rows(s->optimiser, s->model->codebook, region.first, n, centres);
    device_synchronize(s->device);
}

/* points [n, dim] become what the nearest of the centres [k, dim] leaves of them, of norm 1. Those of which nothing is left
 * but rounding go. */
static int64_t keep_rest(int64_t n, int64_t dim, real *points, const real *centres, const int32_t *nearest) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        const real *c = centres + (int64_t)nearest[i] * dim, *u = points + i * dim;
        real *out = points + kept * dim;
        double along = 0, square = 0;
        for (int64_t j = 0; j < dim; j++) along += (double)u[j] * c[j];
        for (int64_t j = 0; j < dim; j++) {
            out[j] = (real)(u[j] - fmax(along, 0) * c[j]);
            square += (double)out[j] * out[j];
        }
        if (square < 1e-6) continue;
        for (int64_t j = 0; j < dim; j++) out[j] = (real)(out[j] / sqrt(square));
        kept++;
    }
    return kept;
}

/* The points that the next level is given, instead of those of this one, whose centres are these. */
static int next_level(const struct sample *s, int64_t *n, real *points, int64_t k, const real *centres) {
    struct device *d = s->device;
    int64_t dim = s->dim;
    int32_t *nearest = NULL;
    dev_real u = device_alloc_reals(d, *n * dim), c = device_alloc_reals(d, k * dim);
    dev_real q = device_alloc_reals(d, *n * dim), weight = device_alloc_reals(d, *n);
    dev_int index = device_alloc_ints(d, *n);
    int status = mem_alloc(&nearest, *n, sizeof *nearest);
    if (status == STATUS_OK && device_error(d)) status = status_set(STATUS_FAILED, "k-means: %s", device_error(d));
    if (status == STATUS_OK) {
        device_upload_reals(d, u, points, *n * dim);
        device_upload_reals(d, c, centres, k * dim);
        struct quantize z = {.n = *n, .dim = dim, .first = 0, .last = k, .top_k = 1, .u = u, .c = c};
        d->run->quantize(d, &z, (struct picks){.index = index, .weight = weight}, q);
        device_download_ints(d, nearest, index, *n);
        *n = keep_rest(*n, dim, points, centres, nearest);
    }
    device_free_reals(d, u);
    device_free_reals(d, c);
    device_free_reals(d, q);
    device_free_reals(d, weight);
    device_free_ints(d, index);
    free(nearest);
    return comm_agree(s->comm, status);
}

/* Clusters points [n, dim] to the rows of a level, and leaves in them what the next is given. */
static int cluster_level(struct sample *s, enum codebook_third third, int64_t level, int64_t *n, real *points,
                         real *centres) {
    static const char *const NAMES[N_THIRDS] = {"text", "shared", "graph"};
    const struct quantizer_options *o = &s->model->settings.quantizer;
    struct region rows = quantizer_level(o, codebook_third(o, third), level);
    struct kmeans_fit fit;
    int64_t k = rows.last - rows.first;
    uint32_t stream = level ? RNG_KMEANS_LEVELS + STREAMS_A_THIRD * (uint32_t)(N_THIRDS * level + third)
                            : RNG_KMEANS + STREAMS_A_THIRD * (uint32_t)third;
    TRY(kmeans(s->comm, s->device, s->model->settings.seed, stream, *n, s->dim, points, k, centres, &fit));
    log_info("k-means of %lld %s vectors to rows %lld to %lld: mean squared distance %.3g at first, %.3g at the end",
             (long long)*n, NAMES[third], (long long)rows.first, (long long)rows.last - 1, fit.seeded, fit.final);
    if (level + 1 < quantizer_levels(o)) TRY(next_level(s, n, points, k, centres));
    set_rows(s, rows, centres);
    return STATUS_OK;
}

static int cluster_third(struct sample *s, enum codebook_third third) {
    struct region region = codebook_third(&s->model->settings.quantizer, third);
    int64_t k = region.last - region.first, dim = s->dim, n = 0;
    real *points = NULL, *centres = NULL;
    int status = mem_alloc(&points, 2 * s->n * dim, sizeof *points);
    if (status == STATUS_OK) status = mem_alloc(&centres, k * dim, sizeof *centres);
    TRY_DONE(comm_agree(s->comm, status));
    if (third == THIRD_TEXT) n = add_points(s, TEXT_SPECIFIC, points, n);
    if (third == THIRD_GRAPH) n = add_points(s, GRAPH_SPECIFIC, points, n);
    if (third == THIRD_SHARED) n = add_points(s, SHARED_GRAPH, points, add_points(s, SHARED_TEXT, points, n));
    for (int64_t l = 0; n > 0 && l < quantizer_levels(&s->model->settings.quantizer); l++)
        TRY_DONE(cluster_level(s, third, l, &n, points, centres));
done:
    free(points);
    free(centres);
    return status;
}

int first_codebook_make(const struct model *model, const struct comm *comm, struct optimiser *optimiser,
                        struct text_source *text, const char *vocabulary, double holdout) {
    struct sample s = {.model = model,
                       .comm = comm,
                       .device = optimiser->parameters->device,
                       .optimiser = optimiser,
                       .text = text,
                       .vocabulary = vocabulary,
                       .dim = model->settings.quantizer.dim};
    int status;
    inference_make(&s.inference, model, comm, s.device);
    TRY_DONE(comm_agree(comm, draw_codes(&s, holdout)));
    TRY_DONE(evaluate(&s));
    for (int third = 0; third < N_THIRDS; third++) TRY_DONE(cluster_third(&s, (enum codebook_third)third));
done:
    inference_free(&s.inference);
    free(s.codes);
    for (int g = 0; g < N_GROUPS; g++) free(s.u[g]);
    return status;
}
