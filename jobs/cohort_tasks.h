/* The tasks of a cohort for the job `cohort`: those of label files, and those that are labelled here (ehr/tasks/tasks.h). */
#ifndef MEDTOK_JOBS_COHORT_TASKS_H
#define MEDTOK_JOBS_COHORT_TASKS_H

#include "ehr/tasks/tasks.h"
#include "ingest/formats.h"
#include "ingest/record_collector.h"
#include "jobs.h"
#include "store/cohort_writer.h"
#include "terms/code_groups.h"

struct cohort_labels {
    struct task_samples *found; /* [n_found] of label files, owned; rank 0 has the samples */
    int64_t n_found;
    struct code_groups groups;
    struct task_set *set;
    struct task_samples *all; /* [n] of both, ascending by name; what they hold is found's and the set's */
    int64_t n;
    struct cohort_filter *filters; /* [n_filters] of all ranks */
    int64_t n_filters;
};

/* Tasks that are named (cohort.tasks) and have no label files among these: they have to be ones that are labelled here. STATUS_USAGE: one is
 * not. */
int cohort_labels_check(const struct config *config, const struct source_files *files);

/* What tasks are made from, into the provenance: their files, and the names of those that are labelled here. */
int cohort_labels_add_inputs(const struct config *config, const struct source_files *files,
                             struct provenance *provenance);
/* A text that shapes the cohort as a file does. */
int cohort_add_text(struct provenance *provenance, const char *role, const char *text);

/* Collective, once subjects and codes are known. */
int cohort_labels_make(struct cohort_labels *labels, const struct comm *comm, const struct config *config,
                       const struct source_files *files, const struct source_format *format,
                       struct record_collector *collector, const struct collected *collected);
void cohort_labels_free(struct cohort_labels *labels);

/* Collective, once all subjects were labelled (task_set_label): all tasks, their filters, and log lines about both. */
int cohort_labels_finish(struct cohort_labels *labels, const struct comm *comm, const struct collected *collected);

#endif
