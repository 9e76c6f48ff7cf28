/* What the files of the table reader (table_reader.c, table_parts.c, table_stream.c, table_deal.c) share. */
#ifndef MEDTOK_INGEST_TABLE_READING_H
#define MEDTOK_INGEST_TABLE_READING_H

#include "dist/comm.h"
#include "ingest/row_scan.h"
#include "ingest/source_table.h"

enum table_form {
    TABLE_PLAIN,
    TABLE_BLOCKS, /* gzip, in blocks as bgzip makes them */
    TABLE_STREAM  /* any other gzip file */
};

/* What is known of a file before its rows are read; made on rank 0. */
struct table_shape {
    int64_t size; /* bytes of the file */
    int32_t form; /* enum table_form */
    int32_t n_columns;
    int32_t column[2 * SOURCE_MOST_COLUMNS]; /* of each field that `row` gets; -1: it is not there */
    int32_t n_fields;
    char separator;
};

struct table_reading {
    const struct comm *comm;
    const struct source_table *tables; /* [n] */
    const struct table_shape *shapes;  /* [n] */
    int n;
    const void *state;
    const struct record_sink *sink;
    int64_t *n_rows;                      /* [n] that this rank has read */
    struct field fields[ROW_MAX_COLUMNS]; /* of the row in hand */
    struct row_position at; /* of the row in hand, so of one that has failed; line INT64_MAX: no row has */
};

/* A walk over rows of a table; set `bytes`, `size`, `at`, `stop`, `line`, `last`, and call row_scan_move. */
struct row_scan table_scan(struct table_reading *reading, int table);

/* Puts the rows of the walk into the sink, those with a whole end. The first row of the file is its header, and is passed over. */
int table_rows(struct table_reading *reading, int table, struct row_scan *scan);

/* "PATH:LINE: a row is longer than 64 MiB". */
int table_row_too_long(const char *path, int64_t line);

/* The first byte in [begin, end) of the file where a block of bgzip begins, or -1. */
int table_find_block(const char *path, int64_t begin, int64_t end, int64_t *offset);

/* Collective: reads the files that are cut into parts. Returns this rank's status, which the caller agrees on. */
int table_parts_read(struct table_reading *reading);

/* Collective: reads the streams. Likewise. */
int table_streams_read(struct table_reading *reading);

#endif
