/* The training step. Between collectives a rank that fails goes on with its part of the communication and says so in the
 * sum of scalars, so that no rank waits for another. */
#include "medtok/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "medtok/divergence.h"
#include "medtok/first_codebook.h"
#include "medtok/schedule.h"

static const char *const STAGE_NAMES[N_STAGES] = {"load",   "batch",  "fetch",    "forward", "backward",
                                                  "reduce", "update", "evaluate", "save"};

/* Device scalars of a step: loss terms, then the squared gradient norms. */
enum { SCALAR_DENSE_NORM = N_TERMS, SCALAR_NODE_NORM, SCALAR_LENGTHS, N_SCALARS = SCALAR_LENGTHS + N_GROUPS };

/* ---- set-up ---- */
static int make_room(struct trainer *t, struct prepared_batch *b) {
    b->step = b->asked = -1;
    TRY(batch_builder_make(&b->builder, t->device, &t->dataset));
    return mem_alloc(&b->codes, t->sampler.end_stratum - t->sampler.first_stratum, sizeof *b->codes);
}

/* A code without sides costs nothing. */
static void warn_if_nothing_to_learn(const struct trainer *t, const double *cost, int64_t n_codes) {
    int64_t i = 0;
    while (i < n_codes && cost[i] == 0) i++;
    if (i < n_codes || t->comm->rank > 0) return;
    log_warn("no code of %s has a %s: nothing can be learned, and no code will get a token",
             t->config->files.vocabulary,
             t->config->model.sides == SIDES_TEXT    ? "description"
             : t->config->model.sides == SIDES_GRAPH ? "graph"
                                                     : "description or a graph");
}

/* Whether the host is free while the device works. */
static int works_beside(const struct device *device) { return strcmp(device->name, "cpu") != 0; }

static int read_piece(struct trainer *t) {
    const struct config *c = t->config;
    double *cost = NULL;
    int64_t n_codes = 0;
    struct vocabulary sizes;
    int status;
    TRY_DONE(vocabulary_read_sizes(c->files.vocabulary, &sizes));
    TRY_DONE(text_source_open(&t->text, c, t->device));
    TRY_DONE(dataset_costs(c->files.vocabulary, c->model.sides, &cost, &n_codes));
    warn_if_nothing_to_learn(t, cost, n_codes);
    TRY_DONE(sampler_make(&t->sampler, t->comm, c->train.partition, (uint64_t)c->run.seed, c->train.holdout, n_codes,
                          c->train.batch, cost));
    TRY_DONE(dataset_read(&t->dataset, c->files.vocabulary, &t->text, t->sampler.order, t->sampler.n_local));
    TRY_DONE(dataset_keep_on_device(&t->dataset, t->device));
    if (c->loss.sibling_negatives == SIBLINGS_LEAVE_OUT)
        TRY_DONE(dataset_find_siblings(&t->dataset, c->files.vocabulary));
    TRY_DONE(parameters_make(&t->parameters, t->device, t->comm, c, t->text.dim, sizes.n_nodes, 1));
    TRY_DONE(parameters_initialize(&t->parameters, (uint64_t)c->run.seed));
    TRY_DONE(codebook_make(&t->codebook, c, t->comm, &t->parameters));
    TRY_DONE(make_room(t, &t->now));
    TRY_DONE(make_room(t, &t->next));
    struct region regions[N_GROUPS];
    quantizer_regions(c, regions);
    TRY_DONE(usage_make(&t->usage, c->quantizer.size, regions));
    if (works_beside(t->device) && !(t->worker = worker_make())) {
        status = STATUS_FAILED;
        goto done;
    }
    t->scalars = device_alloc_reals(t->device, N_SCALARS);
done:
    free(cost);
    return status;
}

int trainer_make(struct trainer *t, const struct config *config, const struct comm *comm, struct device *device) {
    *t = (struct trainer){.config = config, .comm = comm, .device = device};
    stages_begin(&t->stages, device, STAGE_NAMES, N_STAGES);
    stage_begin(&t->stages, STAGE_LOAD);
    tape_init(&t->tape, device);
    TRY(comm_agree(comm, read_piece(t)));
    struct parameters *p = &t->parameters;
    int64_t rest = p->n_dense - p->n_codebook;
    int ema = config->quantizer.update == UPDATE_EMA;
    int status = bucket_init(&t->codebook_bucket, comm, device, ema ? t->codebook.picks : p->grad,
                             ema ? t->codebook.n_picks : p->n_codebook);
    if (status == STATUS_OK)
        status = bucket_init(&t->dense_bucket, comm, device, dev_real_at(p->grad, p->n_codebook), rest);
    return comm_agree(comm, status);
}

