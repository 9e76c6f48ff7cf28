/* What a task asks of a future, and whether a future that is being made has it: settings ehr.outcome, ehr.horizon, or as the task's name tells.
 *
 *   admission      an admission                                readmission_15d, readmission_30d: within so many days
 *   death          a death
 *   death-in-stay  a death in the stay that goes on at the prediction time, else in the next one, or at the very time of its discharge
 *                                                              mortality, mortality_24h
 *   icu            intensive care, before the stay that goes on ends
 *   TEXT ...       a code whose text in the cohort begins with one of these
 *
 * A future without it ends without a hit: at the horizon, at ETHOS_END, at a death, at the end of the stay that counts.
 */
#ifndef MEDTOK_EHR_MODELS_ETHOS_OUTCOME_H
#define MEDTOK_EHR_MODELS_ETHOS_OUTCOME_H

#include "ehr/models/ethos_timeline.h"

enum ethos_event { ETHOS_ADMITTED, ETHOS_DIES, ETHOS_DIES_IN_STAY, ETHOS_IN_ICU, ETHOS_GETS_CODE };

struct ethos_outcome {
    enum ethos_event event;
    int64_t horizon; /* microseconds from the prediction time */
    int32_t *codes;  /* [n_codes] of the cohort, of ETHOS_GETS_CODE; owned */
    long long n_codes;
};

/* STATUS_USAGE: neither settings nor the task's name say one, or no code begins so. Free in any case. */
int ethos_outcome_make(struct ethos_outcome *outcome, const struct ehr_options *options, const struct ehr_data *data);
void ethos_outcome_free(struct ethos_outcome *outcome);

enum ethos_verdict { ETHOS_OPEN, ETHOS_HIT, ETHOS_MISS };

/* How far a future is. */
struct ethos_progress {
    int64_t time, until, now; /* now: the prediction time */
    int in_stay;              /* an admission without a discharge */
    int has_begun;            /* the stay that counts */
};

/* At the end of the history, a timeline. */
struct ethos_progress ethos_progress_begin(const struct ethos_outcome *outcome, const struct ethos_timeline *timeline);

/* After a unit was added to the timeline at progress->time, which an interval moves before (ethos_duration). */
enum ethos_verdict ethos_progress_step(struct ethos_progress *progress, const struct ethos_outcome *outcome,
                                       const struct ethos_vocabulary *vocabulary,
                                       const struct ethos_timeline *timeline);

#endif
