/* ETHOS (Renc et al., 2024): a decoder over a patient's history as a line of units (ethos_timeline.h), trained to tell the next one:
 *
 *   x_t = U[u_t] + P[t], dropout            unit u_t, position t in the window; a unit that is a code's row: that row instead of U's
 *   x   = block_l(x), l = 1 .. L            pre-norm, GELU, no biases; a unit sees itself and those before it
 *   h_t = LayerNorm(x_t)                    epsilon 1e-5
 *   p(u_{t+1}) = softmax(O h_t)             O: U's rows; where codes are rows of ehr/code_rows.h, a matrix of its own
 *
 * Pre-training is cross-entropy of the units of the line, not of the context, over windows of the histories, each from a place drawn at each
 * step; of a long history as many as it fills (ehr_data.pretrain), so that all units are read alike. First values are N(0, 0.02^2), of the maps whose result is added N(0, (0.02 / sqrt(2 L))^2).
 *
 * ethos: scores are shares of futures that it makes (ethos_generate.h); no label is learned.
 * ethos-probe: the sample's vector is dropout(h) of the last unit of its history; no paper has it: it is what is cheap beside scores by
 * generation.
 */
#include "ehr/models/ethos_generate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

static const double EPSILON = 1e-5;

/* ---- parameters ---- */
static int check_generates(const struct ehr_options *o) {
    if (o->pretrain_steps > 0) return STATUS_OK;
    return status_set(STATUS_USAGE, "ehr.model ethos learns from histories alone, no labels: set ehr.pretrain_steps");
}

static void add_blocks(struct ethos *m, struct parameter_set *set, const struct ehr_options *o) {
    char name[40];
    m->shape = (struct block_shape){.heads = o->heads,
                                    .pre_norm = 1,
                                    .causal = 1,
                                    .without_bias = 1,
                                    .f = ACTIVATION_GELU,
                                    .epsilon = EPSILON,
                                    .center = 1,
                                    .hidden_dropout = o->dropout,
                                    .attention_dropout = o->dropout,
                                    .std = EHR_INIT,
                                    .output_std = EHR_INIT / sqrt(2 * (double)m->layers)};
    for (int64_t l = 0; l < m->layers; l++) {
        snprintf(name, sizeof name, "ethos.block.%lld", (long long)l);
        block_add(set, &m->blocks[l], &m->shape, o->dim, o->inner, 0, name);
    }
}

static int make(void **self, const struct ehr_model_terms *terms, int64_t *width) {
    const struct ehr_options *o = terms->options;
    struct parameter_set *set = terms->set;
    struct init init = {.normal = EHR_INIT};
    struct ethos *m;
    TRY(mem_alloc(&m, 1, sizeof *m));
    *self = m;
    *width = m->dim = o->dim;
    m->data = terms->data;
    m->layers = o->layers;
    m->max_length = o->max_length;
    m->seed = terms->seed;
    m->n_futures = o->futures;
    if (o->model == EHR_ETHOS) TRY(ethos_outcome_make(&m->outcome, o, terms->data));
    m->bags = terms->codes->source.bags;
    TRY(mem_alloc(&m->blocks, m->layers, sizeof *m->blocks));
    TRY(ethos_vocabulary_make(&m->vocabulary, terms->comm, terms->data, &terms->codes->source, terms->seed));
    if (m->vocabulary.by_rows) {
        m->codes = terms->codes;
        code_rows_add(m->codes, set, o->dim);
        m->output =
            parameter_add(set, ethos_n_outputs(&m->vocabulary), o->dim, init, PARAMETER_DECAYS, "ethos.output.weight");
    }
    m->unit = parameter_add(set, m->vocabulary.n_own, o->dim, init, PARAMETER_DECAYS, "ethos.unit.weight");
    m->position = parameter_add(set, o->max_length, o->dim, init, PARAMETER_DECAYS, "ethos.position.weight");
    add_blocks(m, set, o);
    m->norm = norm_map_add(set, o->dim, 0, 0, "ethos.norm");
    return STATUS_OK;
}

