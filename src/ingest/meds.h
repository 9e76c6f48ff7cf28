/* A MEDS data set (Medical Event Data Standard, schema 0.4) as a cohort.
 *
 *   data/ and below: *.parquet       subject_id, time (null: static), code, numeric_value (null: none)
 *   metadata/subject_splits.parquet  subject_id, split: train, tuning or held_out
 *   labels/TASK/ and below: *.parquet  subject_id, prediction_time, boolean_value
 *
 * Other columns are not looked at. What the standard promises is checked, and an error names file, row (the first is 1)
 * and subject: all rows of a subject together in one file and in order of time (rows without time may stand anywhere
 * among them), each subject in one split, labels of subjects that have a split, one sample for a subject, task and
 * prediction time, none before birth. The prediction time is inclusive: an event at that very time is known.
 */
#ifndef MEDTOK_INGEST_MEDS_H
#define MEDTOK_INGEST_MEDS_H

#include "base/string_list.h"
#include "store/cohort.h"

struct meds_files {
    struct string_list splits, events; /* paths, in the order of their names */
    struct string_list labels;         /* "TASK=path" */
};

/* Finds the files. tasks: folders in labels/, "mortality/in_icu/first_24h" too; empty: each folder that labels/ has.
 * Fails if there are no events, no splits, or no labels of a task. */
int meds_find_files(const char *folder, const struct string_list *tasks, struct meds_files *files);
void meds_files_free(struct meds_files *files);

/* The path behind "TASK=". */
const char *meds_label_path(const char *label);

/* Reads the files with a Python interpreter that has pyarrow ("": what PYTHON in the environment names,
 * else python3). */
int meds_read(const struct meds_files *files, const char *python, struct cohort *cohort);

#endif
