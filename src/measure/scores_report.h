/* How scores of binary tasks are written: as JSON of ours, as that of meds-evaluation, and as a table for people. */
#ifndef MEDTOK_MEASURE_SCORES_REPORT_H
#define MEDTOK_MEASURE_SCORES_REPORT_H

#include "base/json.h"
#include "measure/scores.h"

/* Members of an object, one a measure: "auroc": {"value": .., "low": .., "high": ..}; of those that cannot be formed, null.
 * Average precision has its "prevalence", unless that is NaN. */
void scores_write_estimates(struct json *json, enum weighting weighting, double prevalence,
                            const struct estimate estimates[N_SCORES_ESTIMATES]);

/* "calibration": the bins. */
void scores_write_calibration(struct json *json, const struct scores *scores);

/* The JSON of scores of meds-evaluation 0.0.6, to all digits, replaced when whole: its six measures for samples_equally_weighted and
 * subjects_equally_weighted. Accuracy and F1 are of the decisions that were given, or else at 0.5. By subjects they are the expectation
 * of what the package draws four samples of each subject for. */
int meds_evaluation_write(const char *path, const struct scores scores[N_WEIGHTINGS]);

/* A line a measure that can be formed: its value and interval by samples and by subjects. */
void scores_print(const struct estimate estimates[N_SCORES_ESTIMATES]);

#endif
