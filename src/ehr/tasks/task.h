/* A task: which samples (subject, prediction time) a cohort has, and their labels. A labeller is a function of one subject's whole record;
 * what a model may see of it is the history up to the prediction time alone (store/cohort.h, cohort_history), never what is here.
 *
 * How to add a task: its definition in a file of src/ehr/tasks/, and a line in the list of tasks.c.
 */
#ifndef MEDTOK_EHR_TASKS_TASK_H
#define MEDTOK_EHR_TASKS_TASK_H

#include "store/subject_record.h"

enum label_form {
    LABEL_BINARY,  /* 0 or 1 */
    LABEL_CLASS,   /* one of n_classes: 0 .. n_classes - 1 */
    LABEL_SET      /* any of n_classes at once */
};

/* A sample. */
struct task_sample {
    int64_t subject; /* index of the subject in the cohort */
    int64_t time;    /* prediction time, inclusive: an event at that time is known */
    int32_t visit;   /* index of the visit that it asks about in the subject's visits, or -1 */
    int32_t label;   /* LABEL_BINARY, LABEL_CLASS */
    int32_t n_set;   /* LABEL_SET: how many classes it has; they stand in task_samples.set in the order of the samples */
};

/* Samples of one task, owned; grow as they are added. */
struct task_samples {
    struct task_sample *samples;
    int32_t *set;
    long long n, n_set, samples_capacity, set_capacity;
};

/* What a subject, visit or sample was left out for: counts in the order of the filters, for the report; and lines for --explain. */
struct task_note {
    void *self;
    /* One unit ("subject", "visit", "sample") is left out by `filter` ("younger than 18"). */
    void (*left_out)(void *self, const char *filter, const char *unit, int64_t time);
};

#endif
