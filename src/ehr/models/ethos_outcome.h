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

/* How far a future is. What was up to the prediction time is known: nothing but the history. So a future begins with the interval from
 * the history's last event to one behind that time, of 6 months and more with several, or is none, ETHOS_END; what would come up to
 * 5 minutes later, without an interval, no future has. */
struct ethos_progress {
    int64_t time, until, now; /* now: the prediction time */
    int64_t gap;              /* from the history's last event to it */
    int64_t n_silent;         /* intervals that come before anything else */
    int in_stay;              /* an admission without a discharge */
    int has_begun;            /* the stay that counts */
};

/* At the end of the history, a timeline. */
struct ethos_progress ethos_progress_begin(const struct ethos_outcome *outcome, const struct ethos_timeline *timeline);

/* What the probability of a next unit is multiplied with, for what is known: 1 of all units from the first event on. Until then of an interval
 * what of it lies behind the prediction time, of ETHOS_END, by which nothing more comes, 1, and of other units 0. */
double ethos_progress_share(const struct ethos_progress *progress, int32_t unit);

/* Moves the time by the unit that comes next. */
void ethos_progress_move(struct ethos_progress *progress, int32_t unit);

/* After that unit was added to the timeline at progress->time. */
enum ethos_verdict ethos_progress_step(struct ethos_progress *progress, const struct ethos_outcome *outcome,
                                       const struct ethos_vocabulary *vocabulary,
                                       const struct ethos_timeline *timeline);

#endif