int trainer_begin(struct trainer *t) {
    if (t->config->quantizer.init == INIT_KMEANS)
        TRY(first_codebook_make(t->config, t->comm, &t->parameters, &t->text));
    return comm_agree(t->comm, codebook_begin(&t->codebook));
}

static void free_shares(struct prepared_batch *b) {
    row_shares_free(&b->text_rows);
    row_shares_free(&b->graph_rows);
    row_shares_free(&b->both_rows);
}

static void free_batch(struct prepared_batch *b) {
    free_shares(b);
    batch_builder_free(&b->builder);
    free(b->codes);
}

void trainer_free(struct trainer *t) {
    if (!t->device) return;
    struct repeated *repeated[] = {&t->clearing, &t->norms, &t->updating};
    for (int i = 0; i < 3; i++) device_forget(t->device, repeated[i]);
    worker_free(t->worker);
    bucket_free(&t->codebook_bucket, t->device);
    bucket_free(&t->dense_bucket, t->device);
    row_plan_free(&t->plan, t->device);
    tape_free(&t->tape);
    free_batch(&t->now);
    free_batch(&t->next);
    codebook_free(&t->codebook);
    parameters_free(&t->parameters);
    dataset_free(&t->dataset);
    text_source_close(&t->text);
    sampler_free(&t->sampler);
    usage_free(&t->usage);
    device_free_reals(t->device, t->scalars);
}

/* ---- the step ---- */
/* Draws and flattens this rank's codes of the step that is asked for: the host's work alone. */
static int flatten(struct trainer *t, struct prepared_batch *b) {
    b->drop = (struct edge_drop){t->config->graph.edge_drop, 1, (uint64_t)t->config->run.seed, (uint32_t)b->asked};
    b->n_codes = sampler_step(&t->sampler, b->asked, b->codes);
    return batch_flatten(&b->batch, &b->builder, &t->dataset, b->codes, b->n_codes, b->drop);
}

static int flatten_next(void *context) {
    struct trainer *t = context;
    return flatten(t, &t->next);
}

/* Has the worker, where there is one, flatten the batch of the next step. */
static void begin_next(struct trainer *t) {
    t->next.asked = -1;
    if (!t->worker || t->step + 1 >= t->config->train.steps) return;
    t->next.step = -1;
    t->next.asked = t->step + 1;
    worker_begin(t->worker, flatten_next, t);
}

/* This rank's batch of a step on the device, and how many codes of each kind all ranks have. */
static int make_batch(struct trainer *t, int64_t step, struct prepared_batch *b) {
    int status;
    if (b->step == step) return STATUS_OK;
    b->step = -1;
    if (b->asked == step) {
        status = worker_finish(t->worker);
    } else {
        b->asked = step;
        status = flatten(t, b);
    }
    b->asked = -1;
    if (status == STATUS_OK) status = batch_send(&b->batch, &b->builder, &t->dataset, b->drop);
    TRY(comm_agree(t->comm, status));
    free_shares(b);
    TRY(row_shares_make(&b->text_rows, t->comm, (int)b->batch.n_text));
    TRY(row_shares_make(&b->graph_rows, t->comm, (int)b->batch.n_graph));
    TRY(row_shares_make(&b->both_rows, t->comm, (int)b->batch.n_both));
    b->step = step;
    return STATUS_OK;
}

/* The batch of this step: the one that was made ahead, if it is of this step. */
static int take_batch(struct trainer *t) {
    struct prepared_batch ahead = t->next;
    t->next = t->now;
    t->now = ahead;
    TRY(make_batch(t, t->step, &t->now));
    batch_arrives(&t->now.builder);
    return STATUS_OK;
}

