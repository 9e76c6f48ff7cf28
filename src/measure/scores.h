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
 *                      bins that hold samples (as in meds-evaluation)
 *   accuracy, F1       of the decisions "the score is 0.5 or more"; of those at a threshold that was chosen on other samples
 *                      (`chosen`); and of decisions that came with the scores (`given`). F1 is 0 where no sample is positive
 *                      or thought to be (as in scikit-learn)
 *
 * Each with samples as the units, and with subjects: a sample then counts 1 / samples of its subject (measure/subject_units.h).
 *
 * What cannot be formed is NaN: AUROC without both kinds, average precision without positives, all without samples; Brier,
 * log loss and calibration if a score is not in [0, 1]; accuracy and F1 of decisions that a sample lacks.
 */
#ifndef MEDTOK_MEASURE_SCORES_H
#define MEDTOK_MEASURE_SCORES_H

#include "measure/bootstrap.h"
#include "measure/subject_units.h"

enum decision { DECISION_NONE, DECISION_FALSE, DECISION_TRUE };

struct scored_sample {
    int64_t sample, subject; /* the sample's number in its task; the subject's in the cohort */
    int64_t label;           /* 0 or 1 */
    double score;            /* higher: more likely 1 */
    enum decision chosen, given;
};

/* The measures, once: AUROC gives ESTIMATE_AUROC, the member auroc of struct scores, and the name "auroc". */
#define SCORES_MEASURES(MEASURE)                                                                                       \
    MEASURE(AUROC, auroc)                                                                                              \
    MEASURE(AVERAGE_PRECISION, average_precision)                                                                      \
    MEASURE(BRIER, brier)                                                                                              \
    MEASURE(LOG_LOSS, log_loss)                                                                                        \
    MEASURE(CALIBRATION_ERROR, calibration_error)                                                                      \
    MEASURE(ACCURACY, accuracy)                                                                                        \
    MEASURE(F1, f1)                                                                                                    \
    MEASURE(ACCURACY_CHOSEN, accuracy_chosen)                                                                          \
    MEASURE(F1_CHOSEN, f1_chosen)                                                                                      \
    MEASURE(ACCURACY_GIVEN, accuracy_given) MEASURE(F1_GIVEN, f1_given)

#define SCORES_NUMBER(NAME, name) ESTIMATE_##NAME,
enum scores_estimate { SCORES_MEASURES(SCORES_NUMBER) N_SCORES_MEASURES };
#undef SCORES_NUMBER
extern const char *const SCORES_NAMES[N_SCORES_MEASURES];

/* Estimates by samples stand first, then those by subjects: estimates[weighting * N_SCORES_MEASURES + measure]. */
enum { N_SCORES_ESTIMATES = N_WEIGHTINGS * N_SCORES_MEASURES, CALIBRATION_BINS = 10 };

struct scores {
    int64_t n, n_positive, n_subjects;
    double prevalence; /* what a random score has as average precision */
#define SCORES_MEMBER(NAME, name) double name;
    SCORES_MEASURES(SCORES_MEMBER)
#undef SCORES_MEMBER
    struct calibration_bin {
        int64_t n;
        double score, positive; /* mean score, share of positives; 0 if empty */
    } bins[CALIBRATION_BINS];
};

/* Collective. The samples [n] of all ranks, ascending by number, on every rank: the same for any number of ranks. The
 * caller frees *all. Fails if a sample comes twice, or a score is NaN. */
int scored_samples_gather(const struct comm *comm, int64_t n, const struct scored_sample *samples, int64_t *n_all,
                          struct scored_sample **all);

/* Scores of samples[n], whose numbers do not matter. The first: by samples. */
int scores_compute(int64_t n, const struct scored_sample *samples, struct scores *scores);
int scores_compute_by(enum weighting weighting, int64_t n, const struct scored_sample *samples, struct scores *scores);

/* The threshold, one of the scores, whose decisions "the score is as high or higher" have the best F1 on samples[n], by samples; the
 * highest of such. Infinite if no sample is positive. */
int scores_choose_threshold(int64_t n, const struct scored_sample *samples, double *threshold);

/* Sets `chosen` of samples[n]. */
void scored_samples_decide(int64_t n, struct scored_sample *samples, double threshold);

/* Collective; every rank passes the same. Intervals by resampling subjects, each with all its samples. That of the calibration error,
 * which is larger in any resample, is shifted (measure/bootstrap.h). */
int scores_bootstrap(const struct bootstrap *bootstrap, int64_t n, const struct scored_sample *samples,
                     struct estimate estimates[N_SCORES_ESTIMATES]);

/* The same of a - b: two arms scored the same samples, and each resample draws the same subjects for both. Fails if the
 * samples differ in more than their scores and decisions. */
int scores_bootstrap_difference(const struct bootstrap *bootstrap, int64_t n, const struct scored_sample *a,
                                const struct scored_sample *b, struct estimate estimates[N_SCORES_ESTIMATES]);

#endif
