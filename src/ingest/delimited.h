/* TSV and CSV files, plain or gzip, row by row, without a copy of the file in memory.
 *
 * The header line decides: a tab in it makes the file TSV, otherwise it is CSV. CSV follows RFC 4180: quoted fields may hold
 * commas, doubled quotes and line breaks. TSV has no quoting: a quote is a character like any other. A byte order mark and
 * CRLF line ends are passed over; the last line may lack its end. Zero bytes, invalid UTF-8, an unterminated quote, a row of more
 * than 64 MiB, and one with another number of fields than the header are errors that name file and line; what is wrong with a
 * file itself is said in byte_source.h.
 */
#ifndef MEDTOK_INGEST_DELIMITED_H
#define MEDTOK_INGEST_DELIMITED_H

#include <stdint.h>

#include "ingest/row_scan.h"

struct byte_source;

struct delimited {
    const char *path; /* borrowed */
    struct byte_source *source;
    char separator;
    char *buffer; /* owned: unread bytes are buffer[rows.at .. rows.size) */
    long long capacity;
    struct row_scan rows;
    int n_columns;
    int64_t row_line;                     /* the line where the row in hand begins */
    struct field header[ROW_MAX_COLUMNS]; /* owned copies */
    struct field fields[ROW_MAX_COLUMNS]; /* of the row in hand, valid until the next */
};

/* Opens and reads the header. An empty file is an error. */
int delimited_open(struct delimited *reader, const char *path);
void delimited_close(struct delimited *reader);

/* Index of a column by name, in any case, or -1. Of two that differ in case alone, the one spelled exactly so, else the first. */
int delimited_column(const struct delimited *reader, const char *name);

/* The same; a missing column is an error that lists those there are. */
int delimited_need(const struct delimited *reader, const char *name, int *column);

/* Reads the next row into reader->fields; *more is 0 at the end. Blank lines are passed over. Looks for signals now and then
 * (base/interrupt.h). */
int delimited_next(struct delimited *reader, int *more);

/* An integer in `field`, within least..most; the error names file, line, column and value. */
int delimited_integer(const struct delimited *reader, const char *column, struct field field, int64_t least,
                      int64_t most, int64_t *value);

/* The same of a field of any row. */
int row_integer(const char *path, int64_t line, const char *column, struct field field, int64_t least, int64_t most,
                int64_t *value);

#endif
