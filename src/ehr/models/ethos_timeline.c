/* Event by event; then windows. */
#include "ehr/models/ethos_timeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* ---- time ---- */
#define MINUTES(n) ((int64_t)(n)*60 * 1000000)
#define HOURS(n)   MINUTES(60 * (n))
#define DAYS(n)    HOURS(24 * (n))
static const int64_t MONTH = (int64_t)2629800 * 1000000; /* 365.25 / 12 days */
static const int64_t YEAR = (int64_t)31557600 * 1000000;

/* Where each interval begins; it ends where the next one does. */
static const int64_t BOUNDS[N_ETHOS_INTERVALS] = {
    MINUTES(5), MINUTES(15), HOURS(1), HOURS(2), HOURS(6),  HOURS(12), DAYS(1),
    DAYS(3),    DAYS(7),     DAYS(14), MONTH,    3 * MONTH, 6 * MONTH,
};

int64_t ethos_intervals(int64_t gap, int32_t *unit) {
    const int64_t half_year = BOUNDS[N_ETHOS_INTERVALS - 1];
    int bin = -1;
    while (bin + 1 < N_ETHOS_INTERVALS && gap >= BOUNDS[bin + 1]) bin++;
    *unit = ETHOS_INTERVAL + bin;
    if (bin < 0) return 0;
    return bin < N_ETHOS_INTERVALS - 1 ? 1 : (gap + half_year / 2) / half_year;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t ethos_duration_behind(int32_t unit, int64_t gap) {
    int32_t bin = unit - ETHOS_INTERVAL;
    if (bin < 0 || bin >= N_ETHOS_INTERVALS) return 0;
    return bin == N_ETHOS_INTERVALS - 1 ? BOUNDS[bin] : (larger(BOUNDS[bin], gap) + BOUNDS[bin + 1]) / 2;
}

int64_t ethos_duration(int32_t unit) { return ethos_duration_behind(unit, 0); }

double ethos_share_behind(int32_t unit, int64_t gap) {
    int32_t bin = unit - ETHOS_INTERVAL;
    if (bin < 0 || bin >= N_ETHOS_INTERVALS) return 0;
    if (bin == N_ETHOS_INTERVALS - 1) return 1;
    int64_t rest = larger(BOUNDS[bin + 1] - larger(BOUNDS[bin], gap), 0);
    return (double)rest / (double)(BOUNDS[bin + 1] - BOUNDS[bin]);
}

/* ---- the line ---- */
int ethos_timeline_add(struct ethos_timeline *t, int64_t time, int32_t unit) {
    TRY(mem_grow(&t->time, &t->time_capacity, t->n + 1, sizeof *t->time));
    TRY(mem_grow(&t->unit, &t->unit_capacity, t->n + 1, sizeof *t->unit));
    t->time[t->n] = time;
    t->unit[t->n++] = unit;
    return STATUS_OK;
}

static int add_static(struct ethos_timeline *t, const struct ethos_vocabulary *v, const struct sample_event *e) {
    int64_t n = v->offsets[e->code + 1] - v->offsets[e->code];
    TRY(mem_grow(&t->fixed, &t->fixed_capacity, t->n_fixed + n, sizeof *t->fixed));
    for (int64_t i = 0; i < n; i++) t->fixed[t->n_fixed++] = v->spelling[v->offsets[e->code] + i];
    return STATUS_OK;
}

static int add_event(struct ethos_timeline *t, const struct ethos_vocabulary *v, const struct sample_event *e) {
    int64_t first = v->offsets[e->code], end = v->offsets[e->code + 1];
    int decile = ethos_decile(v, e->code, e->value);
    int32_t interval;
    if (first == end) return STATUS_OK;
    int64_t n = t->n > 0 ? ethos_intervals(e->time - t->time[t->n - 1], &interval) : 0;
    for (int64_t i = 0; i < n; i++) TRY(ethos_timeline_add(t, e->time, interval));
    for (int64_t i = first; i < end; i++) TRY(ethos_timeline_add(t, e->time, v->spelling[i]));
    return decile < 0 ? STATUS_OK : ethos_timeline_add(t, e->time, ETHOS_DECILE + decile);
}

static int is_discharge(const struct ethos_vocabulary *v, const struct sample_event *e) {
    return v->offsets[e->code] < v->offsets[e->code + 1] && v->spelling[v->offsets[e->code]] == ETHOS_DISCHARGE;
}

static int is_diagnosis(const struct sample_history *h, const struct sample_event *e) {
    return h->code_kind[e->code] == CODE_KIND_DIAGNOSIS && e->visit >= 0;
}

/* Whether among events first .. end - 1 the discharge of a visit is. */
static int discharge_among(const struct ethos_vocabulary *v, const struct sample_history *h, int64_t first, int64_t end,
                           int32_t visit) {
    for (int64_t i = first; i < end; i++)
        if (h->events[i].visit == visit && is_discharge(v, &h->events[i])) return 1;
    return 0;
}

/* The events of one time, first .. end - 1: those of diagnoses before their visit's discharge wait for it. */
static int add_events(struct ethos_timeline *t, const struct ethos_vocabulary *v, const struct sample_history *h,
                      int64_t first, int64_t end) {
    for (int64_t i = first; i < end; i++) {
        const struct sample_event *e = &h->events[i];
        if (is_diagnosis(h, e) && discharge_among(v, h, i + 1, end, e->visit)) continue;
        TRY(add_event(t, v, e));
        if (!is_discharge(v, e) || discharge_among(v, h, i + 1, end, e->visit)) continue;
        for (int64_t k = first; k < i; k++)
            if (is_diagnosis(h, &h->events[k]) && h->events[k].visit == e->visit) TRY(add_event(t, v, &h->events[k]));
    }
    return STATUS_OK;
}

int ethos_timeline_make(struct ethos_timeline *t, const struct ethos_vocabulary *v, const struct sample_history *h,
                        int whole) {
    t->n = t->n_fixed = 0;
    t->birth = h->birth;
    t->now = whole ? COHORT_NO_TIME : h->time; /* of pre-training there is none */
    for (int64_t i = 0; i < h->n_static; i++) TRY(add_static(t, v, &h->events[i]));
    for (int64_t first = h->n_static, end; first < h->n; first = end) {
        for (end = first + 1; end < h->n && h->events[end].time == h->events[first].time;) end++;
        TRY(add_events(t, v, h, first, end));
    }
    return whole && t->n > 0 ? ethos_timeline_add(t, t->time[t->n - 1], ETHOS_END) : STATUS_OK;
}

void ethos_timeline_free(struct ethos_timeline *t) {
    free(t->time);
    free(t->unit);
    free(t->fixed);
    *t = (struct ethos_timeline){0};
}

/* ---- windows ---- */
enum { AGE_AND_YEAR = 2, STEP = 5, FIRST_YEAR = 1900 - 1970 };

static int64_t at_most(int64_t n_fixed, int64_t max_length) {
    return n_fixed < max_length / 4 ? n_fixed : max_length / 4;
}

static int64_t n_fixed(const struct ethos_timeline *t, int64_t max_length) { return at_most(t->n_fixed, max_length); }

int64_t ethos_room_beside(int64_t n_fixed, int64_t max_length) {
    return max_length - AGE_AND_YEAR - at_most(n_fixed, max_length);
}

int64_t ethos_context_length(const struct ethos_timeline *t, int64_t max_length) {
    return n_fixed(t, max_length) + AGE_AND_YEAR;
}

int64_t ethos_window_room(const struct ethos_timeline *t, int64_t max_length) {
    return ethos_room_beside(t->n_fixed, max_length);
}

int64_t ethos_window_drawn(const struct ethos_timeline *t, int64_t room, double u) {
    int64_t last = t->n > room ? t->n - room : 0, first = (int64_t)(u * (double)(t->n + room - 1)) - (room - 1);
    if (first < 0) return 0;
    return first < last ? first : last;
}

/* 0: not known; else 1 + steps, at most n - 1. */
static int32_t step_of(int64_t duration, int64_t n) {
    int64_t step = duration < 0 ? 0 : 1 + duration / (STEP * YEAR);
    return (int32_t)(step < n ? step : n - 1);
}

void ethos_window(const struct ethos_timeline *t, const struct ethos_vocabulary *v, int64_t max_length, int64_t first,
                  int64_t n, int32_t *units) {
    int64_t fixed = n_fixed(t, max_length), time = first < t->n ? t->time[first] : t->now;
    int age_known = t->birth != COHORT_NO_TIME && time != COHORT_NO_TIME;
    int64_t since = time == COHORT_NO_TIME ? -1 : time - FIRST_YEAR * YEAR;
    if (fixed > 0) memcpy(units, t->fixed, (size_t)fixed * sizeof *units);
    units[fixed] = v->age + (age_known ? step_of(time - t->birth, N_ETHOS_AGES) : 0);
    units[fixed + 1] = v->year + step_of(since, N_ETHOS_YEARS);
    if (n > 0) memcpy(units + fixed + AGE_AND_YEAR, t->unit + first, (size_t)n * sizeof *units);
}
