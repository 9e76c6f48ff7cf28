/* Visit by visit; then what is too long is cut in front. */
#include "ehr/timeline.h"

#include <stdlib.h>
#include <string.h>

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

static int append(struct timeline *t, int32_t token, int32_t age, int32_t visit) {
    TRY(mem_grow(&t->tokens, &t->capacity, t->n + 1, sizeof *t->tokens));
    t->tokens[t->n++] = (struct timeline_token){token, age, visit};
    return STATUS_OK;
}

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Appends the visit of the events first .. end-1, unless all of them are MEDS_BIRTH. */
static int append_visit(struct timeline *t, const struct cohort *c, const struct history *h, int64_t first, int64_t end,
                        int32_t age, int32_t visit) {
    int64_t n = 0;
    TRY(mem_grow(&t->codes, &t->codes_capacity, end - first, sizeof *t->codes));
    for (int64_t i = first; i < end; i++)
        if (strcmp(cohort_code(c, h->code[i]), "MEDS_BIRTH") != 0) t->codes[n++] = h->code[i];
    if (n > 0) qsort(t->codes, (size_t)n, sizeof *t->codes, ascending);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || t->codes[i] != t->codes[i - 1]) TRY(append(t, TOKEN_FIRST_CODE + t->codes[i], age, visit));
    return n ? append(t, TOKEN_SEP, age, visit) : STATUS_OK;
}

/* Cuts the dated tokens, those from `dated` on, in front; a visit that lost tokens may be left, but no SEP without its
 * visit. */
static void cut(struct timeline *t, int64_t dated, int64_t max_length) {
    struct timeline_token *tokens = t->tokens;
    int64_t most_static = (max_length - 1) / 2, from = dated;
    if (dated - 1 > most_static) { /* its SEP stays */
        tokens[most_static] = tokens[dated - 1];
        dated = most_static + 1;
    }
    if (dated + t->n - from > max_length) from = dated + t->n - max_length;
    if (from > dated && from < t->n && tokens[from].token == TOKEN_SEP) from++;
    int32_t visits = from < t->n ? tokens[from].visit - (dated > 1 ? 1 : 0) : 0;
    t->dropped = from - dated;
    memmove(tokens + dated, tokens + from, (size_t)(t->n - from) * sizeof *tokens);
    t->n -= from - dated;
    for (int64_t i = dated; i < t->n; i++) tokens[i].visit -= visits;
}

int timeline_make(struct timeline *t, const struct cohort *c, int64_t sample, const struct ehr_options *o) {
    const struct history *h = &t->history;
    int64_t birth = c->birth[c->sample_subject[sample]];
    int32_t visit = 0;
    TRY(cohort_history(c, sample, &t->history));
    t->n = t->dropped = 0;
    TRY(append(t, TOKEN_CLS, 0, 0));
    TRY(append_visit(t, c, h, 0, h->n_static, 0, visit));
    int64_t dated = t->n, end;
    for (int64_t first = h->n_static; first < h->n; first = end) {
        visit += t->tokens[t->n - 1].token == TOKEN_SEP && t->tokens[t->n - 1].visit == visit;
        for (end = first + 1; end < h->n && day_of(h->time[end]) == day_of(h->time[first]);) end++;
        TRY(append_visit(t, c, h, first, end, age_class(birth, h->time[first], o->age), visit));
    }
    cut(t, dated, o->max_length);
    if (t->n > 1) t->tokens[0].age = t->tokens[1].age;
    return STATUS_OK;
}

void timeline_free(struct timeline *t) {
    free(t->tokens);
    free(t->codes);
    history_free(&t->history);
    *t = (struct timeline){0};
}
