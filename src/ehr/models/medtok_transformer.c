/* MedTok's own transformer (the one model of health records that was released with it), trained on a task's label:
 *
 *   CLS, static codes, codes of the first visit, codes of the second visit, ...
 *
 *   x_t = e(c_t)                                                                   of CLS and static codes
 *   x_t = e(c_t) + s P[v_t] + phi(length of visit v_t) + phi(time since the visit before v_t)      of the others
 *   x   = block_l(dropout(x)), l = 1 .. L                                          post-norm, ReLU
 *   h   = W x_CLS + b
 *
 *   phi(time) = [ Y[years], s (sin, cos)(2 pi days / 365), s (sin, cos)(2 pi hours / 24) ]
 *
 * of the whole years in it, of 365 days each, then of the days and the hours that are left; what is not known has a row of Y and no
 * angles. P are the sinusoids of Vaswani et al. (2017), s is setting ehr.position_scale.
 *
 * Otherwise than in the released code (specs: ehr-models-and-tasks 6 and 8): P counts visits, since the order of codes in a visit means
 * nothing; a visit that has not ended at the prediction time is as long as it has lasted, since its whole length may be what is asked for;
 * before the first visit is birth; the row of CLS is trained and saved.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/models.h"
#include "ehr/timelines.h"
#include "ehr/models/sinusoid.h"
#include "nn/transformer.h"

static const double EPSILON = 1e-5, INPUT_DROPOUT = 0.2; /* the latter at most: no more than ehr.dropout */
static const int64_t HOUR = (int64_t)3600 * 1000000;     /* microseconds */

enum { N_ANGLES = 4, DAYS_OF_YEAR = 365 };

struct transformer {
    struct code_rows *codes; /* borrowed */
    const struct ehr_options *options;
    struct parameter *position, *years;
    struct block_shape shape;
    struct block *blocks; /* [layers], owned */
    struct linear_map last;
    uint64_t seed;
};

/* How long something takes, for each dated visit of a batch: phi's argument. */
struct durations {
    int32_t *years; /* [visits] on the host, owned */
    real *angles;   /* [visits, N_ANGLES] */
    long long years_capacity, angles_capacity;
    dev_int years_on_device;
    dev_real angles_on_device;
};

struct input {
    struct timelines tokens; /* without SEP; visit -1: CLS and static codes, which have no position */
    struct durations length, since;
    int64_t n_visits; /* of all samples, dated */
    int32_t *visit;   /* [tokens] which of them, or -1; on the host, owned */
    long long visit_capacity;
    dev_int visit_on_device;
};

/* ---- parameters ---- */
static int check(const struct ehr_options *o) {
    if (o->dim <= N_ANGLES)
        return status_set(STATUS_USAGE, "ehr.dim %lld leaves no column for years: choose more than %d",
                          (long long)o->dim, N_ANGLES);
    return STATUS_OK;
}

static int make(void **self, const struct ehr_model_terms *terms, int64_t *width) {
    const struct ehr_options *o = terms->options;
    struct parameter_set *set = terms->set;
    struct transformer *m;
    char name[40];
    TRY(mem_alloc(&m, 1, sizeof *m));
    *self = m;
    *width = o->dim;
    *m = (struct transformer){.codes = terms->codes, .options = o, .seed = terms->seed};
    TRY(mem_alloc(&m->blocks, o->layers, sizeof *m->blocks));
    m->shape = (struct block_shape){.heads = o->heads,
                                    .f = ACTIVATION_RELU,
                                    .epsilon = EPSILON,
                                    .center = 1,
                                    .hidden_dropout = o->dropout,
                                    .attention_dropout = o->dropout,
                                    .std = EHR_INIT};
    code_rows_add(m->codes, set, o->dim);
    m->position = parameter_add(set, o->max_length, o->dim, (struct init){0}, PARAMETER_FROZEN, "medtok.position");
    m->years = parameter_add(set, age_classes(AGE_YEARS), o->dim - N_ANGLES, (struct init){.normal = EHR_INIT}, 0,
                             "medtok.years");
    for (int64_t l = 0; l < o->layers; l++) {
        snprintf(name, sizeof name, "medtok.block.%lld", (long long)l);
        block_add(set, &m->blocks[l], &m->shape, o->dim, o->inner, 0, name);
    }
    m->last = linear_map_add_normal(set, o->dim, o->dim, EHR_INIT, 1, 0, "medtok.last");
    return STATUS_OK;
}