/* row[dim] = R u, with R [dim, width] */
static void project(int64_t dim, int64_t width, const double *map, const float *u, real *row) {
    for (int64_t j = 0; j < dim; j++) {
        double sum = 0;
        for (int64_t k = 0; k < width; k++) sum += map[j * width + k] * u[k];
        row[j] = (real)sum;
    }
}

/* Units that are rows of MedTok's codebook begin as R u, R fixed, N(0, 0.02^2). */
static int start(void *self, struct device *device) {
    enum { MAP = 0xfffe }; /* no parameter has this number */
    const struct ethos *m = self;
    const struct code_bags *b = m->bags;
    double *map = NULL;
    real *row = NULL;
    if (!b || !b->vectors) return STATUS_OK;
    int status = mem_alloc(&map, m->dim * b->width, sizeof *map);
    if (status == STATUS_OK) status = mem_alloc(&row, m->dim, sizeof *row);
    for (int64_t i = 0; i < m->dim * b->width && status == STATUS_OK; i++)
        map[i] = EHR_INIT * rng_normal(m->seed, RNG_INIT, MAP, (uint64_t)i);
    for (int64_t unit = 0; unit < m->vocabulary.n_own && status == STATUS_OK; unit++) {
        if (m->vocabulary.codebook[unit] < 0) continue;
        project(m->dim, b->width, map, b->vectors + m->vocabulary.codebook[unit] * b->width, row);
        device_upload_reals(device, dev_real_at(m->unit->value, unit * m->dim), row, m->dim);
    }
    device_synchronize(device);
    free(map);
    free(row);
    return status;
}

static void free_model(void *self) {
    struct ethos *m = self;
    if (!m) return;
    ethos_vocabulary_free(&m->vocabulary);
    ethos_outcome_free(&m->outcome);
    free(m->blocks);
    free(m);
}

/* ---- units ---- */
int ethos_units_pack(struct ethos_units *units, struct ethos_packing *packing, struct pack *pack, const struct ethos *m,
                     int64_t n, const int64_t *offsets, const int32_t *unit, const int32_t *position,
                     const int32_t *keys) {
    int32_t *to_offsets, *to_keys, *to_unit, *to_position;
    int64_t rows = offsets[n], n_own = m->vocabulary.n_own;
    *units = (struct ethos_units){.segments.rows = {.n = n, .n_rows = rows}};
    TRY(pack_ints(pack, n + 1, &to_offsets, &units->segments.rows.offsets));
    TRY(pack_ints(pack, n, &to_keys, &units->segments.keys));
    TRY(pack_ints(pack, rows, &to_unit, &units->unit));
    TRY(pack_ints(pack, rows, &to_position, &units->position));
    TRY(mem_grow(&packing->token, &packing->capacity, rows + 1, sizeof *packing->token));
    for (int64_t i = 0; i <= n; i++) to_offsets[i] = (int32_t)offsets[i];
    for (int64_t i = 0; i < n; i++) {
        int64_t length = offsets[i + 1] - offsets[i];
        to_keys[i] = keys[i];
        units->n_pairs += length * (length + 1) / 2;
    }
    for (int64_t r = 0; r < rows; r++) {
        to_unit[r] = unit[r] < n_own ? unit[r] : -1;
        to_position[r] = position[r];
        packing->token[r] = unit[r] < n_own ? -1 : (int32_t)(TOKEN_FIRST_CODE + unit[r] - n_own);
    }
    return m->codes ? code_list_pack(&units->codes, pack, m->codes, rows, packing->token) : STATUS_OK;
}

static struct dropout dropout(const struct ethos *m, uint32_t step, int64_t site) {
    return (struct dropout){m->shape.hidden_dropout, m->seed, RNG_DROPOUT + (uint32_t)site, step};
}

