/* readmission_15d, readmission_30d: at discharge from a stay, is there another within so many days?
 *
 * clean: from discharge to admission, at most so many times 24 hours; of grown-up subjects who go home alive. Who dies in the window without
 *   having come back has no label; who is not seen again has come back not.
 * medtok: from admission to admission, in whole days, so that 15 admits what is below 16 times 24 hours; between visits that MedTok's
 *   scripts keep, of which the last gives no sample.
 */
#include "base/status.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

static int label_clean(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    int64_t death = l->record->death;
    TRY(stays_find(l));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i];
        if (!stays_adult(l, visits[v].start, v) || !stays_goes_home(l, v)) continue;
        int64_t until = visits[v].end + l->task->kind->argument * DAY;
        int32_t next = stays_next(l, visits[v].end);
        int back = next >= 0 && visits[l->stays->visit[next]].start <= until;
        if (!back && death != COHORT_NO_TIME && death <= until)
            labelling_leave_out(l, FILTER_DIED, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, visits[v].end, v, back, NULL));
    }
    return STATUS_OK;
}

static int label_medtok(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    const struct stays *s = l->stays;
    TRY(stays_retain(l, 0));
    for (int32_t i = 0; i + 1 < s->n; i++) {
        const struct cohort_visit *this = &visits[s->visit[i]], *next = &visits[s->visit[i + 1]];
        int back = day_of(next->start - this->start) <= l->task->kind->argument;
        TRY(labelling_add(l, this->end, s->visit[i], back, NULL));
    }
    return STATUS_OK;
}

const struct task_kind READMISSION_TASKS[] = {{.name = "readmission_15d",
                                               .summary = "at discharge: another stay within 15 days",
                                               .n_classes = 2,
                                               .argument = 15,
                                               .by_default = 1,
                                               .label = {label_clean, label_medtok}},
                                              {.name = "readmission_30d",
                                               .summary = "at discharge: another stay within 30 days",
                                               .n_classes = 2,
                                               .argument = 30,
                                               .by_default = 1,
                                               .label = {label_clean, label_medtok}},
                                              {0}};
