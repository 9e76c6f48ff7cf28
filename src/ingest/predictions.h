/* Predictions of a binary task as meds-evaluation lays them out, of this program or anyone's: CSV or TSV, plain or gzip, or Parquet.
 *
 *   subject_id, prediction_time     the sample
 *   boolean_value                   its label
 *   predicted_boolean_probability   0 to 1
 *   predicted_boolean_value         what was decided; may be missing, or empty in every row
 *
 * Other columns are not looked at.
 */
#ifndef MEDTOK_INGEST_PREDICTIONS_H
#define MEDTOK_INGEST_PREDICTIONS_H

#include <stdint.h>

struct prediction {
    int64_t subject, time; /* time: microseconds since 1970 */
    int64_t row;           /* where it stands: the line of a text; the row, from 1, of a Parquet file */
    int64_t at;            /* rows before it there */
    double probability;
    int8_t label;   /* 0 or 1 */
    int8_t decided; /* 0 or 1; -1: nothing */
};

struct predictions {
    const char *path; /* borrowed */
    const char *unit; /* of `row`: "line" or "row" */
    long long n, capacity;
    struct prediction *rows; /* [n] by subject and time, owned */
};

/* Parquet is read by Python with pyarrow: python, setting as python_lines_open takes them. An error names file, line and value: no row at
 * all, a field that is empty or no such value, a probability that is not a number from 0 to 1, a sample that comes twice. Free in any case. */
int predictions_read(struct predictions *predictions, const char *path, const char *python, const char *setting);
void predictions_free(struct predictions *predictions);

/* Sorts rows[n] by subject and time. Fails if there are none, or if a sample comes twice. */
int predictions_order(struct predictions *predictions);

/* Fails unless both have the same samples with the same labels; the error names the first that differs. */
int predictions_match(const struct predictions *a, const struct predictions *b);

/* Fails if a sample of the first is one of the second too: a threshold is chosen on other samples than those that are scored. */
int predictions_check_apart(const struct predictions *chosen_on, const struct predictions *scored);

#endif