struct var *ethos_hidden(const struct ethos *m, struct tape *tape, const struct ethos_units *u, uint32_t step,
                         const struct kv_cache *caches) {
    struct block_rows rows = {.segments = u->segments, .n_pairs = u->n_pairs, .dropout = dropout(m, step, 0)};
    int64_t n = u->segments.rows.n_rows, site = 1;
    struct var *x = nn_gather(tape, parameter_var(tape, m->unit), u->unit, n);
    if (m->codes) x = nn_add(tape, code_rows_look_up(m->codes, tape, &u->codes), x);
    x = nn_add(tape, nn_gather(tape, parameter_var(tape, m->position), u->position, n), x);
    x = nn_dropout(tape, x, u->segments, dropout(m, step, 0));
    for (int64_t l = 0; l < m->layers; l++, site += BLOCK_SITES) {
        if (l == m->layers - 1) rows.wanted = u->last;
        x = nn_block(tape, x, &m->blocks[l], &m->shape, &rows, caches ? &caches[l] : NULL, (int)site);
    }
    return nn_norm(tape, x, norm_map_terms(tape, m->norm, EPSILON, 1));
}

struct var *ethos_outputs(const struct ethos *m, struct tape *tape) {
    if (m->output) return parameter_var(tape, m->output);
    return parameter_part(tape, m->unit, 0, m->vocabulary.n_own_outputs, m->dim);
}

/* ---- a batch ---- */
struct input {
    struct ethos_units units;
    dev_int last, target; /* [n] the row of each sample's last unit; [rows] of pre-training */
    int64_t n_targets;
    /* on the host, kept */
    struct ethos_timeline timeline;
    struct ethos_packing packing;
    int64_t *offsets;                   /* [n + 1] */
    int32_t *keys;                      /* [n] */
    int32_t *unit, *position, *to_tell; /* [rows] */
    long long offsets_capacity, keys_capacity, unit_capacity, position_capacity, to_tell_capacity;
};

static void free_input(void *self) {
    struct input *input = self;
    ethos_timeline_free(&input->timeline);
    free(input->packing.token);
    free(input->offsets);
    free(input->keys);
    free(input->unit);
    free(input->position);
    free(input->to_tell);
    *input = (struct input){0};
}

static int32_t window_of(const struct ehr_batch *b, int64_t i) {
    return b->set->window ? b->set->window[b->which[i]] : 0;
}

/* Of the line's units the last that there is room for; in pre-training, if there is not room for all, so many from a drawn place on. */
static int64_t window_first(const struct ethos *m, const struct ethos_timeline *t, int64_t room,
                            const struct ehr_batch *b, int64_t i, enum ehr_stage stage) {
    uint64_t key = (uint64_t)b->set->number[b->which[i]] | (uint64_t)window_of(b, i) << 40;
    if (t->n <= room) return 0;
    if (stage == STAGE_TASK) return t->n - room;
    return ethos_window_drawn(t, room, rng_uniform(m->seed, RNG_ETHOS_WINDOW, b->step, key));
}

/* Of dropout: windows of a history drop other units. */
static int32_t drop_key(const struct ehr_batch *b, int64_t i) {
    return (int32_t)((uint32_t)b->set->number[b->which[i]] + (uint32_t)window_of(b, i) * 0x9E3779B9u);
}

