/* A MEDS data set (Medical Event Data Standard, schema 0.4) in Parquet, as a format of `cohort` (ingest/formats.h).
 *
 *   data/ and below: *.parquet       subject_id, time (null: static), code, numeric_value (null: none)
 *   metadata/subject_splits.parquet  subject_id, split: train, tuning or held_out
 *   labels/TASK/ and below: *.parquet  subject_id, prediction_time, boolean_value
 *   metadata/codes.parquet           code, parent_codes: what the code is in a known system (terms/source_code.h); may be absent
 *
 * Other columns are not looked at. Files are dealt out to the ranks, each of which reads its own with a Python that has pyarrow. MEDS_BIRTH
 * and MEDS_DEATH with a time are the subject's birth and death; visits come from admissions and discharges among the events. What the
 * standard promises is checked: that all rows of a subject stand together in one file and in order of time (rows without time may stand
 * anywhere among them) is an error with file, row (the first is 1) and subject; what is wrong with a row is a fault of it. The prediction
 * time is inclusive: an event at that very time is known.
 */
#ifndef MEDTOK_INGEST_MEDS_H
#define MEDTOK_INGEST_MEDS_H

#include "ingest/formats.h"

/* Whether it has data/ with Parquet files in it. */
int meds_recognise(const char *folder);

/* Finds the files of options->folder: roles "splits", "events", "labels of TASK", CODE_LIST_ROLE. options->tasks: names of folders in labels/,
 * "mortality/in_icu/first_24h" too; one that has no folder is passed over; empty: each folder that labels/ has. Fails if there are no events, no
 * splits, or no files in the folder of a task. */
int meds_find_files(const struct cohort_options *options, struct source_files *files);

/* TASK of "labels of TASK". */
const char *meds_task_of(const char *role);

#endif
