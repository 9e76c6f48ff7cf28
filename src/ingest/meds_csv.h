/* MEDS 0.4 with CSV in place of Parquet (meds_csv.c says what its rows become): its kinds of tables. */
#ifndef MEDTOK_INGEST_MEDS_CSV_H
#define MEDTOK_INGEST_MEDS_CSV_H

#include "ingest/label_files.h"
#include "ingest/source_table.h"

extern const struct table_kind MEDS_CSV_SPLITS, MEDS_CSV_EVENTS;
extern const struct table_kind MEDS_CSV_LABELS; /* state: struct label_files */

#endif
