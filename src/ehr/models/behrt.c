/* BEHRT (Li et al., 2020), trained end to end on a task's label, or pre-trained on masked codes before:
 *
 *   x_t   = E_code[c_t] + E_segment[v_t mod 2] + E_age[a_t] + s P[v_t]      code or special token, visit v_t, age a_t
 *   x     = dropout(LayerNorm(x))                                        epsilon 1e-12
 *   x     = block_l(x), l = 1 .. L          post-norm, GELU; each token sees all tokens of its sample
 *   h     = dropout(tanh(W x_CLS + b))                                   the sample's vector
 *
 * Pre-training: 15 % of the codes (no special tokens) are to be told; of these the model reads MASK in place of 80 %, a random code of
 * train in place of 10 %, and the rest as they are. Which ones follows from seed, step, sample and place alone:
 *
 *   logits_t = O LayerNorm(GELU(W' x_t + b')) + b''      over the codes of train; O: their rows of E_code where there is such a table
 *
 * P is fixed: P[v][j] = sin(v / 10000^(2j/d)) for even columns j, cos for odd ones. j is the column's own number, as in BEHRT's
 * code: frequencies fall twice as fast as in Vaswani et al. (2017). s is setting ehr.position_scale, 1 as published. First
 * values are N(0, 0.02^2), biases 0.
 *
 * Otherwise than in the paper: codes of all kinds, not diagnoses alone; masking keeps lengths, and never hides CLS or SEP (specs:
 * ehr-models-and-tasks 1.5).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/models.h"
#include "ehr/timelines.h"
#include "ehr/models/sinusoid.h"
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
    /* of pre-training */
    int64_t n_codes; /* codes that can be told: those of train, the first rows behind the special ones */
    struct linear_map dense;
    struct norm_map masked_norm;
    struct parameter *output, *bias; /* output NULL: tied to the table of codes */
    uint64_t seed;
};

struct input {
    struct timelines timelines;
    int64_t n_masked;
    dev_int row, code; /* [n_masked] of the tokens that are to be told; number of the code among n_codes */
};

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

static void add_masked(struct behrt *m, struct parameter_set *set, int64_t dim) {
    m->dense = linear_map_add_normal(set, dim, dim, EHR_INIT, 1, 0, "behrt.masked.dense");
    m->masked_norm = norm_map_add(set, dim, 1, 0, "behrt.masked.norm");
    m->bias = parameter_add(set, 1, m->n_codes, (struct init){0}, 0, "behrt.masked.bias");
    if (!code_rows_table(m->codes))
        m->output = parameter_add(set, m->n_codes, dim, (struct init){.normal = EHR_INIT}, PARAMETER_DECAYS,
                                  "behrt.masked.output");
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
    m->n_codes = terms->data->n_own + terms->data->n_train_vectors;
    TRY(mem_alloc(&m->blocks, o->layers, sizeof *m->blocks));
    code_rows_add(terms->codes, set, o->dim);
    m->segment = parameter_add(set, 2, o->dim, init, 0, "behrt.segment");
    m->age = parameter_add(set, age_classes(o->age), o->dim, init, 0, "behrt.age");
    m->position = parameter_add(set, o->max_length, o->dim, (struct init){0}, PARAMETER_FROZEN, "behrt.position");
    m->norm = norm_map_add(set, o->dim, 1, 0, "behrt.norm");
    add_blocks(m, set);
    m->pooler = linear_map_add_normal(set, o->dim, o->dim, EHR_INIT, 1, 0, "behrt.pooler");
    if (o->pretrain_steps > 0) add_masked(m, set, o->dim);
    return STATUS_OK;
}

static int start(void *self, struct device *device) {
    const struct behrt *m = self;
    return sinusoid_set(m->position, device, SINUSOID_BY_COLUMN, m->options->position_scale);
}

static void free_model(void *self) {
    struct behrt *m = self;
    if (m) free(m->blocks);
    free(m);
}

/* ---- input ---- */
/* Hides codes of sample number `number`, tokens[n], the first of which is row `first` of the batch. */
static void hide(const struct behrt *m, const struct ehr_batch *b, int64_t number, int64_t first, int64_t n,
                 struct timeline_token *tokens, struct input *in, int32_t *row, int32_t *code) {
    enum { WHETHER, HOW, OTHER };
    const double share = 0.15, masked = 0.8, changed = 0.1;
    const uint32_t most_bits = 20; /* of a place in a timeline */
    for (int64_t t = 0; t < n; t++) {
        uint64_t key = (uint64_t)number << most_bits | (uint64_t)t;
        if (tokens[t].token < TOKEN_FIRST_CODE || rng_uniform(m->seed, RNG_MASKED + WHETHER, b->step, key) >= share)
            continue;
        row[in->n_masked] = (int32_t)(first + t);
        code[in->n_masked++] = tokens[t].token - TOKEN_FIRST_CODE;
        double how = rng_uniform(m->seed, RNG_MASKED + HOW, b->step, key);
        double other = rng_uniform(m->seed, RNG_MASKED + OTHER, b->step, key) * (double)m->n_codes;
        if (how < masked + changed) tokens[t].token = how < masked ? TOKEN_MASK : TOKEN_FIRST_CODE + (int32_t)other;
    }
}

