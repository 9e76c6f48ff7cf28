/* How well scores tell samples with a label from those without. A sample is a subject at a prediction time.
 *
 *   AUROC              (sum of the ranks of the positive - p (p + 1) / 2) / (p q), p positive, q negative; equal scores
 *                      share the mean of their ranks: the probability that a positive is above a negative, ties
 *                      counting half
 *   average precision  sum over the distinct scores, from the highest, of (R_k - R_(k-1)) P_k: recall and precision of
 *                      all samples with that score or more; nothing is interpolated (as in scikit-learn)
 *   Brier              mean of (score - label)^2 (Brier, 1950)
 *   log loss           mean of -log of what the score gives the label; scores are kept 2^-52 away from 0 and 1
 *   calibration        in 10 bins of equal width, each with its upper end and without its lower one, but for 0: mean
 *                      score and share of positives; its error is the plain mean of |share - mean score| over the
 *                      bins that hold samples
 *
 * What cannot be formed is NaN: AUROC without both kinds, average precision without positives, all without samples; the
 * last three if a score is not in [0, 1].
 */
#ifndef MEDTOK_MEASURE_SCORES_H
#define MEDTOK_MEASURE_SCORES_H

#include "measure/bootstrap.h"

struct scored_sample {
    int64_t sample, subject; /* the sample's number in its task; the subject's in the cohort */
    int64_t label;           /* 0 or 1 */
    double score;            /* higher: more likely 1 */
};

enum { CALIBRATION_BINS = 10 };

struct scores {
    int64_t n, n_positive;
    double prevalence; /* what a random score has as average precision */
    double auroc, average_precision, brier, log_loss, calibration_error;
    struct calibration_bin {
        int64_t n;
        double score, positive; /* mean score, share of positives; 0 if empty */
    } bins[CALIBRATION_BINS];
};

/* Collective. The samples [n] of all ranks, ascending by number, on every rank: the same for any number of ranks. The
 * caller frees *all. Fails if a sample comes twice, or a score is NaN. */
int scored_samples_gather(const struct comm *comm, int64_t n, const struct scored_sample *samples, int64_t *n_all,
                          struct scored_sample **all);

/* Scores of samples[n], whose numbers do not matter. */
int scores_compute(int64_t n, const struct scored_sample *samples, struct scores *scores);

enum scores_estimate { ESTIMATE_AUROC, ESTIMATE_AVERAGE_PRECISION, ESTIMATE_BRIER, N_SCORES_ESTIMATES };

/* Collective; every rank passes the same. Intervals by resampling subjects, each with all its samples. */
int scores_bootstrap(const struct bootstrap *bootstrap, int64_t n, const struct scored_sample *samples,
                     struct estimate estimates[N_SCORES_ESTIMATES]);

/* The same of a - b: two arms scored the same samples, and each resample draws the same subjects for both. Fails if the
 * samples differ in more than their scores. */
int scores_bootstrap_difference(const struct bootstrap *bootstrap, int64_t n, const struct scored_sample *a,
                                const struct scored_sample *b, struct estimate estimates[N_SCORES_ESTIMATES]);

#endif
