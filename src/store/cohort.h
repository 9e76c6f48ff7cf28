/* cohort.h5: subjects, what happened to them, and the samples that tasks ask about. Made by `cohort`.
 *
 *   code [n_codes]                              text; ascending, each once
 *   code_count, code_count_train [n_codes]      events with the code, of all subjects and of those in the split train
 *   subject [n_subjects]                        numbers of the subjects, ascending
 *   split [n_subjects]                          enum cohort_split
 *   birth [n_subjects]                          time of the event MEDS_BIRTH, or COHORT_NO_TIME
 *   event_offsets [n_subjects + 1]              events of each subject, by time, equal times in the order of the source
 *   event_time, event_code, event_value         time; index in code; value, NaN if it has none
 *   task [n_tasks]                              text; ascending, each once
 *   task_offsets [n_tasks + 1]                  samples of each task, by subject and time
 *   sample_subject, sample_time, sample_label   index in subject; prediction time; 0 or 1
 *
 * Times are microseconds since 1970-01-01, as they were given. A static event has none: COHORT_NO_TIME, which is before
 * all others.
 *
 * What happened after a sample's prediction time cannot be an input: events are read by sample, with cohort_history,
 * alone.
 */
#ifndef MEDTOK_STORE_COHORT_H
#define MEDTOK_STORE_COHORT_H

#include "store/h5file.h"

#define COHORT_NO_TIME INT64_MIN

enum cohort_split { SPLIT_TRAIN, SPLIT_TUNING, SPLIT_HELD_OUT, N_SPLITS };
extern const char *const SPLIT_NAMES[N_SPLITS];

struct cohort_events; /* store/cohort_events.h, for those who make cohorts */

struct cohort {
    int64_t n_codes, code_bytes;
    char *code; /* [n_codes, code_bytes] each ends with 0 */
    int64_t *code_count, *code_count_train;
    int64_t n_subjects;
    int64_t *subject, *birth;
    uint8_t *split;
    int64_t n_tasks, task_bytes;
    char *task;            /* [n_tasks, task_bytes] */
    int64_t *task_offsets; /* [n_tasks + 1] */
    int32_t *sample_subject;
    int64_t *sample_time;
    uint8_t *sample_label;
    struct cohort_events *events; /* owned */
};

static inline const char *cohort_code(const struct cohort *c, int64_t code) { return c->code + code * c->code_bytes; }
static inline const char *cohort_task(const struct cohort *c, int64_t task) { return c->task + task * c->task_bytes; }

/* Collective. Rank 0 has the cohort; the others pass an empty one. */
int cohort_write(const struct comm *comm, const char *path, const struct cohort *cohort,
                 const struct provenance *provenance);

/* Reads all but events, and the events of subjects first .. first + count - 1; count -1: to the last. An error names
 * what is damaged. */
int cohort_read(const char *path, int64_t first, int64_t count, struct cohort *cohort);
void cohort_free(struct cohort *cohort);

/* The task of that name; an error lists those there are. */
int cohort_find_task(const struct cohort *cohort, const char *path, const char *name, int64_t *task);

/* What was known of a subject at a time, in the order of cohort.h5: the n_static events without time come first.
 * Borrowed. */
struct history {
    int64_t n, n_static;
    const int64_t *time;
    const int32_t *code;
    const float *value;
};

/* The events of a sample's subject at or before its prediction time. Fails if the subject's events were not read. */
int cohort_history(const struct cohort *cohort, int64_t sample, struct history *history);

/* A time for a message: "2004-12-31 00:00:00", with the fraction of a second if there is one; "no time". */
void cohort_time_text(int64_t time, char text[40]);

#endif
