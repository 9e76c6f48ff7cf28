/* Events are put in the order of visits, and of codes within; then codes are taken once each. */
#include "ehr/visits.h"

#include <stdlib.h>

#include "base/status.h"

static const int64_t DAY = (int64_t)86400 * 1000000; /* microseconds */

int64_t age_classes(enum ehr_age unit) { return 2 + (int64_t)AGE_MOST_YEARS * (unit == AGE_MONTHS ? 12 : 1); }

static int32_t age_class(int64_t birth, int64_t time, enum ehr_age unit) {
    if (birth == COHORT_NO_TIME || time == COHORT_NO_TIME || time < birth) return 0;
    double years = (double)(time - birth) / (365.25 * (double)DAY);
    int64_t age = 1 + (int64_t)(unit == AGE_MONTHS ? 12 * years : years), most = age_classes(unit) - 1;
    return (int32_t)(age < most ? age : most);
}

/* Days since 1970, also before. */
static int64_t day_of(int64_t time) { return time / DAY - (time % DAY < 0); }

/* ---- which visit an event is of ---- */
struct place {
    int64_t start; /* by which visits are ordered */
    int32_t visit; /* of the cohort; -1: a day, or static */
    int32_t code, token;
    int64_t time;
};

static struct place place_of(const struct sample_history *h, const struct sample_event *e,
                             const struct ehr_options *options) {
    struct place p = {e->time, -1, e->code, e->token, e->time};
    if (e->time == COHORT_NO_TIME) return p;
    if (options->visits == VISITS_ADMISSIONS && e->visit >= 0) {
        p.visit = e->visit;
        p.start = h->visits[e->visit].start;
    } else {
        p.start = day_of(e->time) * DAY;
    }
    return p;
}

static int by_visit_and_code(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    if (x->visit != y->visit) return x->visit < y->visit ? -1 : 1;
    if (x->code != y->code) return x->code < y->code ? -1 : 1;
    return (x->time > y->time) - (x->time < y->time);
}

static int order(struct visits *v, const struct sample_history *h, const struct ehr_options *options, int64_t *n) {
    *n = 0;
    TRY(mem_grow(&v->places, &v->places_capacity, h->n, sizeof *v->places));
    for (int64_t i = 0; i < h->n; i++)
        if (h->events[i].code != h->birth_code) v->places[(*n)++] = place_of(h, &h->events[i], options);
    if (*n > 0) qsort(v->places, (size_t)*n, sizeof *v->places, by_visit_and_code);
    return STATUS_OK;
}

/* ---- visits ---- */
/* The visit of places first .. end-1. */
static int add_visit(struct visits *v, const struct sample_history *h, int64_t first, int64_t end,
                     const struct ehr_options *options) {
    const struct place *p = &v->places[first];
    struct visit visit = {.start = p->time, .end = p->time, .first = v->n_codes, .kind = VISIT_OTHER};
    TRY(mem_grow(&v->visits, &v->capacity, v->n + 1, sizeof *v->visits));
    TRY(mem_grow(&v->codes, &v->codes_capacity, v->n_codes + end - first, sizeof *v->codes));
    for (int64_t i = 0; i < end - first; i++) {
        if (p[i].time < visit.start) visit.start = p[i].time;
        if (p[i].time > visit.end) visit.end = p[i].time;
        if (i == 0 || p[i].code != p[i - 1].code)
            v->codes[v->n_codes++] = (struct visit_code){p[i].token, p[i].code, h->code_kind[p[i].code]};
    }
    if (p->visit >= 0) {
        visit.start = h->visits[p->visit].start;
        visit.end = h->visits[p->visit].end;
        visit.kind = h->visits[p->visit].kind;
    }
    visit.n = v->n_codes - visit.first;
    visit.is_static = visit.start == COHORT_NO_TIME;
    visit.age = age_class(h->birth, visit.start, options->age);
    v->visits[v->n++] = visit;
    return STATUS_OK;
}

int visits_make(struct visits *v, const struct sample_history *h, const struct ehr_options *options) {
    int64_t n;
    v->n = v->n_codes = 0;
    TRY(order(v, h, options, &n));
    for (int64_t first = 0, end; first < n; first = end) {
        const struct place *p = v->places;
        for (end = first + 1; end < n && p[end].start == p[first].start && p[end].visit == p[first].visit;) end++;
        TRY(add_visit(v, h, first, end, options));
    }
    return STATUS_OK;
}

void visits_free(struct visits *v) {
    free(v->visits);
    free(v->codes);
    free(v->places);
    *v = (struct visits){0};
}
