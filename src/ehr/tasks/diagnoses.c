/* first_hypertension, first_hyperlipidemia, first_pancreatic_cancer, first_ami: at discharge, a diagnosis within a year. Sets of codes: code_traits.c.
 *
 * clean: of grown-up subjects who go home alive and never had the diagnosis, the first one 1 to 365 days (times 24 hours) after discharge.
 *   Who gets it within the first day gives no sample; who is not seen again does not get it.
 * medtok: the diagnosis is in the next visit that MedTok's scripts keep, which begins at most 365 whole days behind the admission of this
 *   one; earlier diagnoses do not count against it. Of myocardial infarction the scripts' own list of codes; the others have none there.
 */
#include "base/status.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

/* Time of the first event of the set, or INT64_MAX; one without time is before all. */
static int64_t first_of(const struct labelling *l, enum code_set set) {
    const struct subject_record *r = l->record;
    for (int64_t i = 0; i < r->n_events; i++)
        if (code_in(l->codes, r->code[i], set)) return r->time[i];
    return INT64_MAX;
}

static int label_clean(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    int64_t first = first_of(l, (enum code_set)l->task->kind->argument);
    TRY(stays_find(l));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i];
        if (!stays_adult(l, visits[v].start, v) || !stays_goes_home(l, v)) continue;
        int64_t time = visits[v].end;
        if (first <= time)
            labelling_leave_out(l, FILTER_BEFORE, visits[v].start, v, NULL);
        else if (first < time + DAY)
            labelling_leave_out(l, FILTER_FIRST_DAY, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, time, v, first <= time + 365 * DAY, NULL));
    }
    return STATUS_OK;
}

static int visit_has(const struct labelling *l, int32_t visit, enum code_set set) {
    const struct subject_record *r = l->record;
    for (int64_t i = 0; i < r->n_events; i++)
        if (r->visit[i] == visit && l->codes->kind[r->code[i]] == CODE_KIND_DIAGNOSIS &&
            code_in(l->codes, r->code[i], set))
            return 1;
    return 0;
}

static int label_medtok(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    const struct stays *s = l->stays;
    enum code_set set = (enum code_set)l->task->kind->argument;
    if (set == SET_AMI) set = SET_AMI_MEDTOK;
    TRY(stays_retain(l, 0));
    for (int32_t i = 0; i + 1 < s->n; i++) {
        const struct cohort_visit *this = &visits[s->visit[i]], *next = &visits[s->visit[i + 1]];
        int label = day_of(next->start - this->start) <= 365 && visit_has(l, s->visit[i + 1], set);
        TRY(labelling_add(l, this->end, s->visit[i], label, NULL));
    }
    return STATUS_OK;
}

#define FIRST(task, set, what)                                                                                         \
    {                                                                                                                  \
        .name = (task), .summary = "at discharge: first diagnosis of " what " 1 to 365 days later", .n_classes = 2,    \
        .argument = (set), .by_default = 1, .label = {                                                                 \
            label_clean,                                                                                               \
            label_medtok                                                                                               \
        }                                                                                                              \
    }
const struct task_kind DIAGNOSIS_TASKS[] = {
    FIRST("first_hypertension", SET_HYPERTENSION, "essential hypertension"),
    FIRST("first_hyperlipidemia", SET_HYPERLIPIDEMIA, "a disorder of lipids"),
    FIRST("first_pancreatic_cancer", SET_PANCREATIC_CANCER, "pancreatic cancer"),
    FIRST("first_ami", SET_AMI, "acute myocardial infarction"),
    {0}};
