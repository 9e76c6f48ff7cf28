/* How well scores tell classes apart: of samples with one class each (LABEL_CLASS: ten bins of length of stay, softmax scores), or with
 * any number of them (LABEL_SET: 25 phenotypes). AUROC, average precision and F1 are those of measure/scores.h.
 *
 *   micro     of all pairs of a sample and a class, as one list
 *   macro     plain mean over classes; of a class without positive samples nothing can be said, of one without negative ones
 *             no AUROC, of one that nobody has or is thought to have no F1: these are left out, and counted
 *   weighted  the mean over the same classes, each weighted by its positive samples
 *   samples   plain mean over samples of the same measure over the classes of one sample, those left out for which it cannot be
 *             formed. Of sets alone
 *   F1        of sets: of the decisions "the score is 0.5 or more", and of those at a threshold chosen on other samples
 *             (`chosen`). Of classes: of the class with the highest score, the first of several
 *   accuracy, kappa    of classes alone: share of samples whose highest score is their class's; Cohen's kappa with
 *             linear weights |class - other| (Cohen, 1968), of the numbers 0 .. n_classes - 1
 *
 * Beside each average precision stands its prevalence, averaged alike, which is about what random scores have. Each by samples and by
 * subjects (measure/subject_units.h). In a resample a class may have lost its samples: it is left out of that one.
 *
 * All equal scikit-learn's values, F1 those with zero_division=nan, kappa those with labels=range(n_classes).
 */
#ifndef MEDTOK_MEASURE_CLASS_SCORES_H
#define MEDTOK_MEASURE_CLASS_SCORES_H

#include "measure/bootstrap.h"
#include "measure/subject_units.h"
#include "store/task_samples.h"

/* Scores of samples [n]; borrowed. */
struct class_predictions {
    enum label_form form; /* LABEL_CLASS or LABEL_SET */
    int64_t n;
    int32_t n_classes;
    const int64_t *subject;     /* [n] */
    const float *scores;        /* [n, n_classes] */
    const int32_t *label;       /* LABEL_CLASS: [n] */
    const int64_t *set_offsets; /* LABEL_SET: [n + 1] */
    const int32_t *set;         /* LABEL_SET: classes, ascending within a sample */
    double threshold;           /* LABEL_SET: chosen on other samples; NaN: none */
};

#define CLASS_AVERAGES(MEASURE, NAME, name)                                                                            \
    MEASURE(NAME##_MICRO, name##_micro)                                                                                \
    MEASURE(NAME##_MACRO, name##_macro)                                                                                \
    MEASURE(NAME##_WEIGHTED, name##_weighted) MEASURE(NAME##_SAMPLES, name##_samples)
#define CLASS_SCORES_MEASURES(MEASURE)                                                                                 \
    CLASS_AVERAGES(MEASURE, AVERAGE_PRECISION, average_precision)                                                      \
    CLASS_AVERAGES(MEASURE, AUROC, auroc)                                                                              \
    CLASS_AVERAGES(MEASURE, F1, f1)                                                                                    \
    CLASS_AVERAGES(MEASURE, F1_CHOSEN, f1_chosen) MEASURE(ACCURACY, accuracy) MEASURE(KAPPA, kappa)

#define CLASS_SCORES_NUMBER(NAME, name) CLASS_##NAME,
enum class_scores_estimate { CLASS_SCORES_MEASURES(CLASS_SCORES_NUMBER) N_CLASS_SCORES_MEASURES };
#undef CLASS_SCORES_NUMBER
extern const char *const CLASS_SCORES_NAMES[N_CLASS_SCORES_MEASURES];

/* As those of measure/scores.h: by samples, then by subjects. */
enum { N_CLASS_SCORES_ESTIMATES = N_WEIGHTINGS * N_CLASS_SCORES_MEASURES, N_CLASS_AVERAGES = 4 };

struct class_score {
    int64_t n_positive;
    double prevalence, auroc, average_precision; /* by samples; NaN where they cannot be formed */
};

struct class_scores {
    int64_t n, n_subjects;
    int32_t n_classes, n_without_positive, n_without_negative;
    double values[N_CLASS_SCORES_ESTIMATES];           /* NaN where they cannot be formed */
    double prevalence[N_WEIGHTINGS][N_CLASS_AVERAGES]; /* of average precision: micro, macro, weighted, samples */
    struct class_score *classes;                       /* [n_classes], owned */
};

/* Memory: 16 bytes for each pair of a sample and a class. Fails if a score is NaN. Free in any case. */
int class_scores_compute(const struct class_predictions *predictions, struct class_scores *scores);
void class_scores_free(struct class_scores *scores);

/* Of sets: the threshold, one for all classes, with the best micro F1 on these samples, as scores_choose_threshold chooses. */
int class_scores_choose_threshold(const struct class_predictions *predictions, double *threshold);

/* Collective; every rank passes the same. Intervals by resampling subjects; of two arms, a - b, likewise, which fails if their samples
 * differ in more than their scores. Memory: as above, for each arm. */
int class_scores_bootstrap(const struct bootstrap *bootstrap, const struct class_predictions *predictions,
                           struct estimate estimates[N_CLASS_SCORES_ESTIMATES]);
int class_scores_bootstrap_difference(const struct bootstrap *bootstrap, const struct class_predictions *a,
                                      const struct class_predictions *b,
                                      struct estimate estimates[N_CLASS_SCORES_ESTIMATES]);

#endif
