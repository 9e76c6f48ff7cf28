/* Predictions of tasks of many classes, as `baseline` writes them: CSV or TSV, plain or gzip.
 *
 *   subject_id, prediction_time   the sample
 *   classes                       its classes, numbers from 0 with ; between; nothing: none
 *   every other column            the score of a class, by its name; the first is class 0
 */
#ifndef MEDTOK_INGEST_CLASS_PREDICTIONS_H
#define MEDTOK_INGEST_CLASS_PREDICTIONS_H

#include "base/string_list.h"
#include "ingest/predictions.h"
#include "store/task_samples.h"

/* By subject and time; all owned. */
struct class_rows {
    struct predictions samples; /* without labels, probabilities and decisions */
    enum label_form form;
    struct string_list names; /* of the classes */
    float *scores;            /* [samples.n, names.n] */
    int64_t *subject;         /* [samples.n] */
    int32_t *label;           /* LABEL_CLASS: [samples.n] */
    int64_t *set_offsets;     /* LABEL_SET: [samples.n + 1] */
    int32_t *set;             /* LABEL_SET: classes, ascending within a sample */
};

/* Whether the file is such a text: it has a column `classes`. A file that cannot be read is none. */
int class_predictions_are(const char *path);

/* form: LABEL_CLASS, each sample has one class; LABEL_SET, any number of them. An error names file, line and value: no class of the file,
 * more or less than one of LABEL_CLASS, a score that is no finite number, a sample that comes twice. Free in any case. */
int class_predictions_read(struct class_rows *rows, const char *path, enum label_form form);
void class_predictions_free(struct class_rows *rows);

/* Fails unless both have the same classes, and the same samples with the same labels; the error names the first that differs. */
int class_predictions_match(const struct class_rows *a, const struct class_rows *b);

#endif
