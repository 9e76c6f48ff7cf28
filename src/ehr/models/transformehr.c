/* TransformEHR (Yang et al., 2023): an encoder and a decoder as in BART (Lewis et al., 2020), over one table of codes E.
 *
 *   encoder    x_t = E[c_t] + P[t] + year[a_t] + month[m_t] + day[d_t]     code or special token, date of its visit
 *              x   = dropout(LayerNorm(x))                                  epsilon 1e-5
 *              x   = block_l(x), l = 1 .. L            post-norm, GELU; each token sees all tokens of its sample
 *   decoder    y_t = E[c'_t] + P'[t]
 *              y   = dropout(LayerNorm(y))
 *              y   = block'_l(y, x), l = 1 .. L        the same, but that a token sees none behind it, and attends to x
 *
 *   task           c' is SEP alone;   h = dropout(tanh(W dropout(y) + b))
 *   pre-training   c is the history but its last visit, c' that visit's codes behind SEP; c'_t+1, and SEP behind the last code, by
 *                  softmax(y_t . U): U = E where codes have a table, else a matrix of its own
 *
 * So a task reads the state from which pre-training begins the visit to come.
 *
 * Which tokens and dates these are: transformehr_input.h. year is fixed, s sin in the first half of its columns, s cos in the second: s is
 * setting ehr.position_scale, here as large as the first values of the other tables, N(0, 0.02^2). Biases start at 0.
 *
 * The widths of the paper are not known (specs: ehr-models-and-tasks 2.2): `published` is BART's base model. Otherwise than in its
 * code: codes of all kinds, not diagnoses alone, those of a visit in the order of their texts, not of their rank in the record; SEP behind
 * each visit; dates of life, not of the calendar. And in a task that code, as
 * BART's, lets the decoder read the whole history once more and takes the state of its end: twice the work, and on Delphi-sim less
 * was learned (average precision on tuning .17 beside .21: results/transformehr.md).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/models/transformehr_input.h"
#include "nn/transformer.h"

static const double EPSILON = 1e-5;

struct stack {
    struct parameter *position;
    struct norm_map norm;
    struct block_shape shape;
    struct block *blocks; /* [layers], owned */
};

struct transformehr {
    const struct ehr_options *options; /* these two are borrowed */
    const struct code_rows *codes;
    struct parameter *year, *month, *day;
    struct stack encoder, decoder;
    struct linear_map dense;
    struct parameter *output; /* U, of arms without a table and only with pre-training; else NULL */
    uint64_t seed;
};

/* ---- parameters ---- */
static const struct init NORMAL = {.normal = EHR_INIT};

static int add_stack(struct stack *s, struct parameter_set *set, const struct ehr_options *o, int is_decoder) {
    const char *part = is_decoder ? "decoder" : "encoder";
    char name[48];
    s->shape = (struct block_shape){.heads = o->heads,
                                    .causal = is_decoder,
                                    .cross = is_decoder,
                                    .f = ACTIVATION_GELU,
                                    .epsilon = EPSILON,
                                    .center = 1,
                                    .hidden_dropout = o->dropout,
                                    .attention_dropout = o->dropout,
                                    .std = EHR_INIT};
    TRY(mem_alloc(&s->blocks, o->layers, sizeof *s->blocks));
    s->position = parameter_add(set, o->max_length, o->dim, NORMAL, 0, "transformehr.%s.position", part);
    snprintf(name, sizeof name, "transformehr.%s.norm", part);
    s->norm = norm_map_add(set, o->dim, 1, 0, name);
    for (int64_t l = 0; l < o->layers; l++) {
        snprintf(name, sizeof name, "transformehr.%s.block.%lld", part, (long long)l);
        block_add(set, &s->blocks[l], &s->shape, o->dim, o->inner, 0, name);
    }
    return STATUS_OK;
}

