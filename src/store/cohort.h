/* cohort.h5: subjects, what happened to them, and the samples that tasks ask about. Made by `cohort`.
 *
 *   code [n_codes]                               text; ascending, each once
 *   code_kind [n_codes]                          enum code_kind
 *   code_count, code_count_train [n_codes]       events with the code, of all subjects and of those in the split train
 *   code_match, code_match_how [n_codes]         row of the vocabulary that stands for it, or -1; enum code_match_how.
 *                                                [0]: the cohort was made without a vocabulary
 *   subject [n_subjects]                         numbers of the subjects, ascending
 *   split, birth, death [n_subjects]             enum cohort_split; times, COHORT_NO_TIME if not known
 *   visit_offsets [n_subjects + 1]               visits of each subject, by start, end, id
 *   visit_id, visit_start, visit_end             end: COHORT_NO_TIME if not known
 *   visit_kind, visit_died                       enum visit_kind; 1: the subject died in it
 *   event_offsets [n_subjects + 1]               events of each subject, by time, equal times in the order of the source
 *   event_time, event_code, event_value          time; index in code; value, NaN if it has none
 *   event_visit                                  index in the subject's visits, or -1
 *   task [n_tasks]                               text; ascending, each once
 *   task_form, task_classes, task_hidden         enum label_form; classes; bits 1 << enum code_kind
 *   class_offsets [n_tasks + 1], class           names of a task's classes, none of a binary task
 *   task_offsets [n_tasks + 1]                   samples of each task, by subject, time, visit
 *   sample_subject, sample_time, sample_visit    index in subject; prediction time; index in the subject's visits, or -1
 *   sample_label                                 0 or 1; class; of a set, how many classes are in it
 *   set_offsets [n_tasks + 1], set               classes of a task's label sets, sample by sample, ascending
 *   step, step_subjects, step_visits, step_events   filters in their order, and what is left behind each
 *   filter_task, filter, filter_count            index in task; what a task leaves out, in the order of its filters; how often
 *   file, file_rows, file_faults                 the files that were read, rows, and those that could not be used
 *   left_out_file, left_out_rule, left_out_rows  index in file; rows that were left out by a rule
 *
 * Times are microseconds since 1970-01-01, as they were given. A static event has none: COHORT_NO_TIME, which is before
 * all others.
 *
 * What happened after a sample's prediction time cannot be an input: events and visits are read by sample, with cohort_history, alone.
 */
#ifndef MEDTOK_STORE_COHORT_H
#define MEDTOK_STORE_COHORT_H

#include "store/h5file.h"
#include "store/subject_record.h"
#include "store/task_samples.h"

struct cohort_events; /* store/cohort_events.h, for those who make cohorts and labels */

/* How a code found its row of a vocabulary. */
enum code_match_how { CODE_MATCH_MISSING, CODE_MATCH_ANCESTOR, CODE_MATCH_EXACT, N_CODE_MATCHES };

struct cohort {
    int64_t n_codes, code_bytes;
    char *code; /* [n_codes, code_bytes] each ends with 0 */
    uint8_t *code_kind;
    int64_t *code_count, *code_count_train;
    int64_t *code_match; /* [n_codes]; NULL: there is no vocabulary, and no code_match_how */
    uint8_t *code_match_how;
    int64_t n_subjects;
    int64_t *subject, *birth; /* deaths are with the events: they may lie behind a prediction time */
    uint8_t *split;
    int64_t n_tasks, task_bytes;
    char *task; /* [n_tasks, task_bytes] */
    uint8_t *task_form;
    int32_t *task_classes, *task_hidden;
    int64_t class_bytes, *class_offsets; /* [n_tasks + 1] */
    char *class_name;                    /* [class_offsets[n_tasks], class_bytes] */
    int64_t *task_offsets;               /* [n_tasks + 1] */
    int32_t *sample_subject, *sample_visit, *sample_label;
    int64_t *sample_time;
    int64_t *sample_set;          /* [n_samples + 1] where the classes of a sample begin in set */
    int32_t *set;                 /* classes of samples of label sets */
    struct cohort_events *events; /* owned */
};

static inline const char *cohort_code(const struct cohort *c, int64_t code) { return c->code + code * c->code_bytes; }
static inline const char *cohort_task(const struct cohort *c, int64_t task) { return c->task + task * c->task_bytes; }
static inline const char *cohort_class(const struct cohort *c, int64_t task, int64_t class) {
    return c->class_name + (c->class_offsets[task] + class) * c->class_bytes;
}

/* Reads all but visits and events, and those of subjects first .. first + count - 1; count -1: to the last. An error names
 * what is damaged. */
int cohort_read(const char *path, int64_t first, int64_t count, struct cohort *cohort);
void cohort_free(struct cohort *cohort);

/* The task of that name; an error lists those there are. */
int cohort_find_task(const struct cohort *cohort, const char *path, const char *name, int64_t *task);

/* What was known of a subject at a time, in the order of cohort.h5: the n_static events without time come first. Zeroed it is
 * empty; it is reused, and freed in the end. */
struct history {
    int64_t n, n_static;
    int64_t *time;
    int32_t *code;
    float *value;
    int32_t *visit; /* index in visits; -1: in none, or in one that had not begun */
    int64_t n_visits;
    struct cohort_visit
        *visits; /* those that had begun; of one that had not ended, neither its end nor a death is known */
    long long capacity[4], visits_capacity;
};

/* The events of a sample's subject at or before its prediction time, but those of its own visit that the task hides. The one function by
 * which inputs of tasks are made. Fails if the subject's events were not read. */
int cohort_history(const struct cohort *cohort, int64_t sample, struct history *history);
/* All that is known of a subject of the split train: for pre-training, which has no labels. Fails for others. */
int cohort_train_history(const struct cohort *cohort, int64_t subject, struct history *history);
void history_free(struct history *history);

/* A time for a message: "2004-12-31 00:00:00", with the fraction of a second if there is one; "no time". */
void cohort_time_text(int64_t time, char text[40]);

#endif