static int start(void *self, struct device *device) {
    const struct transformer *m = self;
    return sinusoid_set(m->position, device, SINUSOID_BY_PAIR, m->options->position_scale);
}

static void free_model(void *self) {
    struct transformer *m = self;
    if (m) free(m->blocks);
    free(m);
}

/* ---- input ---- */
/* duration -1: not known. */
static int add_duration(struct durations *d, int64_t at, int64_t duration, double scale) {
    const double turn = 2 * acos(-1);
    TRY(mem_grow(&d->years, &d->years_capacity, at + 1, sizeof *d->years));
    TRY(mem_grow(&d->angles, &d->angles_capacity, (at + 1) * N_ANGLES, sizeof *d->angles));
    int64_t hours = duration / HOUR, days = hours / 24, years = days / DAYS_OF_YEAR;
    double day = turn * (double)(days % DAYS_OF_YEAR) / DAYS_OF_YEAR, hour = turn * (double)(hours % 24) / 24;
    real *angles = d->angles + at * N_ANGLES;
    d->years[at] = duration < 0 ? 0 : (int32_t)(1 + (years < AGE_MOST_YEARS ? years : AGE_MOST_YEARS));
    angles[0] = duration < 0 ? 0 : (real)(scale * sin(day));
    angles[1] = duration < 0 ? 0 : (real)(scale * cos(day));
    angles[2] = duration < 0 ? 0 : (real)(scale * sin(hour));
    angles[3] = duration < 0 ? 0 : (real)(scale * cos(hour));
    return STATUS_OK;
}

/* The times of visit v of a sample: its length as known, and since the one before it ended, as far as is known, or since birth. */
static int add_visit(struct input *in, const struct sample_history *h, int64_t v, double scale) {
    const struct visit *visit = &in->tokens.visits.visits[v], *before = v > 0 ? visit - 1 : NULL;
    int64_t end = visit->end == COHORT_NO_TIME ? h->time : visit->end, since = h->birth, at = in->n_visits++;
    if (before && !before->is_static) since = before->end == COHORT_NO_TIME ? before->start : before->end;
    int64_t gap = since == COHORT_NO_TIME ? -1 : visit->start > since ? visit->start - since : 0;
    TRY(add_duration(&in->length, at, end - visit->start, scale));
    return add_duration(&in->since, at, gap, scale);
}

/* A sample's tokens but SEP, behind those of the samples before. */
static int add_sample(struct input *in, const struct sample_history *h, const struct ehr_options *o) {
    struct timelines *x = &in->tokens;
    const struct timeline *t = &x->timeline;
    int32_t last = -1; /* visit, as the timeline counts them */
    TRY(visits_make(&x->visits, h, o));
    TRY(timeline_make(&x->timeline, &x->visits, o->max_length));
    TRY(mem_grow(&x->tokens, &x->capacity, x->n + t->n, sizeof *x->tokens));
    TRY(mem_grow(&in->visit, &in->visit_capacity, x->n + t->n, sizeof *in->visit));
    for (int64_t i = 0; i < t->n; i++) {
        struct timeline_token token = t->tokens[i];
        if (token.token == TOKEN_SEP) continue;
        int has_time = token.token != TOKEN_CLS && !x->visits.visits[token.of].is_static;
        if (has_time && token.visit != last) TRY(add_visit(in, h, token.of, o->position_scale));
        if (has_time) last = token.visit;
        in->visit[x->n] = has_time ? (int32_t)(in->n_visits - 1) : -1;
        token.visit = has_time ? token.visit : -1;
        x->tokens[x->n++] = token;
    }
    return STATUS_OK;
}

static int pack_durations(struct durations *d, struct pack *pack, int64_t n) {
    int32_t *years;
    real *angles;
    TRY(pack_ints(pack, n, &years, &d->years_on_device));
    TRY(pack_reals(pack, n * N_ANGLES, &angles, &d->angles_on_device));
    for (int64_t i = 0; i < n; i++) years[i] = d->years[i];
    for (int64_t i = 0; i < n * N_ANGLES; i++) angles[i] = d->angles[i];
    return STATUS_OK;
}

