/* Parquet files, for those who read them elsewhere (MEDS labels, predictions): written by Python with pyarrow, which is started for it
 * (base/python.h) and gets the rows as text, so that no more than some thousand are in memory.
 *
 *   static const struct parquet_column COLUMNS[] = {{"subject_id", "int64"}, {"prediction_time", "timestamp[us]"}, {"boolean_value", "bool"}};
 *   TRY(parquet_file_open(&file, path, "", "cohort.python", 3, COLUMNS));
 *   fprintf(parquet_file_rows(file), "%lld\t%lld\ttrue\n", subject, microseconds);
 *   TRY(parquet_file_close(file, STATUS_OK));
 */
#ifndef MEDTOK_STORE_PARQUET_FILE_H
#define MEDTOK_STORE_PARQUET_FILE_H

#include <stdio.h>

struct parquet_column {
    const char *name;
    const char *type; /* Arrow's: int64, int32, bool, float32, float64, string, timestamp[us] */
};

struct parquet_file;

/* Replaces the file at `path` when it is whole. interpreter, setting: as python_start takes them. */
int parquet_file_open(struct parquet_file **file, const char *path, const char *interpreter, const char *setting,
                      int n_columns, const struct parquet_column *columns);

/* Where rows are written: one a line, fields separated by tabs; an empty field is null (of a string column: empty). Times are
 * integers, in microseconds since 1970; bool is true or false; a string has no tab and no line break in it. What
 * cannot be written is told by parquet_file_close. */
FILE *parquet_file_rows(struct parquet_file *file);

/* Waits for the file to be whole and frees `file`, which may be NULL: then, and where `status` is not STATUS_OK, it leaves nothing, and
 * returns `status`. An error names the path. */
int parquet_file_close(struct parquet_file *file, int status);

#endif
