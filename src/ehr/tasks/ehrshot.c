/* Tasks of EHRSHOT on stays, as its labellers have them (ehrshot/labelers/ehrshot.py; specs 10.2). The end of a day is 23:59, as in its files.
 *
 *   guo_los          end of the day of admission: does the stay last 7 times 24 hours or more? Not of who leaves that day.
 *   guo_readmission  end of the day of discharge: a stay that begins within 30 days, from the next minute on. Stays in order of time; one
 *                    that ends on the day of an earlier one's admission is out, and of one that ends at or behind the day of death.
 *   guo_icu          end of the day of admission: does intensive care begin later in the stay? Not of who was there by then, or has left.
 *   new_*            end of the day of discharge: first diagnosis 1 to 365 days later; not of who has it already.
 *
 * Under-18s are out. new_* in mode medtok is as coded there: a diagnosis within the first day is passed over, and a repeat behind it counts.
 * clean leaves such a sample out.
 */
#include "base/status.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

static int64_t end_of_day(int64_t time) { return (day_of(time) + 1) * DAY - MINUTE; }

/* ---- from admission ---- */
static int label_los(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    TRY(stays_find(l));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i];
        int64_t time = end_of_day(visits[v].start), length = visits[v].end - visits[v].start;
        if (!stays_adult(l, time, v)) continue;
        if (day_of(visits[v].end) == day_of(visits[v].start))
            labelling_leave_out(l, FILTER_SAME_DAY, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, time, v, length >= 7 * DAY, NULL));
    }
    return STATUS_OK;
}

/* Whether intensive care begins in the visit at `from` or later, and before `until` or at it; events of no visit count where they lie. */
static int has_icu(const struct labelling *l, int32_t visit, int64_t from, int64_t until) {
    const struct subject_record *r = l->record;
    const struct cohort_visit *v = &r->visits[visit];
    for (int64_t i = 0; i < r->n_events; i++) {
        if (!code_in(l->codes, r->code[i], SET_ICU) || r->time[i] < from || r->time[i] > until) continue;
        if (r->visit[i] == visit || (r->visit[i] < 0 && r->time[i] >= v->start && r->time[i] <= v->end)) return 1;
    }
    return 0;
}

static int label_icu(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    TRY(stays_find(l));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i];
        int64_t time = end_of_day(visits[v].start);
        if (!stays_adult(l, time, v)) continue;
        if (visits[v].end <= time)
            labelling_leave_out(l, FILTER_SAME_DAY, visits[v].start, v, NULL);
        else if (has_icu(l, v, COHORT_NO_TIME + 1, time))
            labelling_leave_out(l, FILTER_ICU_AT_ONCE, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, time, v, has_icu(l, v, time + 1, visits[v].end), NULL));
    }
    return STATUS_OK;
}

/* ---- from discharge ---- */
/* Whether a sample behind the first `n` of the stays ends on the day of the admission of one that is in `joins`. */
static int is_joined(const struct labelling *l, int32_t n, int64_t day) {
    const struct stays *s = l->stays;
    for (int32_t i = 0; i < n; i++)
        if (s->set[i] && day_of(l->record->visits[s->visit[i]].start) == day) return 1;
    return 0;
}

static int is_twice(const struct labelling *l, int32_t n, int64_t day) {
    const struct stays *s = l->stays;
    for (int32_t i = 0; i < n; i++)
        if (s->set[i] && day_of(l->record->visits[s->visit[i]].end) == day) return 1;
    return 0;
}

static int begins_between(const struct labelling *l, int64_t from, int64_t until) {
    for (int32_t i = 0; i < l->stays->n; i++) {
        int64_t start = l->record->visits[l->stays->visit[i]].start;
        if (start >= from && start <= until) return 1;
    }
    return 0;
}

/* set[i]: whether stay i is not joined; whether it is a sample is a question more. */
static int label_readmission(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    struct stays *s = l->stays;
    int64_t death = l->record->death;
    TRY(stays_find(l));
    TRY(mem_grow(&s->set, &s->set_capacity, s->n, sizeof *s->set));
    for (int32_t i = 0; i < s->n; i++) {
        int32_t v = s->visit[i];
        int64_t day = day_of(visits[v].end), time = end_of_day(visits[v].end);
        int twice = is_twice(l, i, day);
        s->set[i] = !is_joined(l, i, day);
        if (!stays_adult(l, time, v)) continue;
        if (!s->set[i])
            labelling_leave_out(l, FILTER_JOINED, visits[v].start, v, NULL);
        else if (death != COHORT_NO_TIME && day >= day_of(death))
            labelling_leave_out(l, FILTER_DEAD, visits[v].start, v, NULL);
        else if (twice)
            labelling_leave_out(l, FILTER_TWICE, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, time, v, begins_between(l, time + MINUTE, time + 30 * DAY), NULL));
    }
    return STATUS_OK;
}

/* The first event of the set at `from` or later, or INT64_MAX. */
static int64_t next_of(const struct labelling *l, enum code_set set, int64_t from) {
    const struct subject_record *r = l->record;
    for (int64_t i = 0; i < r->n_events; i++)
        if (r->time[i] >= from && code_in(l->codes, r->code[i], set)) return r->time[i];
    return INT64_MAX;
}

static int label_new(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    struct stays *s = l->stays;
    enum code_set set = (enum code_set)l->task->kind->argument;
    int64_t first = next_of(l, set, COHORT_NO_TIME);
    TRY(stays_find(l));
    TRY(mem_grow(&s->set, &s->set_capacity, s->n, sizeof *s->set));
    for (int32_t i = 0; i < s->n; i++) {
        int32_t v = s->visit[i];
        int64_t time = end_of_day(visits[v].end), next = next_of(l, set, time + DAY);
        int twice = is_twice(l, i, day_of(visits[v].end));
        s->set[i] = 1;
        if (!stays_adult(l, time, v)) continue;
        if (twice)
            labelling_leave_out(l, FILTER_TWICE, visits[v].start, v, NULL);
        else if (first <= time)
            labelling_leave_out(l, FILTER_BEFORE, visits[v].start, v, NULL);
        else if (l->mode == TASK_CLEAN && first < time + DAY)
            labelling_leave_out(l, FILTER_FIRST_DAY, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, time, v, next <= time + 365 * DAY, NULL));
    }
    return STATUS_OK;
}

#define EHRSHOT(task, what, function, set)                                                                             \
    {                                                                                                                  \
        .name = (task), .summary = (what), .n_classes = 2, .argument = (set), .label = { function, function }          \
    }
#define NEW(task, set) EHRSHOT(task, "end of the day of discharge: first diagnosis 1 to 365 days later", label_new, set)
const struct task_kind EHRSHOT_TASKS[] = {
    EHRSHOT("guo_los", "end of the day of admission: whether the stay lasts 7 days or more", label_los, 0),
    EHRSHOT("guo_readmission", "end of the day of discharge: another stay within 30 days", label_readmission, 0),
    EHRSHOT("guo_icu", "end of the day of admission: intensive care later in the stay", label_icu, 0),
    NEW("new_hypertension", SET_HYPERTENSION),
    NEW("new_hyperlipidemia", SET_HYPERLIPIDEMIA),
    NEW("new_pancan", SET_PANCREATIC_CANCER),
    NEW("new_celiac", SET_CELIAC),
    NEW("new_lupus", SET_LUPUS),
    NEW("new_acutemi", SET_AMI),
    {0}};
