/* Rows that cannot be used, and rows that are left out by a rule: counted by file, the first of each kind kept for the log. The same for any
 * number of ranks. For record_collector.c.
 */
#ifndef MEDTOK_INGEST_ROW_FAULTS_H
#define MEDTOK_INGEST_ROW_FAULTS_H

#include <stdarg.h>

#include "base/string_list.h"
#include "dist/comm.h"
#include "ingest/record_collector.h"

enum { FAULT_EXAMPLES = 4, FAULT_TEXT_BYTES = 320, FAULT_KIND_BYTES = 96 };

struct fault_example {
    int64_t line;
    char text[FAULT_TEXT_BYTES];
};

/* Faults of one kind in one file. */
struct fault_kind {
    int32_t file, n_examples;
    int64_t rows;
    char kind[FAULT_KIND_BYTES];                   /* how the message begins, before what is filled in */
    struct fault_example examples[FAULT_EXAMPLES]; /* those of the first lines, in order */
};

/* Rows left out by one rule in one file. */
struct left_out_kind {
    int32_t file;
    int64_t rows;
    char rule[FAULT_KIND_BYTES];
};

struct row_faults {
    const struct string_list *files; /* borrowed */
    int64_t *rows;                   /* [files->n] */
    struct row_position last;        /* row that was seen last, for counting */
    struct row_position last_fault;
    struct fault_kind *kinds;
    struct left_out_kind *left_out;
    long long n_kinds, kinds_capacity, n_left_out, left_out_capacity;
};

int row_faults_init(struct row_faults *faults, const struct string_list *files);
void row_faults_free(struct row_faults *faults);

/* A row was met: it counts if it is not the one before. */
void row_faults_see(struct row_faults *faults, struct row_position at);
int row_faults_add(struct row_faults *faults, struct row_position at, const char *format, va_list arguments);
int row_faults_leave_out(struct row_faults *faults, struct row_position at, const char *rule);

/* "FILE, line N": of Parquet, "FILE, row N". */
void row_position_text(const struct string_list *files, struct row_position at, char *text, int64_t size);

/* Collective: those of all ranks, on every rank; the ranks' own stay as they are. */
int row_faults_gather(const struct row_faults *faults, const struct comm *comm, struct row_faults *all);

/* Of gathered ones: an error if some file has too many. */
int row_faults_check(const struct row_faults *all, double most_bad);

/* Of gathered ones: the first of each kind into the log, some 20 lines. */
void row_faults_log(const struct row_faults *all);

int64_t row_faults_of_file(const struct row_faults *all, int32_t file);

/* For a sink whose tables may have no fault at all: STATUS_FAILED with the file and the line in front of the message. */
int row_fault_fails(const char *path, struct row_position at, const char *format, va_list arguments);

#endif
