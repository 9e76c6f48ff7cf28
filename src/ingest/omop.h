/* OMOP CDM 5.3 and 5.4 as CSV (omop.c says what its rows become): its kinds of tables. */
#ifndef MEDTOK_INGEST_OMOP_H
#define MEDTOK_INGEST_OMOP_H

#include "ingest/source_table.h"

/* [N_OMOP_TABLES] person first. Rows need no state. */
enum { N_OMOP_TABLES = 9 };
extern const struct table_kind *const OMOP_TABLES[N_OMOP_TABLES + 1]; /* ended by NULL */

#endif