static int make(void **self, const struct ehr_model_terms *terms, int64_t *width) {
    const struct ehr_options *o = terms->options;
    struct parameter_set *set = terms->set;
    struct transformehr *m;
    TRY(mem_alloc(&m, 1, sizeof *m));
    *self = m;
    *width = o->dim;
    m->options = o;
    m->codes = terms->codes;
    m->seed = terms->seed;
    code_rows_add(terms->codes, set, o->dim);
    m->year =
        parameter_add(set, age_classes(AGE_YEARS), o->dim, (struct init){0}, PARAMETER_FROZEN, "transformehr.year");
    m->month = parameter_add(set, DATE_MONTHS, o->dim, NORMAL, 0, "transformehr.month");
    m->day = parameter_add(set, DATE_DAYS, o->dim, NORMAL, 0, "transformehr.day");
    TRY(add_stack(&m->encoder, set, o, 0));
    TRY(add_stack(&m->decoder, set, o, 1));
    m->dense = linear_map_add_normal(set, o->dim, o->dim, EHR_INIT, 1, 0, "transformehr.dense");
    if (o->pretrain_steps > 0 && !code_rows_table(terms->codes))
        m->output = parameter_add(set, code_rows_in_train(terms->codes), o->dim, NORMAL, PARAMETER_DECAYS,
                                  "transformehr.output");
    return STATUS_OK;
}

/* Row 0 is for tokens without a date, and stays 0. */
static int start(void *self, struct device *device) {
    struct transformehr *m = self;
    int64_t rows = m->year->rows, dim = m->year->cols, half = (dim + 1) / 2;
    real *year;
    TRY(mem_alloc(&year, rows * dim, sizeof *year));
    for (int64_t a = 1; a < rows; a++)
        for (int64_t j = 0; j < dim; j++) {
            double angle = (double)(a - 1) / pow(10000, 2 * (double)(j % half) / (double)dim);
            year[a * dim + j] = (real)(m->options->position_scale * (j < half ? sin(angle) : cos(angle)));
        }
    device_upload_reals(device, m->year->value, year, rows * dim);
    device_synchronize(device);
    free(year);
    return STATUS_OK;
}

static void free_model(void *self) {
    struct transformehr *m = self;
    if (m) {
        free(m->encoder.blocks);
        free(m->decoder.blocks);
    }
    free(m);
}

/* ---- input ---- */
static int pack_input(const void *self, struct pack *pack, const struct ehr_batch *batch, enum ehr_stage stage,
                      void *input) {
    const struct transformehr *m = self;
    return transformehr_pack(input, pack, batch, stage, m->options, m->codes);
}

static int64_t targets(const void *input) { return ((const struct transformehr_input *)input)->n_targets; }

/* ---- forward ---- */
/* Dropout of site 0 ..: the encoder's input and blocks, the decoder's, the two of the last map. */
static struct dropout dropout(const struct transformehr *m, const struct ehr_batch *b, int64_t site) {
    return (struct dropout){m->options->dropout, m->seed, RNG_DROPOUT + (uint32_t)site, b->step};
}

static int64_t decoder_site(const struct transformehr *m) { return 1 + BLOCK_SITES * m->options->layers; }

static int64_t dense_site(const struct transformehr *m) {
    return decoder_site(m) + 1 + CROSS_BLOCK_SITES * m->options->layers;
}

static struct var *look_up(struct tape *tape, const struct parameter *table, dev_int index, int64_t n) {
    return nn_gather(tape, parameter_var(tape, table), index, n);
}

/* E[c_t] + P[t] */
static struct var *embed(const struct transformehr *m, struct tape *tape, const struct stack *s,
                         const struct transformehr_rows *r) {
    struct var *x = code_rows_look_up(m->codes, tape, &r->codes);
    return nn_add(tape, look_up(tape, s->position, r->position, r->n), x);
}

