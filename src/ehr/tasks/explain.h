/* What is known of one subject, and what each task makes of it, for people: its visits and events; the samples, with what was known at their
 * times and what is hidden; and what gave no sample, with the reason. */
#ifndef MEDTOK_EHR_TASKS_EXPLAIN_H
#define MEDTOK_EHR_TASKS_EXPLAIN_H

#include <stdio.h>

#include "ehr/tasks/tasks.h"
#include "store/cohort.h"

/* Prints subject `subject` (index; its events were read). set: tasks that can be labelled anew, for the reasons; NULL: none. Of other tasks of
 * the cohort the samples are told. */
int explain_subject(FILE *out, const struct cohort *cohort, int64_t subject, struct task_set *set);

#endif