/* Adds a sample's window, from row offsets[i] on, and what each of its units is to tell: the next one, of the line's. */
static int add_window(const struct ethos *m, struct input *in, const struct ehr_batch *b, int64_t i,
                      enum ehr_stage stage) {
    struct ethos_timeline *t = &in->timeline;
    struct sample_history history = sample_set_history(b->set, b->which[i]);
    TRY(ethos_timeline_make(t, &m->vocabulary, &history, stage == STAGE_PRETRAIN));
    int64_t context = ethos_context_length(t, m->max_length), room = ethos_window_room(t, m->max_length);
    int64_t first = window_first(m, t, room, b, i, stage), at = in->offsets[i];
    int64_t n = t->n - first < room ? t->n - first : room, end = at + context + n;
    TRY(mem_grow(&in->unit, &in->unit_capacity, end, sizeof *in->unit));
    TRY(mem_grow(&in->position, &in->position_capacity, end, sizeof *in->position));
    TRY(mem_grow(&in->to_tell, &in->to_tell_capacity, end, sizeof *in->to_tell));
    ethos_window(t, &m->vocabulary, m->max_length, first, n, in->unit + at);
    for (int64_t r = at; r < end; r++) {
        int is_told = r + 1 < end && r + 1 >= at + context;
        in->position[r] = (int32_t)(r - at);
        in->to_tell[r] = is_told ? ethos_output_of(&m->vocabulary, in->unit[r + 1]) : -1;
        in->n_targets += in->to_tell[r] >= 0;
    }
    in->offsets[i + 1] = end;
    in->keys[i] = drop_key(b, i);
    return STATUS_OK;
}

static int pack(const void *self, struct pack *pack, const struct ehr_batch *b, enum ehr_stage stage, void *input) {
    const struct ethos *m = self;
    struct input *in = input;
    int32_t *last, *target;
    TRY(mem_grow(&in->offsets, &in->offsets_capacity, b->n + 1, sizeof *in->offsets));
    TRY(mem_grow(&in->keys, &in->keys_capacity, b->n + 1, sizeof *in->keys));
    in->offsets[0] = in->n_targets = 0;
    for (int64_t i = 0; i < b->n; i++) TRY(add_window(m, in, b, i, stage));
    TRY(ethos_units_pack(&in->units, &in->packing, pack, m, b->n, in->offsets, in->unit, in->position, in->keys));
    TRY(pack_ints(pack, b->n, &last, &in->last));
    for (int64_t i = 0; i < b->n; i++) last[i] = (int32_t)(in->offsets[i + 1] - 1);
    if (stage == STAGE_TASK || b->n == 0) return STATUS_OK;
    TRY(pack_ints(pack, in->offsets[b->n], &target, &in->target));
    memcpy(target, in->to_tell, (size_t)in->offsets[b->n] * sizeof *target);
    return STATUS_OK;
}

/* ---- the model ---- */
static struct var *represent(void *self, struct tape *tape, const struct ehr_batch *b) {
    const struct ethos *m = self;
    const struct input *in = b->input;
    struct ethos_units units = in->units;
    int64_t site = 1 + m->layers * BLOCK_SITES;
    units.last = (struct block_wanted){in->last, b->each};
    return nn_dropout(tape, ethos_hidden(m, tape, &units, b->step, NULL), b->each, dropout(m, b->step, site));
}

static int64_t targets(const void *input) { return ((const struct input *)input)->n_targets; }

static void pretrain(void *self, struct tape *tape, const struct ehr_batch *b, double weight, dev_real loss) {
    const struct ethos *m = self;
    const struct input *in = b->input;
    struct cross_entropy how = {.scale = 1, .target = in->target, .weight = weight};
    struct var *h = ethos_hidden(m, tape, &in->units, b->step, NULL);
    nn_cross_entropy(tape, h, ethos_outputs(m, tape), NULL, how, loss, (dev_real){NULL});
}

#define SIZES                                                                                                          \
    {                                                                                                                  \
        [SIZE_SMALL] = {.dim = 64, .layers = 2, .heads = 4, .inner = 256, .dropout = 0.1},                             \
        [SIZE_PUBLISHED] = {.dim = 768, .layers = 6, .heads = 12, .inner = 3072, .dropout = 0.3},                      \
    }

#define COMMON                                                                                                         \
    .sizes = SIZES, .input_bytes = sizeof(struct input), .make = make, .start = start, .pack = pack,                   \
    .free_input = free_input, .represent = represent, .targets = targets, .pretrain = pretrain, .free = free_model

const struct ehr_model EHR_ETHOS_MODEL = {COMMON, .check = check_generates, .score = ethos_score};
const struct ehr_model EHR_ETHOS_PROBE_MODEL = {COMMON};
