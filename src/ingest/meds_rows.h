/* Between reading and ordering a MEDS data set: its rows in the order of the files. For src/ingest/meds.c and
 * meds_order.c. */
#ifndef MEDTOK_INGEST_MEDS_ROWS_H
#define MEDTOK_INGEST_MEDS_ROWS_H

#include "base/dictionary.h"
#include "ingest/meds.h"

struct meds_position {
    int32_t file; /* index in files */
    int64_t row;  /* from 1 */
};

struct meds_rows {
    struct string_list files; /* that were read, for messages */
    struct dictionary codes;

    struct meds_split {
        int64_t subject;
        enum cohort_split split;
        struct meds_position from;
    } * splits;
    struct meds_subject { /* the events of one subject: event first .. first + n - 1 */
        int64_t subject, first, n;
        struct meds_position from;
    } * subjects;
    struct meds_event {
        int64_t time;
        int32_t code;
        float value;
    } * events;
    struct meds_sample {
        int64_t subject, time;
        int32_t task, label; /* task: index in tasks */
        struct meds_position from;
    } * samples;
    struct string_list tasks;
    long long n_splits, n_subjects, n_events, n_samples;
    long long splits_capacity, subjects_capacity, events_capacity, samples_capacity;
};

void meds_rows_free(struct meds_rows *rows);

/* Sorts subjects, codes, tasks and samples, checks what spans rows, and fills the cohort. The rows are sorted where
 * they lie. */
int meds_order(struct meds_rows *rows, struct cohort *cohort);

/* STATUS_FAILED with "FILE, row N: " and then the message. */
int meds_fault(const struct meds_rows *rows, struct meds_position from, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
