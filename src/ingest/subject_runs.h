/* Records of subjects in any order, in bounded memory: a buffer that is sorted by subject and spilled when it is full; later they come
 * back range by range of subjects. For record_collector.c.
 */
#ifndef MEDTOK_INGEST_SUBJECT_RUNS_H
#define MEDTOK_INGEST_SUBJECT_RUNS_H

#include "base/scratch_file.h"

/* Sorted records: in the file, or, at < 0, in the buffer. */
struct subject_run {
    int64_t at, n, next; /* next: the first that was not taken */
    char *block;         /* owned: records block_first .. block_first + block_n - 1 of the run */
    int64_t block_first, block_n;
    long long block_capacity;
};

/* Some hundred records of a run: the subject that they begin with, and how many. */
struct subject_group {
    int64_t subject, n;
};

/* A record begins with the number of its subject, an int64_t. */
struct subject_runs {
    int64_t record_bytes, most; /* most records in the buffer */
    const char *beside;         /* borrowed: where the scratch file is made */
    char *buffer;
    int64_t n, capacity;
    struct scratch_file file;
    struct subject_run *runs;
    struct subject_group *groups;
    long long n_runs, runs_capacity, n_groups, groups_capacity;
};

void subject_runs_init(struct subject_runs *runs, int64_t record_bytes, int64_t most_bytes, const char *beside);
void subject_runs_free(struct subject_runs *runs);

/* Copies a record. */
int subject_runs_add(struct subject_runs *runs, const void *record);

/* No more come. Afterwards at most keep_bytes of them are in memory. */
int subject_runs_close(struct subject_runs *runs, int64_t keep_bytes);

/* After close: appends to *records [*n] (of *capacity bytes) all that were not taken of subjects before `end`; last: all. They are in the order
 * of subjects. */
int subject_runs_take(struct subject_runs *runs, int64_t end, int last, char **records, long long *capacity,
                      int64_t *n);

/* After close, before any are taken: each(self, record) for all, run by run, in the order of subjects within a run. */
int subject_runs_each(struct subject_runs *runs, void *self, void (*each)(void *self, const void *record));

/* The first record of a subject that is not before `subject`, of n that are sorted. */
int64_t subject_records_find(const char *records, int64_t n, int64_t record_bytes, int64_t subject);

#endif
