/* Sample, evaluate, cluster. */
#include "medtok/first_codebook.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "dist/row_owner.h"
#include "medtok/codebook.h"
#include "medtok/dataset.h"
#include "medtok/kmeans.h"
#include "medtok/sampler.h"

enum { BLOCK = 256, STREAMS_A_THIRD = 4, STREAM_SAMPLE = STREAMS_A_THIRD * N_THIRDS, LARGEST_SUM = 1 << 24 };

struct sample {
    const struct config *config;
    const struct comm *comm;
    struct parameters *parameters;
    struct text_source *text;
    int64_t n;
    int64_t *codes;      /* [n] ascending */
    double *u[N_GROUPS]; /* [n, dim] on every rank; zero rows where a side is absent */
    struct tape tape;
    struct row_plan plan;
};

/* ---- sample ---- */
static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int draw_codes(struct sample *s) {
    struct vocabulary sizes;
    TRY(vocabulary_read_sizes(s->config->files.vocabulary, &sizes));
    int64_t n = 0, wanted = s->config->quantizer.init_sample;
    uint64_t seed = (uint64_t)s->config->run.seed;
    TRY(mem_alloc(&s->codes, sizes.n_codes_total, sizeof *s->codes));
    for (int64_t i = 0; i < sizes.n_codes_total; i++)
        if (!sampler_holds_out(seed, s->config->train.holdout, i)) s->codes[n++] = i;
    s->n = wanted < n ? wanted : n;
    rng_shuffle(seed, RNG_KMEANS + STREAM_SAMPLE, 0, 0, s->codes, n);
    qsort(s->codes, (size_t)s->n, sizeof *s->codes, ascending);
    for (int g = 0; g < N_GROUPS; g++) TRY(mem_alloc(&s->u[g], s->n * s->config->quantizer.dim, sizeof **s->u));
    return STATUS_OK;
}

/* ---- evaluate ---- */

/* Vectors of one group; row i of the device belongs to code place[i] of the batch, out to its first code. */
static int keep_group(struct sample *s, const struct var *u, const int32_t *place, double *out) {
    real *host;
    TRY(mem_alloc(&host, u->rows * u->cols, sizeof *host));
    device_download_reals(s->parameters->device, host, u->value, u->rows * u->cols);
    for (int64_t i = 0; i < u->rows; i++)
        for (int64_t j = 0; j < u->cols; j++) out[place[i] * u->cols + j] = host[i * u->cols + j];
    free(host);
    return STATUS_OK;
}

static int keep_vectors(struct sample *s, const struct batch *batch, const struct model_output *out, int64_t first) {
    for (int g = 0; g < N_GROUPS; g++) {
        int graph_side = g == GRAPH_SPECIFIC || g == SHARED_GRAPH;
        TRY(keep_group(s, out->groups[g].u, graph_side ? batch->graph_position : batch->text_position,
                       s->u[g] + first * s->config->quantizer.dim));
    }
    return STATUS_OK;
}

/* Exchanges node vectors with all ranks, which come here with a block each, or with none (n 0). */
static int evaluate_block(struct sample *s, int64_t first, int64_t n) {
    const struct parameter *table = &s->parameters->list[s->parameters->nodes];
    struct device *device = s->parameters->device;
    struct dataset dataset = {0};
    struct batch_builder builder = {0};
    struct batch batch = {0};
    int status = STATUS_OK;
    if (n) status = dataset_read(&dataset, s->config->files.vocabulary, s->text, s->codes + first, n);
    if (n && status == STATUS_OK) status = batch_builder_make(&builder, device, &dataset);
    if (n && status == STATUS_OK)
        status = batch_build(&batch, &builder, &dataset, s->codes + first, n, (struct edge_drop){0});
    TRY_DONE(comm_agree(s->comm, status));
    if (n) batch_arrives(&builder);
    tape_reset(&s->tape, 1);
    TRY_DONE(status_alone(row_plan_make(&s->plan, s->comm, device, table->rows, table->cols, batch.distinct_nodes,
                                        (int)batch.n_distinct)));
    struct var *nodes = tape_constant(&s->tape, batch.n_distinct, table->cols);
    TRY_DONE(status_alone(row_plan_fetch(&s->plan, s->comm, device, table->cols, table->value, nodes->value)));
    if (n) {
        struct model model = {s->config, s->parameters};
        struct model_output out = model_forward(&model, &s->tape, &batch, nodes, NULL);
        status = tape_status(&s->tape);
        if (status == STATUS_OK) status = keep_vectors(s, &batch, &out, first);
    }
    status = comm_agree(s->comm, status);
done:
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
    int64_t total = s->n * s->config->quantizer.dim;
    for (int g = 0; g < N_GROUPS; g++)
        for (int64_t at = 0; at < total; at += LARGEST_SUM)
            TRY(comm_sum_double(s->comm, s->u[g] + at, (int)(total - at < LARGEST_SUM ? total - at : LARGEST_SUM)));
    return STATUS_OK;
}

