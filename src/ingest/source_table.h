/* A data set as a list of tables, and a table as a function of its rows: what a format's file in src/ingest/ says of itself
 * (mimic3.c, mimic4.c, ehrshot.c, omop.c, meds_csv.c). How the tables are read by many ranks is ingest/table_reader.h's matter.
 */
#ifndef MEDTOK_INGEST_SOURCE_TABLE_H
#define MEDTOK_INGEST_SOURCE_TABLE_H

#include "ingest/delimited.h"
#include "ingest/record_sink.h"

enum { SOURCE_MOST_COLUMNS = 16 };

struct source_table; /* below */

/* What a kind of table is: one constant a table of a format. */
struct table_kind {
    const char *name; /* of its file without .csv, .csv.gz, in any case: "diagnoses_icd", "hosp/admissions" */
    const char *columns[SOURCE_MOST_COLUMNS + 1];  /* names that must be there, in any case, ended by NULL ... */
    const char *optional[SOURCE_MOST_COLUMNS + 1]; /* ... and that may, whose fields are empty if they are not */
    /* Puts what the row says into the sink. fields: those of `columns`, then of `optional`. Must not keep pointers. `state`: what the
     * format read before (a map of concepts), the same on every rank; NULL if it has none. */
    int (*row)(const void *state, const struct field *fields, struct row_position at, const struct record_sink *sink);
    int required;   /* whether the data set is not one without this table */
    unsigned kinds; /* bits 1 << enum code_kind of the events that it gives; 0: subjects or visits, always read */
};

/* A table that was found. */
struct source_table {
    const struct table_kind *kind;
    char *path; /* owned */
};

#endif
