/* Tasks on death in hospital.
 *
 * mortality, clean: at discharge from a stay, alive and grown up: does the subject die in its next stay? Defined if there is a next stay, which
 *   begins behind the discharge.
 * mortality, medtok: the same for visits that MedTok's scripts keep, whoever is how old (specs 7.1, 7.2). Of EHRSHOT one sample a
 *   subject, at the end of its last visit: is there a date of death?
 * mortality_24h: a day into a stay that is longer: does the subject die in it?
 */
#include "base/status.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

static int label_next(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    TRY(stays_find(l));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i];
        if (!stays_adult(l, visits[v].start, v) || !stays_goes_home(l, v)) continue;
        int32_t next = stays_next(l, visits[v].end);
        if (next < 0)
            labelling_leave_out(l, FILTER_LAST, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, visits[v].end, v, visits[l->stays->visit[next]].died, NULL));
    }
    return STATUS_OK;
}

static int label_retained(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    const struct stays *s = l->stays;
    TRY(stays_retain(l, 0));
    if (l->ehrshot && s->n > 0) {
        int32_t last = s->visit[s->n - 1];
        return labelling_add(l, visits[last].end, last, l->record->death != COHORT_NO_TIME, NULL);
    }
    for (int32_t i = 0; i + 1 < s->n; i++)
        TRY(labelling_add(l, visits[s->visit[i]].end, s->visit[i], visits[s->visit[i + 1]].died, NULL));
    return STATUS_OK;
}

static int label_stay(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    TRY(stays_find(l));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i];
        if (!stays_adult(l, visits[v].start, v)) continue;
        int64_t time = visits[v].start + DAY;
        if (visits[v].end <= time)
            labelling_leave_out(l, FILTER_SHORT, visits[v].start, v, NULL);
        else if (l->record->death != COHORT_NO_TIME && l->record->death <= time)
            labelling_leave_out(l, FILTER_DEAD, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, time, v, visits[v].died, NULL));
    }
    return STATUS_OK;
}

const struct task_kind MORTALITY_TASKS[] = {{.name = "mortality",
                                             .summary = "at discharge: death in the next stay",
                                             .n_classes = 2,
                                             .by_default = 1,
                                             .label = {label_next, label_retained}},
                                            {.name = "mortality_24h",
                                             .summary = "24 hours into a stay: death in it",
                                             .n_classes = 2,
                                             .by_default = 1,
                                             .label = {label_stay, label_stay}},
                                            {0}};