/* The norm of the embeddings and the blocks, from site `site` on. memory: what the blocks attend to beside; NULL: nothing. */
static struct var *through(const struct transformehr *m, struct tape *tape, const struct ehr_batch *b,
                           const struct stack *s, struct var *x, struct block_rows rows, int64_t site) {
    int64_t sites = s->shape.cross ? CROSS_BLOCK_SITES : BLOCK_SITES;
    x = nn_norm(tape, x, norm_map_terms(tape, s->norm, EPSILON, 1));
    x = nn_dropout(tape, x, rows.segments, dropout(m, b, site++));
    for (int64_t l = 0; l < m->options->layers; l++, site += sites)
        x = nn_block(tape, x, &s->blocks[l], &s->shape, &rows, NULL, (int)site);
    return x;
}

static struct var *encode(const struct transformehr *m, struct tape *tape, const struct ehr_batch *b) {
    const struct transformehr_input *in = b->input;
    const struct transformehr_rows *r = &in->encoder;
    struct block_rows rows = {.segments = r->segments, .n_pairs = r->n_pairs, .dropout = dropout(m, b, 0)};
    struct var *x = embed(m, tape, &m->encoder, r);
    x = nn_add(tape, look_up(tape, m->year, in->year, r->n), x);
    x = nn_add(tape, look_up(tape, m->month, in->month, r->n), x);
    x = nn_add(tape, look_up(tape, m->day, in->day, r->n), x);
    return through(m, tape, b, &m->encoder, x, rows, 0);
}

static struct var *decode(const struct transformehr *m, struct tape *tape, const struct ehr_batch *b,
                          struct var *memory) {
    const struct transformehr_input *in = b->input;
    const struct transformehr_rows *r = &in->decoder;
    struct block_rows rows = {.segments = r->segments,
                              .n_pairs = r->n_pairs,
                              .memory = memory,
                              .memory_segments = in->encoder.segments,
                              .n_memory_pairs = in->n_memory_pairs,
                              .dropout = dropout(m, b, 0)};
    return through(m, tape, b, &m->decoder, embed(m, tape, &m->decoder, r), rows, decoder_site(m));
}

static struct var *represent(void *self, struct tape *tape, const struct ehr_batch *b) {
    const struct transformehr *m = self;
    struct var *h = decode(m, tape, b, encode(m, tape, b));
    h = nn_dropout(tape, h, b->each, dropout(m, b, dense_site(m)));
    h = nn_activate(tape, ACTIVATION_TANH, linear_map_apply(tape, h, m->dense));
    h = nn_gather(tape, h, b->each.rows.offsets, b->n); /* a copy: dropout works in place, and tanh needs its value */
    return nn_dropout(tape, h, b->each, dropout(m, b, dense_site(m) + 1));
}

static void pretrain(void *self, struct tape *tape, const struct ehr_batch *b, double weight, dev_real loss) {
    const struct transformehr *m = self;
    const struct transformehr_input *in = b->input;
    const struct parameter *output = m->output ? m->output : code_rows_table(m->codes);
    struct var *y = decode(m, tape, b, encode(m, tape, b));
    struct cross_entropy how = {.scale = 1, .target = in->target, .weight = weight};
    nn_cross_entropy(tape, y, parameter_part(tape, output, 0, code_rows_in_train(m->codes), output->cols), NULL, how,
                     loss, (dev_real){NULL});
}

const struct ehr_model EHR_TRANSFORMEHR_MODEL = {
    .sizes = {[SIZE_SMALL] = {.dim = 64, .layers = 2, .heads = 4, .inner = 256, .dropout = 0.1, .position_scale = 0.03},
              [SIZE_PUBLISHED] =
                  {.dim = 768, .layers = 6, .heads = 12, .inner = 3072, .dropout = 0.1, .position_scale = 0.03}},
    .input_bytes = sizeof(struct transformehr_input),
    .make = make,
    .start = start,
    .pack = pack_input,
    .free_input = transformehr_free_input,
    .represent = represent,
    .targets = targets,
    .pretrain = pretrain,
    .free = free_model};