static int fetch_nodes(struct trainer *t, struct var **nodes) {
    const struct batch *batch = &t->now.batch;
    const struct parameter *table = &t->parameters.list[t->parameters.nodes];
    TRY(row_plan_make(&t->plan, t->comm, t->device, table->rows, table->cols, batch->distinct_nodes,
                      (int)batch->n_distinct));
    tape_reset(&t->tape, 0);
    *nodes = tape_leaf(&t->tape, batch->n_distinct, table->cols);
    return row_plan_fetch(&t->plan, t->comm, t->device, table->cols, table->value, (*nodes)->value);
}

static void start_codebook_sum(void *context) {
    struct trainer *t = context;
    t->bucket_status = bucket_start(&t->codebook_bucket, t->comm, t->device);
}

static void clear_gradients(void *context) {
    struct trainer *t = context;
    const struct parameters *p = &t->parameters;
    const struct parameter *nodes = &p->list[p->nodes];
    t->device->run->fill(t->device, p->n_dense, 0, p->grad);
    t->device->run->fill(t->device, nodes->count * nodes->cols, 0, nodes->grad);
    t->device->run->fill(t->device, N_SCALARS, 0, t->scalars);
}

static void add_norms(void *context) {
    struct trainer *t = context;
    struct device *d = t->device;
    const struct parameters *p = &t->parameters;
    const struct parameter *table = &p->list[p->nodes];
    d->run->dot(d, p->n_dense, 1, p->grad, p->grad, dev_real_at(t->scalars, SCALAR_DENSE_NORM));
    d->run->dot(d, table->count * table->cols, 1, table->grad, table->grad, dev_real_at(t->scalars, SCALAR_NODE_NORM));
}

static int sum_gradients(struct trainer *t, struct var *nodes) {
    const struct parameters *p = &t->parameters;
    const struct parameter *table = &p->list[p->nodes];
    struct device *d = t->device;
    TRY(t->bucket_status);
    TRY(bucket_start(&t->dense_bucket, t->comm, d));
    TRY(row_plan_return(&t->plan, t->comm, d, table->cols, tape_grad(&t->tape, nodes), table->grad));
    TRY(bucket_finish(&t->codebook_bucket, t->comm, d));
    TRY(bucket_finish(&t->dense_bucket, t->comm, d));
    device_repeat(d, &t->norms, add_norms, t);
    return STATUS_OK;
}

/* Adds the squared lengths of the vectors that each group quantises. */
static void sum_lengths(struct trainer *t, const struct model_output *out) {
    for (int g = 0; g < N_GROUPS && !t->tape.failed; g++) {
        const struct var *z = out->groups[g].z;
        t->device->run->dot(t->device, z->rows * z->cols, 1, z->value, z->value,
                            dev_real_at(t->scalars, SCALAR_LENGTHS + g));
    }
}

/* Sums the scalars over ranks. The dense gradient is the same on all ranks, so its norm is not summed. */
static int sum_scalars(struct trainer *t, int stop, int failed, struct step_report *report) {
    real host[N_SCALARS] = {0};
    double sums[N_TERMS + 4 + N_GROUPS];
    device_download_reals(t->device, host, t->scalars, N_SCALARS);
    for (int i = 0; i < N_TERMS; i++) sums[i] = host[i];
    sums[N_TERMS] = host[SCALAR_NODE_NORM];
    sums[N_TERMS + 1] = stop;
    sums[N_TERMS + 2] = failed;
    sums[N_TERMS + 3] = (double)t->now.n_codes;
    for (int g = 0; g < N_GROUPS; g++) sums[N_TERMS + 4 + g] = host[SCALAR_LENGTHS + g];
    TRY(comm_sum_double(t->comm, sums, N_TERMS + 4 + N_GROUPS));
    *report = (struct step_report){.n_codes = (int64_t)sums[N_TERMS + 3], .stop = sums[N_TERMS + 1] > 0};
    for (int i = 0; i < N_TERMS; i++) report->loss += report->terms[i] = sums[i];
    report->gradient_norm = sqrt((double)host[SCALAR_DENSE_NORM] + sums[N_TERMS]);
    for (int g = 0; g < N_GROUPS; g++) {
        int n = g == GRAPH_SPECIFIC || g == SHARED_GRAPH ? t->now.graph_rows.total : t->now.text_rows.total;
        report->length[g] = n ? sqrt(sums[N_TERMS + 4 + g] / n) : 0;
    }
    return sums[N_TERMS + 2] > 0 ? STATUS_FAILED : STATUS_OK;
}

