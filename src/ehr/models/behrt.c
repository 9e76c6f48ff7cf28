/* BEHRT (Li et al., 2020), trained end to end on a task's label:
 *
 *   x_t   = E_code[c_t] + E_segment[v_t mod 2] + E_age[a_t] + P[v_t]      code or special token, visit v_t, age a_t
 *   x     = dropout(LayerNorm(x))                                        epsilon 1e-12
 *   x     = block_l(x), l = 1 .. L          post-norm, GELU; each token sees all tokens of its sample
 *   h     = dropout(tanh(W x_CLS + b))                                   the sample's vector
 *
 * P is fixed: P[v][j] = sin(v / 10000^(2j/d)) for even columns j, cos for odd ones. j is the column's own number, as in BEHRT's
 * code: frequencies fall twice as fast as in Vaswani et al. (2017). First values are N(0, 0.02^2), biases 0.
 *
 * Otherwise than in the paper: codes of all kinds, not diagnoses alone; no pre-training; widths from settings ehr.*.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/models.h"
#include "ehr/timelines.h"
#include "nn/transformer.h"

static const double EPSILON = 1e-12;

struct behrt {
    const struct ehr_options *options; /* borrowed */
    const struct code_rows *codes;     /* borrowed */
    struct parameter *segment, *age, *position;
    struct norm_map norm;
    struct block_shape shape;
    struct block *blocks; /* [layers], owned */
    struct linear_map pooler;
    uint64_t seed;
};

static int check(const struct ehr_options *o) {
    if (o->dim % o->heads == 0) return STATUS_OK;
    return status_set(STATUS_USAGE, "ehr.dim %lld is no multiple of ehr.heads %lld: each head has a part of the width",
                      (long long)o->dim, (long long)o->heads);
}

/* ---- parameters ---- */
static void add_blocks(struct behrt *m, struct parameter_set *set) {
    const struct ehr_options *o = m->options;
    char name[40];
    m->shape = (struct block_shape){.heads = o->heads,
                                    .f = ACTIVATION_GELU,
                                    .epsilon = EPSILON,
                                    .center = 1,
                                    .hidden_dropout = o->dropout,
                                    .attention_dropout = o->dropout,
                                    .std = EHR_INIT};
    for (int64_t l = 0; l < o->layers; l++) {
        snprintf(name, sizeof name, "behrt.block.%lld", (long long)l);
        block_add(set, &m->blocks[l], &m->shape, o->dim, o->inner, 0, name);
    }
}

static int make(void **self, const struct ehr_model_terms *terms, int64_t *width) {
    const struct ehr_options *o = terms->options;
    struct parameter_set *set = terms->set;
    struct init init = {.normal = EHR_INIT};
    struct behrt *m;
    TRY(mem_alloc(&m, 1, sizeof *m));
    *self = m;
    *width = o->dim;
    m->options = o;
    m->codes = terms->codes;
    m->seed = terms->seed;
    TRY(mem_alloc(&m->blocks, o->layers, sizeof *m->blocks));
    code_rows_add(terms->codes, set, o->dim);
    m->segment = parameter_add(set, 2, o->dim, init, 0, "behrt.segment");
    m->age = parameter_add(set, age_classes(o->age), o->dim, init, 0, "behrt.age");
    m->position = parameter_add(set, o->max_length, o->dim, (struct init){0}, PARAMETER_FROZEN, "behrt.position");
    m->norm = norm_map_add(set, o->dim, 1, 0, "behrt.norm");
    add_blocks(m, set);
    m->pooler = linear_map_add_normal(set, o->dim, o->dim, EHR_INIT, 1, 0, "behrt.pooler");
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

static int pack(const void *self, struct pack *pack, const struct ehr_batch *b, enum ehr_stage stage, void *input) {
    const struct behrt *m = self;
    (void)stage;
    TRY(timelines_make(input, b, m->options));
    return timelines_pack(input, pack, b, m->codes);
}

static void free_input(void *input) { timelines_free(input); }

static struct var *represent(void *self, struct tape *tape, const struct ehr_batch *b) {
    struct behrt *m = self;
    const struct timelines *t = b->input;
    struct block_rows rows = {.segments = t->rows, .dropout = dropout(m, b, 0)};
    int64_t site = 1;
    struct var *x = code_rows_look_up(m->codes, tape, &t->codes);
    x = nn_add(tape, look_up(tape, m->segment, t->visit_parity, t->n), x);
    x = nn_add(tape, look_up(tape, m->age, t->age, t->n), x);
    x = nn_add(tape, look_up(tape, m->position, t->visit, t->n), x);
    x = nn_norm(tape, x, norm_map_terms(tape, m->norm, EPSILON, 1));
    x = nn_dropout(tape, x, t->rows, dropout(m, b, 0));
    for (int64_t l = 0; l < m->options->layers; l++, site += BLOCK_SITES)
        x = nn_block(tape, x, &m->blocks[l], &m->shape, &rows, NULL, (int)site);
    struct var *h = linear_map_apply(tape, nn_gather(tape, x, t->first, b->n), m->pooler);
    h = nn_activate(tape, ACTIVATION_TANH, h);
    h = nn_gather(tape, h, b->each.rows.offsets, b->n); /* a copy: dropout works in place, and tanh needs its value */
    return nn_dropout(tape, h, b->each, dropout(m, b, site));
}

const struct ehr_model EHR_BEHRT_MODEL = {
    .sizes = {[SIZE_SMALL] = {.dim = 64, .layers = 2, .heads = 4, .inner = 128, .dropout = 0.1},
              [SIZE_PUBLISHED] = {.dim = 288, .layers = 6, .heads = 12, .inner = 512, .dropout = 0.1}},
    .input_bytes = sizeof(struct timelines),
    .check = check,
    .make = make,
    .start = start,
    .pack = pack,
    .free_input = free_input,
    .represent = represent,
    .free = free_model,
};
