/* length_of_stay (ten bins), los_7d (over seven days).
 *
 * clean: 24 hours into a stay that is longer, of grown-up subjects. So the shortest bin stays empty: who asks later than the discharge has it
 *   in the input. los_7d: more than 7 times 24 hours.
 * medtok: at discharge, from all of the stay (the label is in the input), of all but the last visit that MedTok's scripts keep. los_7d
 *   is their label for EHRSHOT: 1 to 7 whole days, more, and none of less than a day.
 *
 * Bins, in whole days: 0; 1 to 7 each; 8 to 14; more (Harutyunyan et al. 2019, and load_data.py).
 */
#include "base/status.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

enum { BINS, OVER_7 };

static int32_t bin_of(int64_t length) {
    int64_t days = length / DAY;
    return (int32_t)(days <= 7 ? days : days <= 14 ? 8 : 9);
}

static int label_clean(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    TRY(stays_find(l));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i];
        if (!stays_adult(l, visits[v].start, v)) continue;
        int64_t length = visits[v].end - visits[v].start, death = l->record->death;
        int32_t label = l->task->kind->argument == BINS ? bin_of(length) : length > 7 * DAY;
        if (length <= DAY)
            labelling_leave_out(l, FILTER_SHORT, visits[v].start, v, NULL);
        else if (death != COHORT_NO_TIME && death <= visits[v].start + DAY)
            labelling_leave_out(l, FILTER_DEAD, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, visits[v].start + DAY, v, label, NULL));
    }
    return STATUS_OK;
}

static int label_medtok(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    const struct stays *s = l->stays;
    TRY(stays_retain(l, 0));
    for (int32_t i = 0; i + 1 < s->n; i++) {
        const struct cohort_visit *v = &visits[s->visit[i]];
        int64_t length = v->end - v->start;
        if (l->task->kind->argument == BINS)
            TRY(labelling_add(l, v->end, s->visit[i], bin_of(length), NULL));
        else if (length < DAY)
            labelling_leave_out(l, FILTER_SHORT, v->start, s->visit[i], NULL);
        else
            TRY(labelling_add(l, v->end, s->visit[i], length / DAY > 7, NULL));
    }
    return STATUS_OK;
}

static const char *const BIN_NAMES[] = {"under 1 day", "1 day",  "2 days", "3 days",       "4 days",
                                        "5 days",      "6 days", "7 days", "8 to 14 days", "over 14 days"};

const struct task_kind LENGTH_OF_STAY_TASKS[] = {{.name = "length_of_stay",
                                                  .summary = "24 hours into a stay: its length, in ten bins",
                                                  .form = LABEL_CLASS,
                                                  .n_classes = 10,
                                                  .class_names = BIN_NAMES,
                                                  .argument = BINS,
                                                  .by_default = 1,
                                                  .label = {label_clean, label_medtok}},
                                                 {.name = "los_7d",
                                                  .summary = "24 hours into a stay: whether it lasts over 7 days",
                                                  .n_classes = 2,
                                                  .argument = OVER_7,
                                                  .by_default = 1,
                                                  .label = {label_clean, label_medtok}},
                                                 {0}};
