/* Filters that tasks on visits share. */
#include "ehr/tasks/stays.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { COUNTED_KINDS = 3 };
static const enum code_kind KINDS[COUNTED_KINDS] = {CODE_KIND_DIAGNOSIS, CODE_KIND_PROCEDURE, CODE_KIND_DRUG};

void stays_free(struct stays *s) {
    free(s->visit);
    free(s->n_icu);
    for (int k = 0; k < COUNTED_KINDS; k++) free(s->n_kind[k]);
    free(s->set);
    *s = (struct stays){0};
}

/* ---- dates ---- */
int64_t day_of(int64_t time) { return time / DAY - (time % DAY < 0); }

/* Days since 1970-01-01 of a date of the Gregorian calendar, years counted from March so that the leap day is last. */
static int64_t days_of(int64_t year, int month, int day) {
    int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
    int64_t leaps = y / 4 - y / 100 + y / 400; /* y > 0: health records are of our era */
    return 365 * y + leaps + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* The time of the birthday that many years later, or COHORT_NO_TIME. */
static int64_t birthday(int64_t birth, int years) {
    if (birth == COHORT_NO_TIME) return COHORT_NO_TIME;
    int64_t day = day_of(birth), year = 1970 + day / 366 - 2; /* not behind it; then up to it */
    while (days_of(year + 1, 1, 1) <= day) year++;
    int month = 1;
    while (month < 12 && days_of(year, month + 1, 1) <= day) month++;
    int64_t of_month = day - days_of(year, month, 1) + 1;
    return days_of(year + years, month, (int)of_month) * DAY + (birth - day * DAY); /* 29 February: 1 March */
}

/* ---- visits ---- */
static int is_stay(const struct cohort_visit *v) {
    return v->kind == VISIT_INPATIENT && v->end != COHORT_NO_TIME && v->end > v->start;
}

int stays_find(const struct labelling *l) {
    struct stays *s = l->stays;
    s->n = 0;
    TRY(mem_grow(&s->visit, &s->visit_capacity, l->record->n_visits, sizeof *s->visit));
    for (int32_t v = 0; v < l->record->n_visits; v++) {
        labelling_look_at(l);
        if (is_stay(&l->record->visits[v]))
            s->visit[s->n++] = v;
        else
            labelling_leave_out(l, FILTER_NO_STAY, l->record->visits[v].start, v, NULL);
    }
    return STATUS_OK;
}

static int counted_kind(const struct labelling *l, int32_t code) {
    for (int k = 0; k < COUNTED_KINDS; k++)
        if (l->codes->kind[code] ==
            KINDS[k]) /* drugs are those that ATC knows: the scripts map NDC to it and lose the others */
            return KINDS[k] != CODE_KIND_DRUG || code_in(l->codes, code, SET_ATC) ? k : -1;
    return -1;
}

static int count_codes(const struct labelling *l) {
    const struct subject_record *r = l->record;
    struct stays *s = l->stays;
    TRY(mem_grow(&s->n_icu, &s->n_icu_capacity, r->n_visits, sizeof *s->n_icu));
    memset(s->n_icu, 0, (size_t)r->n_visits * sizeof *s->n_icu);
    for (int k = 0; k < COUNTED_KINDS; k++) {
        TRY(mem_grow(&s->n_kind[k], &s->n_kind_capacity[k], r->n_visits, sizeof *s->n_kind[k]));
        memset(s->n_kind[k], 0, (size_t)r->n_visits * sizeof *s->n_kind[k]);
    }
    for (int64_t i = 0; i < r->n_events; i++) {
        if (r->visit[i] < 0) continue;
        int k = counted_kind(l, r->code[i]);
        if (k >= 0) s->n_kind[k][r->visit[i]]++;
        if (code_in(l->codes, r->code[i], SET_ICU)) s->n_icu[r->visit[i]]++;
    }
    return STATUS_OK;
}

/* Why the scripts do not have a visit, or N_TASK_FILTERS. */
static enum task_filter not_retained(const struct labelling *l, int32_t v, int most_icu) {
    const struct stays *s = l->stays;
    if (!l->ehrshot && s->n_icu[v] == 0) return FILTER_NO_ICU;
    if (!l->ehrshot && most_icu > 0 && s->n_icu[v] > most_icu) return FILTER_MORE_ICU;
    for (int k = 0; k < COUNTED_KINDS; k++)
        if (s->n_kind[k][v] == 0) return FILTER_TABLES;
    return N_TASK_FILTERS;
}

int stays_retain(const struct labelling *l, int most_icu) {
    struct stays *s = l->stays;
    TRY(stays_find(l));
    if (s->n == 0) return STATUS_OK;
    TRY(count_codes(l));
    int32_t n = 0;
    for (int32_t i = 0; i < s->n; i++) {
        enum task_filter why = not_retained(l, s->visit[i], most_icu);
        if (why == N_TASK_FILTERS)
            s->visit[n++] = s->visit[i];
        else
            labelling_leave_out(l, why, l->record->visits[s->visit[i]].start, s->visit[i], NULL);
    }
    s->n = n < 2 ? 0 : n;
    if (n < 2) labelling_leave_out(l, FILTER_ONE_VISIT, COHORT_NO_TIME, -1, NULL);
    return STATUS_OK;
}

int stays_adult(const struct labelling *l, int64_t time, int32_t visit) {
    int64_t grown = birthday(l->record->birth, 18);
    if (grown != COHORT_NO_TIME && time >= grown) return 1;
    labelling_leave_out(l, grown == COHORT_NO_TIME ? FILTER_BIRTH : FILTER_MINOR, time, visit, NULL);
    return 0;
}

int stays_goes_home(const struct labelling *l, int32_t visit) {
    const struct cohort_visit *visits = l->record->visits, *v = &visits[visit];
    int dead = v->died || (l->record->death != COHORT_NO_TIME && l->record->death <= v->end);
    for (int32_t i = 0; i < l->stays->n && !dead; i++) {
        const struct cohort_visit *other = &visits[l->stays->visit[i]];
        if (other == v || other->start > v->end || other->end <= v->end) continue;
        labelling_leave_out(l, FILTER_NOT_HOME, v->start, visit, NULL);
        return 0;
    }
    if (dead) labelling_leave_out(l, FILTER_DEAD, v->start, visit, NULL);
    return !dead;
}

int32_t stays_next(const struct labelling *l, int64_t time) {
    for (int32_t i = 0; i < l->stays->n; i++)
        if (l->record->visits[l->stays->visit[i]].start > time) return i;
    return -1;
}
