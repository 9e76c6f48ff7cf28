/* BEHRT (Li et al., 2020), trained end to end on a task's label:
 *
 *   x_t   = E_code[c_t] + E_segment[v_t mod 2] + E_age[a_t] + P[v_t]      code or special token, visit v_t, age a_t
 *   x     = dropout(LayerNorm(x))                                        epsilon 1e-12
 *   x     = block_l(x), l = 1 .. L          post-norm, GELU; each token sees all tokens of its sample
 *   h     = tanh(W x_CLS + b)
 *   logit = w . dropout(h) + b'
 *
 * P is fixed: P[v][j] = sin(v / 10000^(2j/d)) for even columns j, cos for odd ones. j is the column's own number, as in BEHRT's
 * code: frequencies fall twice as fast as in Vaswani et al. (2017). First values are N(0, 0.02^2), biases 0, but b', whose score
 * is the prior: untrained, all samples get the share of positives.
 *
 * Otherwise than in the paper: codes of all kinds, not diagnoses alone; no pre-training; widths from settings ehr.*.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/models.h"
#include "nn/transformer.h"

static const double EPSILON = 1e-12;

struct behrt {
    const struct embedding *codes; /* borrowed */
    struct parameter *segment, *age, *position;
    struct norm_map norm;
    struct block_shape shape;
    struct block *blocks; /* [layers], owned */
    int64_t layers;
    struct linear_map pooler, head;
    uint64_t seed;
};

static int check(const struct ehr_options *o) {
    if (o->dim % o->heads == 0) return STATUS_OK;
    return status_set(STATUS_USAGE, "ehr.dim %lld is no multiple of ehr.heads %lld: each head has a part of the width",
                      (long long)o->dim, (long long)o->heads);
}

/* ---- parameters ---- */
static void add_blocks(struct behrt *m, struct parameter_set *set, const struct ehr_options *o) {
    char name[40];
    m->shape = (struct block_shape){.heads = o->heads,
                                    .f = ACTIVATION_GELU,
                                    .epsilon = EPSILON,
                                    .center = 1,
                                    .hidden_dropout = o->dropout,
                                    .attention_dropout = o->dropout,
                                    .std = EHR_INIT};
    for (int64_t l = 0; l < m->layers; l++) {
        snprintf(name, sizeof name, "behrt.block.%lld", (long long)l);
        block_add(set, &m->blocks[l], &m->shape, o->dim, o->inner, 0, name);
    }
}

static struct linear_map add_head(struct parameter_set *set, int64_t dim, double prior) {
    return (struct linear_map){
        .weight = parameter_add(set, 1, dim, (struct init){.normal = EHR_INIT}, PARAMETER_DECAYS, "behrt.head.weight"),
        .bias = parameter_add(set, 1, 1, (struct init){.constant = log(prior / (1 - prior))}, 0, "behrt.head.bias")};
}

static int make(void **self, struct parameter_set *set, const struct embedding *embedding,
                const struct ehr_model_terms *terms) {
    const struct ehr_options *o = terms->options;
    struct init init = {.normal = EHR_INIT};
    struct behrt *m;
    TRY(mem_alloc(&m, 1, sizeof *m));
    *self = m;
    m->codes = embedding;
    m->layers = o->layers;
    m->seed = terms->seed;
    TRY(mem_alloc(&m->blocks, m->layers, sizeof *m->blocks));
    m->segment = parameter_add(set, 2, o->dim, init, 0, "behrt.segment");
    m->age = parameter_add(set, age_classes(o->age), o->dim, init, 0, "behrt.age");
    m->position = parameter_add(set, o->max_length, o->dim, (struct init){0}, PARAMETER_FROZEN, "behrt.position");
    m->norm = norm_map_add(set, o->dim, 1, 0, "behrt.norm");
    add_blocks(m, set, o);
    m->pooler = linear_map_add_normal(set, o->dim, o->dim, EHR_INIT, 1, 0, "behrt.pooler");
    m->head = add_head(set, o->dim, terms->prior);
    return STATUS_OK;
}

static int start(void *self, struct device *device) {
    struct behrt *m = self;
    int64_t rows = m->position->rows, dim = m->position->cols;
    real *sinusoid;
    TRY(mem_alloc(&sinusoid, rows * dim, sizeof *sinusoid));
    for (int64_t v = 0; v < rows; v++)
        for (int64_t j = 0; j < dim; j++) {
            double angle = (double)v / pow(10000, 2 * (double)j / (double)dim);
            sinusoid[v * dim + j] = (real)(j % 2 ? cos(angle) : sin(angle));
        }
    device_upload_reals(device, m->position->value, sinusoid, rows * dim);
    device_synchronize(device);
    free(sinusoid);
    return STATUS_OK;
}

static void free_model(void *self) {
    struct behrt *m = self;
    if (m) free(m->blocks);
    free(m);
}

/* ---- forward ---- */
static struct var *look_up(struct tape *tape, const struct parameter *table, dev_int index, int64_t n) {
    return nn_gather(tape, parameter_var(tape, table), index, n);
}

/* Dropout of site 0 .. */
static struct dropout dropout(const struct behrt *m, const struct ehr_batch *b, int64_t site) {
    return (struct dropout){m->shape.hidden_dropout, m->seed, RNG_DROPOUT + (uint32_t)site, b->step};
}

static struct var *logits(void *self, struct tape *tape, const struct ehr_batch *b) {
    struct behrt *m = self;
    struct block_rows rows = {.segments = b->tokens, .dropout = dropout(m, b, 0)};
    int64_t n = b->tokens.rows.n_rows, site = 1;
    struct var *x = embedding_rows(m->codes, tape, b);
    x = nn_add(tape, look_up(tape, m->segment, b->visit_parity, n), x);
    x = nn_add(tape, look_up(tape, m->age, b->age, n), x);
    x = nn_add(tape, look_up(tape, m->position, b->visit, n), x);
    x = nn_norm(tape, x, norm_map_terms(tape, m->norm, EPSILON, 1));
    x = nn_dropout(tape, x, b->tokens, dropout(m, b, 0));
    for (int64_t l = 0; l < m->layers; l++, site += BLOCK_SITES)
        x = nn_block(tape, x, &m->blocks[l], &m->shape, &rows, NULL, (int)site);
    struct var *h = linear_map_apply(tape, nn_gather(tape, x, b->first, b->n), m->pooler);
    h = nn_activate(tape, ACTIVATION_TANH, h);
    h = nn_gather(tape, h, b->each.rows.offsets, b->n); /* a copy: dropout works in place, and tanh needs its value */
    return linear_map_apply(tape, nn_dropout(tape, h, b->each, dropout(m, b, site)), m->head);
}

const struct ehr_model EHR_BEHRT_MODEL = {check, make, start, logits, free_model};
