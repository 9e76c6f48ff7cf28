/* Writing cohort.h5 (schema in store/cohort.h), in parts: each rank adds the subjects that it has, one by one; their visits and events
 * wait in a file without a name beside the output, until all are counted, and then all ranks write. No rank holds more than a block of
 * rows, beside lists of subjects, codes and samples.
 */
#ifndef MEDTOK_STORE_COHORT_WRITER_H
#define MEDTOK_STORE_COHORT_WRITER_H

#include "store/cohort.h"

struct cohort_writer; /* opaque */

/* Collective. n_subjects and codes as they will be written: the same on every rank. */
int cohort_writer_make(struct cohort_writer **out, const struct comm *comm, const char *path, int64_t n_subjects,
                       int64_t n_codes);
void cohort_writer_free(struct cohort_writer *writer); /* NULL is allowed; what is not finished is lost */

/* Adds a subject, each by one rank, in any order; runs of subjects that follow each other are written as one. */
int cohort_writer_add(struct cohort_writer *writer, const struct subject_record *record);

/* Of the files and filters: as in the schema. */
struct cohort_step {
    const char *name;
    int64_t subjects, visits, events;
};
struct cohort_filter {
    const char *task, *filter;
    int64_t count;
};
struct cohort_file {
    const char *name;
    int64_t rows, faults;
};
struct cohort_left_out {
    int32_t file;
    const char *rule;
    int64_t rows;
};

/* What is not in the records. All but samples of tasks is the same on every rank. */
struct cohort_contents {
    int64_t code_bytes;
    const char *code; /* [n_codes, code_bytes] ascending */
    const uint8_t *code_kind;
    const int64_t *code_match; /* [n_codes] or NULL, then so is the next */
    const uint8_t *code_match_how;
    const int64_t *subject, *birth, *death; /* [n_subjects] ascending */
    const uint8_t *split;
    int64_t n_tasks;
    const struct task_samples
        *tasks; /* [n_tasks] with ascending names; each rank has some of the samples, in any order */
    int64_t n_steps, n_filters, n_files, n_left_out;
    const struct cohort_step *steps;
    const struct cohort_filter *filters; /* of tasks */
    const struct cohort_file *files;
    const struct cohort_left_out *left_out;
};

/* Collective. Writes the file; fails if a subject was not added, or two samples of a task have the same subject, time and visit. */
int cohort_writer_finish(struct cohort_writer *writer, const struct cohort_contents *contents,
                         const struct provenance *provenance);

/* After finish, on every rank: events with each code [n_codes], of all subjects and of train. Owned by the writer. */
const int64_t *cohort_writer_counts(const struct cohort_writer *writer, int train);

#endif