static int pack(const void *self, struct pack *pack, const struct ehr_batch *b, enum ehr_stage stage, void *input) {
    const struct transformer *m = self;
    struct input *in = input;
    struct timelines *x = &in->tokens;
    int32_t *visit;
    (void)stage;
    x->n = in->n_visits = 0;
    TRY(mem_grow(&x->offsets, &x->offsets_capacity, b->n + 1, sizeof *x->offsets));
    x->offsets[0] = 0;
    for (int64_t i = 0; i < b->n; i++) {
        struct sample_history history = sample_set_history(b->set, b->which[i]);
        TRY(add_sample(in, &history, m->options));
        x->offsets[i + 1] = x->n;
    }
    TRY(pack_durations(&in->length, pack, in->n_visits));
    TRY(pack_durations(&in->since, pack, in->n_visits));
    TRY(pack_ints(pack, x->n, &visit, &in->visit_on_device));
    for (int64_t i = 0; i < x->n; i++) visit[i] = in->visit[i];
    return timelines_pack(x, pack, b, m->codes);
}

static void free_input(void *input) {
    struct input *in = input;
    struct durations *both[] = {&in->length, &in->since};
    for (int i = 0; i < 2; i++) {
        free(both[i]->years);
        free(both[i]->angles);
    }
    free(in->visit);
    timelines_free(&in->tokens);
}

/* ---- forward ---- */
static struct dropout dropout(const struct transformer *m, const struct ehr_batch *b, double rate, int64_t site) {
    return (struct dropout){rate, m->seed, RNG_DROPOUT + (uint32_t)site, b->step};
}

/* [n_visits, dim] */
static struct var *phi(const struct transformer *m, struct tape *tape, const struct durations *d, int64_t n) {
    const dev_real none = {NULL};
    struct var *years = nn_gather(tape, parameter_var(tape, m->years), d->years_on_device, n);
    return nn_concat(tape, years, tape_borrow(tape, n, N_ANGLES, d->angles_on_device, none));
}

static struct var *represent(void *self, struct tape *tape, const struct ehr_batch *b) {
    struct transformer *m = self;
    const struct input *in = b->input;
    const struct timelines *t = &in->tokens;
    struct block_rows rows = {.segments = t->rows, .dropout = dropout(m, b, 0, 0)};
    double rate = m->options->dropout, input_rate = rate < INPUT_DROPOUT ? rate : INPUT_DROPOUT;
    int64_t site = 1;
    struct var *x = code_rows_look_up(m->codes, tape, &t->codes);
    x = nn_add(tape, nn_gather(tape, parameter_var(tape, m->position), t->visit, t->n), x);
    struct var *times = nn_add(tape, phi(m, tape, &in->length, in->n_visits), phi(m, tape, &in->since, in->n_visits));
    x = nn_add(tape, nn_gather(tape, times, in->visit_on_device, t->n), x);
    x = nn_dropout(tape, x, t->rows, dropout(m, b, input_rate, 0));
    for (int64_t l = 0; l < m->options->layers; l++, site += BLOCK_SITES) {
        if (l == m->options->layers - 1) rows.wanted = (struct block_wanted){t->first, b->each};
        x = nn_block(tape, x, &m->blocks[l], &m->shape, &rows, NULL, (int)site);
    }
    struct var *h = linear_map_apply(tape, x, m->last);
    return nn_dropout(tape, h, b->each, dropout(m, b, rate, site));
}

const struct ehr_model EHR_MEDTOK_TRANSFORMER_MODEL = {
    .sizes =
        {[SIZE_SMALL] = {.dim = 64, .layers = 2, .heads = 4, .inner = 128, .dropout = 0.1, .position_scale = 1},
         [SIZE_PUBLISHED] = {.dim = 64, .layers = 4, .heads = 4, .inner = 256, .dropout = 0.5, .position_scale = 1}},
    .input_bytes = sizeof(struct input),
    .check = check,
    .make = make,
    .start = start,
    .pack = pack,
    .free_input = free_input,
    .represent = represent,
    .free = free_model,
};
