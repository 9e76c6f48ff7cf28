/* A task file of ACES (Automatic Cohort Extraction System, es-aces 0.7), evaluated here: predicates, a trigger, windows, a label. What of its
 * language there is, and what is not: ehr/tasks/aces_file.c. */
#ifndef MEDTOK_EHR_TASKS_ACES_H
#define MEDTOK_EHR_TASKS_ACES_H

#include "ehr/tasks/labeller.h"

struct aces_task;

/* Reads the file and finds its codes among the cohort's. STATUS_USAGE, with file, key, and what is supported. */
int aces_task_make(struct aces_task **task, const char *path, const struct task_codes *codes);
void aces_task_free(struct aces_task *task); /* NULL is allowed */

/* The name of the file, without folder and .yaml. Owned by the task. */
const char *aces_task_name(const struct aces_task *task);

/* Adds a sample for each trigger whose windows hold what they must: at the index timestamp, with the label's predicate counted in its
 * window: none, 0; else 1. */
int aces_task_label(const struct labelling *l);

#endif
