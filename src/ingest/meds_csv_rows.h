/* MEDS 0.4 as CSV: metadata/subject_splits.csv, data/.../NAME.csv, labels/TASK/NAME.csv, plain or gzip, with MEDS'
 * names of columns.
 *
 * MEDS_BIRTH and MEDS_DEATH are birth and death, an event without time is a static fact; others are events, of the kind
 * that their code tells. A time is a moment: a day alone is its first moment, as in MEDS, which knows no other. Visits
 * come from the events (ingest/record_collector.h).
 */
#ifndef MEDTOK_INGEST_MEDS_CSV_ROWS_H
#define MEDTOK_INGEST_MEDS_CSV_ROWS_H

#include "ingest/label_files.h"
#include "ingest/source_table.h"

extern const struct table_kind MEDS_CSV_SPLITS, MEDS_CSV_EVENTS;
extern const struct table_kind MEDS_CSV_LABELS; /* state: struct label_files */

#endif
