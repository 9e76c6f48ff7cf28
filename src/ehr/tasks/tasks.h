/* The tasks of a cohort: which there are, and their samples, subject by subject.
 *
 *   TRY(task_set_make(&set, &options, names, &codes));
 *   for each subject of this rank, in their order: TRY(task_set_label(set, &record));
 *   for (int i = 0; i < task_set_count(set); i++) ... task_set_samples(set, i) ...
 *
 * Definitions: specs/ehr-models-and-tasks.md, sections 7 and 10; what each task asks for is said by its line in tasks.c and by the head of
 * its file. Samples are this rank's, by subject, time and visit: behind those of lower ranks they are the cohort's.
 */
#ifndef MEDTOK_EHR_TASKS_TASKS_H
#define MEDTOK_EHR_TASKS_TASKS_H

#include <stdio.h>

#include "base/string_list.h"
#include "ehr/tasks/options.h"
#include "ehr/tasks/task.h"
#include "terms/code_index.h"

struct code_groups;
struct task_set;

/* The codes of the cohort, borrowed while the set is there. */
struct task_codes {
    int64_t n;
    struct strings text;        /* SYSTEM/FORM, or as the source has it */
    const uint8_t *kind;        /* [n] enum code_kind */
    const int64_t *train_count; /* [n] events in train; NULL: all codes count as seen there */
    /* HCUP's CCS under its names, and descendants of concepts as groups "SNOMED 59621000" (task_concepts); NULL: not known. */
    const struct code_groups *groups;
    int ehrshot; /* the data set is EHRSHOT's, for which MedTok's scripts have other rules */
};

/* Concepts of SNOMED CT that tasks ask for with all below them: groups "SNOMED CODE" in task_codes.groups. */
enum { N_TASK_CONCEPTS = 6 };
void task_concepts(const char *concepts[N_TASK_CONCEPTS]);

/* Whether there is a task of that name here (others are folders of label files). */
int task_is_known(const char *name);

/* The tasks that are labelled if no names are given: all that any visits allow. */
int task_default_names(struct string_list *names);

/* The tasks in `names`, and those of the ACES files in options->aces. STATUS_USAGE: a task that is not there (the message lists those that
 * are), is named twice, or needs what the codes do not have (drugs of the system ATC). */
int task_set_make(struct task_set **set, const struct task_options *options, const struct string_list *names,
                  const struct task_codes *codes);
void task_set_free(struct task_set *set); /* NULL is allowed */

/* Adds the samples of one subject to each task; self: struct task_set. Subjects come in their order. */
int task_set_label(void *self, const struct subject_record *record);

/* The same, told to `notes` as well. */
int task_set_explain(struct task_set *set, const struct subject_record *record, const struct task_notes *notes);

int task_set_count(const struct task_set *set);
/* Of task i, owned by the set; may be changed, and is freed with it. */
struct task_samples *task_set_samples(struct task_set *set, int i);

/* What task i looked at and left out, by this rank: sums of ranks are the cohort's. looked_at: visits, results or triggers. */
struct task_counts {
    long long subjects; /* with a sample */
    long long looked_at, left_out[N_TASK_FILTERS];
};
const struct task_counts *task_set_counts(const struct task_set *set, int i);

/* What task i asks, for people. */
const char *task_set_summary(const struct task_set *set, int i);

#endif
