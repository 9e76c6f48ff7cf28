/* What `baseline` writes: scores as JSON and as a table, predictions, and the rows that it learned from. */
#ifndef MEDTOK_EHR_BASELINES_REPORT_H
#define MEDTOK_EHR_BASELINES_REPORT_H

#include "ehr/baselines/experiment.h"

struct baseline_report {
    const char *cohort_id;
    const struct baseline_terms *terms;
    const struct experiment *experiment;
};

/* A table on standard output. */
void baseline_report_print(const struct baseline_report *report);
/* Replaced when whole. */
int baseline_report_write(const struct baseline_report *report, const char *path);

/* The scores of an experiment's samples as CSV, by subject and time; replaced when whole. Of a binary task as evaluate's
 * (ehr/predictions.h); else subject_id, prediction_time, classes (numbers with ; between), and the probability of each class by its name. */
int baseline_predictions_write(const struct baseline_report *report, const char *path, const char *cohort);

/* Collective; rank 0 writes. The samples as lines of svmlight: label (of sets, classes with commas between), column:value by ascending column (numbered from 0), and in a comment
 * split, subject and number of the sample; before them a comment a column with its name. Replaced when whole. */
int baseline_matrix_write(const struct features *features, const struct comm *comm, const char *path);

#endif
