/* Sample by sample on the host; then all of them as arrays. */
#include "ehr/models/transformehr_input.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* A year has 365.25 days: 1461 quarters of one. */
struct life_date life_date(int64_t origin, int64_t time) {
    static const int64_t QUARTER_DAY = (int64_t)6 * 3600 * 1000000, QUARTERS = 1461; /* microseconds; of a year */
    if (origin == COHORT_NO_TIME || time == COHORT_NO_TIME || time < origin) return (struct life_date){0};
    int64_t quarters = (time - origin) / QUARTER_DAY / 4 * 4, most = age_classes(AGE_YEARS) - 1;
    int64_t year = 1 + quarters / QUARTERS,
            twelfths = quarters % QUARTERS * 12; /* of the year, in 1461ths of a month */
    return (struct life_date){.year = (int32_t)(year < most ? year : most),
                              .month = (int32_t)(1 + twelfths / QUARTERS),
                              .day = (int32_t)(1 + twelfths % QUARTERS / 48)};
}

/* ---- a sample ---- */
static int append(struct transformehr_rows *r, int32_t token) {
    TRY(mem_grow(&r->tokens, &r->capacity, r->n + 1, sizeof *r->tokens));
    r->tokens[r->n++] = token;
    return STATUS_OK;
}

static int64_t origin_of(const struct sample_history *h, const struct visits *v) {
    if (h->birth != COHORT_NO_TIME) return h->birth;
    for (int64_t i = 0; i < v->n; i++)
        if (!v->visits[i].is_static) return v->visits[i].start;
    return COHORT_NO_TIME;
}

/* The timeline of the visits. now: the date of CLS. */
static int encode(struct transformehr_input *in, const struct visits *visits, int64_t origin, int64_t now,
                  int64_t max_length) {
    struct timeline *t = &in->timeline;
    TRY(timeline_make(t, visits, max_length));
    TRY(mem_grow(&in->dates, &in->dates_capacity, in->encoder.n + t->n, sizeof *in->dates));
    for (int64_t i = 0; i < t->n; i++) {
        int64_t time = t->tokens[i].token == TOKEN_CLS ? now : visits->visits[t->tokens[i].of].start;
        in->dates[in->encoder.n] = life_date(origin, time);
        TRY(append(&in->encoder, t->tokens[i].token));
    }
    return STATUS_OK;
}

static int add_task_sample(struct transformehr_input *in, const struct sample_history *h, const struct ehr_options *o) {
    TRY(visits_make(&in->visits, h, o));
    TRY(encode(in, &in->visits, origin_of(h, &in->visits), h->time, o->max_length));
    return append(&in->decoder, TOKEN_SEP);
}

/* The codes of a visit as the decoder reads them, and what it should say: tokens before `end`, those of train. */
static int generate(struct transformehr_input *in, const struct visits *visits, const struct visit *visit,
                    int64_t max_length, int64_t end) {
    struct transformehr_rows *d = &in->decoder;
    long long first = d->n;
    TRY(append(d, TOKEN_SEP));
    for (int64_t i = 0; i < visit->n; i++) {
        int32_t token = visits->codes[visit->first + i].token;
        if (token != TOKEN_MISSING && token < end) TRY(append(d, token));
    }
    TRY(mem_grow(&in->targets, &in->targets_capacity, d->n, sizeof *in->targets));
    for (long long i = first; i < d->n; i++) in->targets[i] = i + 1 < d->n ? d->tokens[i + 1] : TOKEN_SEP;
    if (d->n - first > max_length) d->n = first + max_length;
    return STATUS_OK;
}

static int add_pretrain_sample(struct transformehr_input *in, const struct sample_history *h,
                               const struct ehr_options *o, int64_t end) {
    TRY(visits_make(&in->visits, h, o));
    struct visits earlier = in->visits;
    if (earlier.n == 0 || earlier.visits[earlier.n - 1].is_static) return STATUS_OK;
    const struct visit *last = &earlier.visits[--earlier.n];
    earlier.n_codes = last->first;
    TRY(encode(in, &earlier, origin_of(h, &in->visits), last->start, o->max_length));
    return generate(in, &in->visits, last, o->max_length, end);
}