static int hide_all(const struct behrt *m, struct pack *pack, const struct ehr_batch *b, struct input *in) {
    const struct timelines *x = &in->timelines;
    int32_t *row, *code;
    in->n_masked = 0;
    TRY(pack_ints(pack, x->n, &row, &in->row));
    TRY(pack_ints(pack, x->n, &code, &in->code));
    for (int64_t i = 0; i < b->n; i++)
        hide(m, b, b->set->number[b->which[i]], x->offsets[i], x->offsets[i + 1] - x->offsets[i],
             x->tokens + x->offsets[i], in, row, code);
    return STATUS_OK;
}

static int pack(const void *self, struct pack *pack, const struct ehr_batch *b, enum ehr_stage stage, void *input) {
    const struct behrt *m = self;
    struct input *in = input;
    TRY(timelines_make(&in->timelines, b, m->options));
    if (stage == STAGE_PRETRAIN) TRY(hide_all(m, pack, b, in));
    return timelines_pack(&in->timelines, pack, b, m->codes);
}

static void free_input(void *input) { timelines_free(&((struct input *)input)->timelines); }

/* ---- forward ---- */
static struct var *look_up(struct tape *tape, const struct parameter *table, dev_int index, int64_t n) {
    return nn_gather(tape, parameter_var(tape, table), index, n);
}

/* Dropout of site 0 .. */
static struct dropout dropout(const struct behrt *m, const struct ehr_batch *b, int64_t site) {
    return (struct dropout){m->shape.hidden_dropout, m->seed, RNG_DROPOUT + (uint32_t)site, b->step};
}

/* All tokens, [timelines.n, dim], or those that are wanted; *site: the first that is free. */
static struct var *encode(const struct behrt *m, struct tape *tape, const struct ehr_batch *b,
                          struct block_wanted wanted, int64_t *site) {
    const struct timelines *t = &((const struct input *)b->input)->timelines;
    struct block_rows rows = {.segments = t->rows, .dropout = dropout(m, b, 0)};
    struct var *x = code_rows_look_up(m->codes, tape, &t->codes);
    x = nn_add(tape, look_up(tape, m->segment, t->visit_parity, t->n), x);
    x = nn_add(tape, look_up(tape, m->age, t->age, t->n), x);
    x = nn_add(tape, look_up(tape, m->position, t->visit, t->n), x);
    x = nn_norm(tape, x, norm_map_terms(tape, m->norm, EPSILON, 1));
    x = nn_dropout(tape, x, t->rows, dropout(m, b, 0));
    *site = 1;
    for (int64_t l = 0; l < m->options->layers; l++, *site += BLOCK_SITES) {
        if (l == m->options->layers - 1) rows.wanted = wanted;
        x = nn_block(tape, x, &m->blocks[l], &m->shape, &rows, NULL, (int)*site);
    }
    return x;
}

static struct var *represent(void *self, struct tape *tape, const struct ehr_batch *b) {
    const struct behrt *m = self;
    const struct timelines *t = &((const struct input *)b->input)->timelines;
    int64_t site;
    struct var *cls = encode(m, tape, b, (struct block_wanted){t->first, b->each}, &site);
    struct var *h = linear_map_apply(tape, cls, m->pooler);
    h = nn_activate(tape, ACTIVATION_TANH, h);
    h = nn_gather(tape, h, b->each.rows.offsets, b->n); /* a copy: dropout works in place, and tanh needs its value */
    return nn_dropout(tape, h, b->each, dropout(m, b, site));
}

static int64_t targets(const void *input) { return ((const struct input *)input)->n_masked; }

static void pretrain(void *self, struct tape *tape, const struct ehr_batch *b, double weight, dev_real loss) {
    const struct behrt *m = self;
    const struct input *in = b->input;
    const dev_real none = {NULL};
    const struct parameter *table = code_rows_table(m->codes);
    struct linear_terms dense = linear_map_terms(tape, m->dense);
    int64_t site;
    if (in->n_masked == 0) return;
    dense.f = ACTIVATION_GELU;
    struct var *all = encode(m, tape, b, (struct block_wanted){.index = {NULL}}, &site);
    struct var *x = nn_gather(tape, all, in->row, in->n_masked);
    x = nn_norm(tape, nn_linear_map(tape, x, dense), norm_map_terms(tape, m->masked_norm, EPSILON, 1));
    struct var *output = m->output
                             ? parameter_var(tape, m->output)
                             : parameter_part(tape, table, TOKEN_FIRST_CODE * table->cols, m->n_codes, table->cols);
    nn_cross_entropy(tape, x, output, parameter_var(tape, m->bias),
                     (struct cross_entropy){.scale = 1, .target = in->code, .weight = weight}, loss, none);
}

const struct ehr_model EHR_BEHRT_MODEL = {
    .sizes =
        {[SIZE_SMALL] = {.dim = 64, .layers = 2, .heads = 4, .inner = 128, .dropout = 0.1, .position_scale = EHR_INIT},
         [SIZE_PUBLISHED] = {.dim = 288, .layers = 6, .heads = 12, .inner = 512, .dropout = 0.1, .position_scale = 1}},
    .input_bytes = sizeof(struct input),
    .make = make,
    .start = start,
    .pack = pack,
    .free_input = free_input,
    .represent = represent,
    .targets = targets,
    .pretrain = pretrain,
    .free = free_model,
};
