/* Predictions as meds-evaluation lays them out: MEDS's columns of a label, and what was predicted of it. */
#ifndef MEDTOK_EHR_PREDICTIONS_H
#define MEDTOK_EHR_PREDICTIONS_H

#include "ehr/options.h"
#include "ehr/results.h"
#include "measure/scores.h"

/* The first line of a text of predictions. predicted_boolean_value: the probability is 0.5 or more. */
extern const char PREDICTIONS_HEADER[];

/* How the file of predictions ends: ".csv" or ".parquet". */
const char *predictions_ending(const struct ehr_options *options);

/* One row a sample, by subject and time, as CSV, or as Parquet with probabilities of 32 bits as the standard has them, if `path` ends in
 * .parquet; replaced when whole. `cohort` is the file of the task's samples[n]. */
int predictions_write(const char *path, const char *cohort, const struct ehr_options *options, int64_t n,
                      const struct scored_sample *samples);

/* Of a task of classes or sets: CSV, subject_id, prediction_time, classes (numbers, of a set with semicolons between them), and a column of
 * scores for each class, as `score` reads it. scores [n, n_classes]. */
int class_predictions_write(const char *path, const char *cohort, const char *task,
                            const struct result_samples *samples, const double *scores);

#endif
