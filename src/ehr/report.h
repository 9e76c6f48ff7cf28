/* What evaluate writes: predictions as CSV, scores as JSON. */
#ifndef MEDTOK_EHR_REPORT_H
#define MEDTOK_EHR_REPORT_H

#include "ehr/data.h"
#include "measure/scores.h"

/* The first line of predictions: MEDS's columns of labels, and those of meds-evaluation for scores. predicted_boolean_value: the
 * probability is 0.5 or more. */
extern const char PREDICTIONS_HEADER[];

/* One line a sample, by subject and time; replaced when whole. `cohort` is the file of the task's samples[n]. */
int predictions_write(const char *path, const char *cohort, const struct ehr_options *options, int64_t n,
                      const struct scored_sample *samples);

/* Of one seed. */
struct trial {
    uint64_t seed;
    int64_t step;                                  /* of the weights that are scored */
    double tuning;                                 /* average precision */
    struct scores scores;                          /* of the split that is scored */
    struct estimate estimates[N_SCORES_ESTIMATES]; /* likewise */
};

struct ehr_report {
    const char *cohort_id, *table_id; /* table_id NULL: no table was read */
    const struct ehr_options *options;
    const struct ehr_data *data;
    int64_t parameters;
    const struct trial *trials; /* [n] */
    int64_t n;
};

/* A table on standard output. */
void ehr_report_print(const struct ehr_report *report);
/* Replaced when whole. */
int ehr_report_write(const struct ehr_report *report, const char *path);

#endif