/* ---- a batch ---- */
static int begin_rows(struct transformehr_rows *r, struct pack *pack, const struct ehr_batch *b) {
    int32_t *keys;
    r->n = r->n_pairs = 0;
    TRY(pack_ints(pack, b->n + 1, &r->offsets, &r->segments.rows.offsets));
    TRY(pack_ints(pack, b->n, &keys, &r->segments.keys));
    for (int64_t i = 0; i < b->n; i++) keys[i] = (int32_t)b->set->number[b->which[i]];
    r->offsets[0] = 0;
    r->segments.rows.n = b->n;
    return STATUS_OK;
}

/* Behind the last sample. */
static int end_rows(struct transformehr_rows *r, struct pack *pack, const struct code_rows *codes) {
    int32_t *position;
    r->segments.rows.n_rows = r->n;
    TRY(code_list_pack(&r->codes, pack, codes, r->n, r->tokens));
    TRY(pack_ints(pack, r->n, &position, &r->position));
    for (int64_t i = 0; i < r->segments.rows.n; i++)
        for (int32_t t = r->offsets[i]; t < r->offsets[i + 1]; t++) position[t] = t - r->offsets[i];
    return STATUS_OK;
}

static int pack_dates(struct transformehr_input *in, struct pack *pack) {
    int32_t *year, *month, *day;
    long long n = in->encoder.n;
    TRY(pack_ints(pack, n, &year, &in->year));
    TRY(pack_ints(pack, n, &month, &in->month));
    TRY(pack_ints(pack, n, &day, &in->day));
    for (long long i = 0; i < n; i++) {
        year[i] = in->dates[i].year;
        month[i] = in->dates[i].month;
        day[i] = in->dates[i].day;
    }
    return STATUS_OK;
}

static int pack_targets(struct transformehr_input *in, struct pack *pack, enum ehr_stage stage) {
    int32_t *target;
    in->n_targets = stage == STAGE_PRETRAIN ? in->decoder.n : 0;
    TRY(pack_ints(pack, in->n_targets, &target, &in->target));
    if (in->n_targets > 0) memcpy(target, in->targets, (size_t)in->n_targets * sizeof *target);
    return STATUS_OK;
}

int transformehr_pack(struct transformehr_input *in, struct pack *pack, const struct ehr_batch *b, enum ehr_stage stage,
                      const struct ehr_options *options, const struct code_rows *codes) {
    struct transformehr_rows *e = &in->encoder, *d = &in->decoder;
    TRY(begin_rows(e, pack, b));
    TRY(begin_rows(d, pack, b));
    in->n_memory_pairs = 0;
    for (int64_t i = 0; i < b->n; i++) {
        struct sample_history history = sample_set_history(b->set, b->which[i]);
        long long e_first = e->n, d_first = d->n;
        if (stage == STAGE_PRETRAIN)
            TRY(add_pretrain_sample(in, &history, options, code_rows_in_train(codes)));
        else
            TRY(add_task_sample(in, &history, options));
        int64_t e_length = e->n - e_first, d_length = d->n - d_first;
        e->offsets[i + 1] = (int32_t)e->n;
        d->offsets[i + 1] = (int32_t)d->n;
        e->n_pairs += e_length * e_length;
        d->n_pairs += d_length * (d_length + 1) / 2;
        in->n_memory_pairs += e_length * d_length;
    }
    TRY(end_rows(e, pack, codes));
    TRY(end_rows(d, pack, codes));
    TRY(pack_dates(in, pack));
    return pack_targets(in, pack, stage);
}

void transformehr_free_input(void *input) {
    struct transformehr_input *in = input;
    free(in->encoder.tokens);
    free(in->decoder.tokens);
    free(in->dates);
    free(in->targets);
    visits_free(&in->visits);
    timeline_free(&in->timeline);
    *in = (struct transformehr_input){0};
}
