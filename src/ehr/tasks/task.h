/* A task: which samples (subject, prediction time) a cohort has, and their labels. A labeller is a function of one subject's whole record;
 * what a model may see of it is the history up to the prediction time alone (store/cohort.h, cohort_history), never what is here.
 *
 * How to add a task: its definition in a file of src/ehr/tasks/, and a line in the list of tasks.h.
 */
#ifndef MEDTOK_EHR_TASKS_TASK_H
#define MEDTOK_EHR_TASKS_TASK_H

#include "store/subject_record.h"
#include "store/task_samples.h"

/* What a subject, visit or sample was left out for: counted in the order of the filters for the report, and told by --explain. */
struct task_notes {
    void *self;
    /* One `unit` ("subject", "visit", "sample") is left out by `filter` ("younger than 18"). */
    void (*left_out)(void *self, const char *filter, const char *unit, int64_t time);
};

#endif
