/* What readers of health records find, brought into the order of a cohort: subject by subject, with events by time. A record_sink for
 * rows on any rank in any order, in bounded memory; then, collective, an exchange by subjects and a walk over them.
 *
 * 1. While files are read (no communication), events are records of 40 bytes in a buffer, which is sorted by subject and spilled to a file
 *    without a name beside the output when it is full; visits likewise. Subjects, labels and codes are held.
 * 2. record_collector_close: the list of subjects and their splits, and the list of codes.
 * 3. record_collector_walk: ranges of subjects that fit the memory, one after another; of a range each rank gets the records of a
 *    part, and makes struct subject_record of them, in the order of subjects.
 * The same comes out for any number of ranks, any memory and any order of files' parts.
 *
 * What a row's fate is:
 *   subject   A subject has one row in the files that give subjects, and may have rows that add to it (found_subject.adds). A second row
 *             of its own is a fault, and so is one that says another birth or split: the first counts, by file and line. A row
 *             that adds to a subject without a row of its own is a fault. Of several deaths an exact one wins over a day, which is its end, and
 *             of two alike the earlier one. Death before birth is a fault: the death is not known then.
 *   visit     Of an unknown subject, with the id of another, of this subject or of one that came first, without a start: a fault, left out. Discharge before
 *             admission: a fault; the visit is left out, its events that have a time are kept outside any visit, the others left out
 *             by the rule "of a visit that is left out".
 *   event     Of an unknown subject: a fault, left out. Of a visit that the subject has not: kept outside any visit and counted; if its
 *             time is the visit's end, a fault, left out. Before birth or after death: kept and counted, as is the admission that a visit begins with.
 *   fact      Static, and said by visits (MIMIC's race, once an admission): what the first visit says, of those that say any; how often and what
 *             later ones say would tell that they come. Where that is not the subject's first visit, it is an event at the begin of that
 *             visit and not static: a sample before it must not know. What was said before is left out by the rule "a static fact that
 *             stands already"; of a visit that is left out by the rule "of a visit that is left out"; of a visit that the subject has
 *             not, a fault.
 *   label     Of an unknown subject, before birth, or a second one of the same task and time: a fault, left out.
 * Faults are counted by file, listed with file and line (the first ones), and an error if they are more than `most_bad` of the rows
 * of a file. A row is what the sink was told of one position, in calls that follow each other.
 *
 * Times: TIME_DAY is the day's end, or the end of the event's visit if that is on the same day and before; TIME_DISCHARGE is the visit's end,
 * and a fault where that is not known.
 *
 * Made of subjects and visits: MEDS_BIRTH, MEDS_DEATH; HOSPITAL_ADMISSION//inpatient and HOSPITAL_DISCHARGE//inpatient at start and end
 * of an inpatient visit, VISIT_START//KIND and VISIT_END//KIND of another. Among equal times a birth is first, then starts of visits, then events
 * by file, line and order in the line, then ends of visits, and a death.
 */
#ifndef MEDTOK_INGEST_RECORD_COLLECTOR_H
#define MEDTOK_INGEST_RECORD_COLLECTOR_H

#include "base/string_list.h"
#include "dist/comm.h"
#include "ingest/record_sink.h"
#include "store/task_samples.h"
#include "terms/source_code.h"

struct record_collector; /* opaque */

struct collector_options {
    int64_t memory;         /* bytes of a rank for records */
    double most_bad;        /* share of a file's rows that may be faulty */
    unsigned kinds;         /* bits 1 << enum code_kind of events that are taken; others are passed over */
    uint64_t seed;          /* of splits */
    double share[N_SPLITS]; /* of subjects, where the data set has no splits */
    const char *beside;     /* a path beside which files may be made: the output */
    /* Visits are not given, but from events HOSPITAL_ADMISSION* to HOSPITAL_DISCHARGE* (MEDS); all inpatient; an event is in the visit that
     * it lies in. Died: the discharge says DIED or EXPIRED, or death is in it. */
    int derive_visits;
    int derive_died; /* who died in a visit is not given: who died between its start and the end of its last day */
    const char *subjects_from; /* where subjects are listed, for messages: "subject_splits.parquet" */
};

/* files: names for messages, whose numbers are row_position.file; borrowed, as are the options' texts. */
int record_collector_make(struct record_collector **out, const struct comm *comm,
                          const struct collector_options *options, const struct string_list *files);
void record_collector_free(struct record_collector *collector); /* NULL is allowed */

/* Where readers put what they find, on this rank; not from several threads at once. */
struct record_sink record_collector_sink(struct record_collector *collector);

/* Subjects and codes, on every rank the same; owned by the collector. */
struct collected {
    int64_t n_subjects;
    const int64_t *subject, *birth, *death; /* [n_subjects] ascending; COHORT_NO_TIME: not known */
    const uint8_t *split;
    int64_t n_codes, code_bytes;
    const char *code;         /* [n_codes, code_bytes] ascending, each ends with 0 */
    const uint8_t *code_kind; /* [n_codes]; of a code that several kinds of tables have, the first but OTHER */
    const int64_t *
        train_count; /* [n_codes] events that were found of subjects in train, faulty ones too; not those made of visits and lives */
};

/* Collective, once all files are read. rules NULL: codes stay as the source has them. */
int record_collector_close(struct record_collector *collector, const struct source_code_rules *rules,
                           struct collected *collected);

/* Collective, after close. Calls each(self, record) for every subject on one rank, on each rank in the order of subjects; the record is
 * valid during the call. Fails with the status of `each`, and if a file has too many faults. */
int record_collector_walk(struct record_collector *collector, void *self,
                          int (*each)(void *self, const struct subject_record *record));

/* Collective, after close: the labels that were found, task by task in the order of names; rank 0 has the samples, the others the tasks
 * without any. The caller frees each with task_samples_free, and the list. */
int record_collector_labels(struct record_collector *collector, struct task_samples **tasks, int64_t *n_tasks);

/* After the walk, on every rank the same. */
struct collected_step {
    const char *name;                 /* of the filter */
    int64_t subjects, visits, events; /* that are left behind it */
};
struct collected_file {
    int64_t rows, faults;
};
struct collected_left_out {
    int32_t file;
    const char *rule;
    int64_t rows;
};
struct collected_counts {
    int n_steps;
    const struct collected_step *steps;
    const struct collected_file *files; /* one for each file */
    int64_t n_left_out;
    const struct collected_left_out *left_out;                        /* by file and rule */
    int64_t before_birth, after_death, without_visit, without_events; /* events, events, events; subjects */
};
/* Collective. Owned by the collector. */
int record_collector_counts(struct record_collector *collector, struct collected_counts *counts);

#endif
