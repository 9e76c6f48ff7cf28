/* The samples of a task, as labellers (src/ehr/tasks) and label files (src/ingest) make them and cohort.h5 keeps them. */
#ifndef MEDTOK_STORE_TASK_SAMPLES_H
#define MEDTOK_STORE_TASK_SAMPLES_H

#include <stdint.h>

enum label_form {
    LABEL_BINARY, /* 0 or 1 */
    LABEL_CLASS,  /* one of n_classes: 0 .. n_classes - 1 */
    LABEL_SET     /* any of n_classes at once, or none */
};

struct task_sample {
    int64_t subject; /* index of the subject in the cohort */
    int64_t time;    /* prediction time, inclusive: an event at that time is known */
    int32_t visit;   /* the visit that it asks about: index in the subject's visits, or -1 */
    int32_t label;   /* LABEL_BINARY, LABEL_CLASS: the label; LABEL_SET: how many classes of `set` are this sample's */
};

struct task_samples {
    char *name; /* of the task, owned */
    enum label_form form;
    int32_t n_classes;  /* 2 of a binary task */
    char **class_names; /* [n_classes], owned; NULL of a binary task */
    unsigned
        hidden; /* bits 1 << enum code_kind: events of these kinds in the visit of a sample are not in its history, since they are asked for */
    long long n, n_set;          /* by subject, time, visit */
    struct task_sample *samples; /* [n], owned */
    int32_t *set;                /* [n_set] classes, ascending within a sample, samples in their order; owned */
    long long samples_capacity, set_capacity;
};

/* Adds a sample behind the others; set [sample->label] ascending classes of a LABEL_SET, else not looked at. */
int task_samples_add(struct task_samples *samples, const struct task_sample *sample, const int32_t *set);

void task_samples_free(struct task_samples *samples);

#endif
