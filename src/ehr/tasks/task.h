/* A task: which samples (subject, prediction time) a cohort has, and their labels. A labeller is a function of one subject's whole record;
 * what a model may see of it is the history up to the prediction time alone (store/cohort.h, cohort_history), never what is here.
 *
 * How to add a task: its definition in a file of src/ehr/tasks/, and a line in the list of tasks.c.
 */
#ifndef MEDTOK_EHR_TASKS_TASK_H
#define MEDTOK_EHR_TASKS_TASK_H

#include "store/subject_record.h"
#include "store/task_samples.h"

/* For what a subject, visit or time gives no sample, in the order in which it is asked: FILTER(constant, of what, why). */
#define TASK_FILTERS(FILTER)                                                                                           \
    FILTER(NO_STAY, "visit", "not in hospital: no inpatient visit, or its end is not known or not behind its begin")   \
    FILTER(NO_ICU, "visit", "no stay in intensive care")                                                               \
    FILTER(MORE_ICU, "visit", "more than one stay in intensive care")                                                  \
    FILTER(TABLES, "visit", "no diagnosis, no procedure or no drug")                                                   \
    FILTER(ONE_VISIT, "subject", "fewer than two visits are left")                                                     \
    FILTER(NO_PHENOTYPE, "subject", "a visit has none of the phenotypes")                                              \
    FILTER(BIRTH, "visit", "birth is not known")                                                                       \
    FILTER(MINOR, "visit", "younger than 18")                                                                          \
    FILTER(DEAD, "visit", "dead at the prediction time")                                                               \
    FILTER(NOT_HOME, "visit", "in another stay at discharge")                                                          \
    FILTER(LAST, "visit", "no later stay")                                                                             \
    FILTER(SHORT, "visit", "discharged within 24 hours")                                                               \
    FILTER(SAME_DAY, "visit", "discharged on the day of admission")                                                    \
    FILTER(JOINED, "visit", "discharged on the day of an earlier stay's admission")                                    \
    FILTER(TWICE, "sample", "the same prediction time as another's")                                                   \
    FILTER(ICU_AT_ONCE, "visit", "in intensive care on the day of admission")                                          \
    FILTER(DIED, "visit", "died in the window, without the outcome")                                                   \
    FILTER(BEFORE, "visit", "diagnosed before")                                                                        \
    FILTER(FIRST_DAY, "visit", "diagnosed within a day of the prediction")                                             \
    FILTER(NO_DIAGNOSIS, "visit", "no diagnosis in the stay")                                                          \
    FILTER(NO_DRUG, "visit", "no drug in the stay")                                                                    \
    FILTER(NONE, "visit", "none of the classes")                                                                       \
    FILTER(FIRST_EVENT, "result", "at the time of the subject's first event")                                          \
    FILTER(NO_VALUE, "result", "no number")                                                                            \
    FILTER(UNIT, "result", "in a unit that is not known")                                                              \
    FILTER(SAME_TIME, "result", "a worse one at the same time counts")                                                 \
    FILTER(WINDOW, "trigger", "a window does not hold what it must, or has no end")
#define TASK_FILTER_CONSTANT(constant, unit, why) FILTER_##constant,
enum task_filter { TASK_FILTERS(TASK_FILTER_CONSTANT) N_TASK_FILTERS };
#undef TASK_FILTER_CONSTANT

struct task_filter_facts {
    const char *unit, *why;
};
extern const struct task_filter_facts TASK_FILTER_FACTS[N_TASK_FILTERS];

/* Told of what becomes of each subject, visit or time that a task looks at: for --explain. */
struct task_notes {
    void *self;
    /* It gives no sample. time: of a visit its begin, else the prediction time; visit: index in the record's, or -1; detail: more of
     * it ("window follow_up"), or NULL. */
    void (*left_out)(void *self, const char *task, enum task_filter filter, int64_t time, int32_t visit,
                     const char *detail);
};

#endif