/* ---- cluster ---- */

/* Appends the rows that are not zero to points [n, dim]. */
static int64_t add_points(const struct sample *s, enum token_group group, real *points, int64_t n) {
    int64_t dim = s->config->quantizer.dim;
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
    const struct parameter *c = &s->parameters->list[s->parameters->codebook];
    struct device *device = s->parameters->device;
    int64_t n = (region.last - region.first) * c->cols, at = region.first * c->cols;
    for (int64_t j = 0; j < n; j++) centres[j] *= (real)sqrt((double)c->cols);
    device_upload_reals(device, dev_real_at(c->value, at), centres, n);
    if (c->average.at) device_upload_reals(device, dev_real_at(c->average, at), centres, n);
    device_synchronize(device);
}

static int cluster_third(struct sample *s, enum codebook_third third) {
    static const char *const NAMES[N_THIRDS] = {"text", "shared", "graph"};
    const struct config *c = s->config;
    struct region region = codebook_third(c, third);
    int64_t k = region.last - region.first, dim = c->quantizer.dim, n = 0;
    real *points = NULL, *centres = NULL;
    struct kmeans_fit fit;
    int status = mem_alloc(&points, 2 * s->n * dim, sizeof *points);
    if (status == STATUS_OK) status = mem_alloc(&centres, k * dim, sizeof *centres);
    TRY_DONE(comm_agree(s->comm, status));
    if (third == THIRD_TEXT) n = add_points(s, TEXT_SPECIFIC, points, n);
    if (third == THIRD_GRAPH) n = add_points(s, GRAPH_SPECIFIC, points, n);
    if (third == THIRD_SHARED) n = add_points(s, SHARED_GRAPH, points, add_points(s, SHARED_TEXT, points, n));
    if (n == 0) goto done;
    TRY_DONE(kmeans(s->comm, s->parameters->device, (uint64_t)c->run.seed,
                    RNG_KMEANS + STREAMS_A_THIRD * (uint32_t)third, n, dim, points, k, centres, &fit));
    set_rows(s, region, centres);
    log_info("k-means of %lld %s vectors to %lld rows: mean squared distance %.3g at first, %.3g at the end",
             (long long)n, NAMES[third], (long long)k, fit.seeded, fit.final);
done:
    free(points);
    free(centres);
    return status;
}

int first_codebook_make(const struct config *config, const struct comm *comm, struct parameters *parameters,
                        struct text_source *text) {
    struct sample s = {.config = config, .comm = comm, .parameters = parameters, .text = text};
    int status;
    tape_init(&s.tape, parameters->device);
    TRY_DONE(comm_agree(comm, draw_codes(&s)));
    TRY_DONE(evaluate(&s));
    for (int third = 0; third < N_THIRDS; third++) TRY_DONE(cluster_third(&s, (enum codebook_third)third));
done:
    tape_free(&s.tape);
    row_plan_free(&s.plan, parameters->device);
    free(s.codes);
    for (int g = 0; g < N_GROUPS; g++) free(s.u[g]);
    return status;
}