static void move_parameters(void *context) {
    struct trainer *t = context;
    parameters_update(&t->parameters, t->config);
    codebook_update(&t->codebook);
    parameters_average(&t->parameters);
}

static void update(struct trainer *t, struct step_report *report) {
    const struct config *c = t->config;
    double clip = c->train.clip, norm = report->gradient_norm, scale = clip > 0 && norm > clip ? clip / norm : 1;
    report->rate = schedule_rate(c, t->step + 1);
    report->gradient_scale = scale;
    parameters_begin_update(&t->parameters, c, report->rate, t->step + 1, scale);
    device_repeat(t->device, &t->updating, move_parameters, t);
}

static int count_usage(struct trainer *t, const struct model_output *out) {
    int32_t *host;
    int64_t top_k = t->config->quantizer.top_k;
    usage_clear(&t->usage);
    int status = mem_alloc(&host, t->now.n_codes * top_k, sizeof *host);
    for (int g = 0; status == STATUS_OK && g < N_GROUPS; g++) {
        int64_t n = out->groups[g].value->rows * top_k;
        device_download_ints(t->device, host, out->groups[g].tokens, n);
        usage_add(&t->usage, (enum token_group)g, host, n);
    }
    free(host);
    TRY(comm_agree(t->comm, status));
    return usage_sum(&t->usage, t->comm);
}

/* Forward and backward. Failures of this rank alone stay in the tape and in the statuses of sums. */
static int differentiate(struct trainer *t, struct var *nodes, struct model_output *out) {
    struct model model = {t->config, &t->parameters};
    struct losses losses = {.tape = &t->tape,
                            .comm = t->comm,
                            .global_negatives = t->config->loss.negatives == NEGATIVES_GLOBAL,
                            .temperature = t->config->loss.temperature,
                            .terms = t->scalars};
    struct model_training training = {
        &losses, &t->now.text_rows, &t->now.graph_rows, &t->now.both_rows, (uint32_t)t->step, start_codebook_sum, t};
    stage_begin(&t->stages, STAGE_FORWARD);
    device_repeat(t->device, &t->clearing, clear_gradients, t);
    t->bucket_status = STATUS_OK;
    *out = model_forward(&model, &t->tape, &t->now.batch, nodes, &training);
    sum_lengths(t, out);
    if (t->config->quantizer.update == UPDATE_EMA && !t->tape.failed) {
        codebook_sum_picks(&t->codebook, out);
        start_codebook_sum(t);
    }
    stage_begin(&t->stages, STAGE_BACKWARD);
    tape_backward(&t->tape);
    return losses.status;
}

int trainer_step(struct trainer *t, int stop, struct step_report *report) {
    struct var *nodes;
    struct model_output out;
    stage_begin(&t->stages, STAGE_BATCH);
    TRY(take_batch(t));
    stage_begin(&t->stages, STAGE_FETCH);
    TRY(status_alone(fetch_nodes(t, &nodes)));
    begin_next(t);
    TRY(status_alone(differentiate(t, nodes, &out)));
    if (!t->codebook_bucket.started) start_codebook_sum(t); /* a tape that failed did not: all ranks sum in one order */
    stage_begin(&t->stages, STAGE_BATCH);                   /* a GPU has its work for now */
    int made = STATUS_OK;
    if (t->step + 1 < t->config->train.steps) made = make_batch(t, t->step + 1, &t->next);
    stage_begin(&t->stages, STAGE_REDUCE);
    int failed = tape_status(&t->tape);
    TRY(status_alone(sum_gradients(t, nodes)));
    if (sum_scalars(t, stop, failed != STATUS_OK, report) != STATUS_OK) return comm_agree(t->comm, failed);
    TRY(made); /* the same on all ranks; no sum is under way any more */
    TRY(divergence_check(t, report, &t->now.batch, &out));
    stage_begin(&t->stages, STAGE_UPDATE);
    TRY(count_usage(t, &out)); /* before the update, while the device is idle after the scalars */
    update(t, report);
    t->step++;
    TRY(codebook_revive(&t->codebook, &t->usage, &out, &t->now.text_rows, &t->now.graph_rows, t->step,
                        &report->n_revived));
    stage_end(&t->stages);
    return STATUS_OK;
}
