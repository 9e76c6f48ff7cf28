/* How several arms score the same samples: average precision and AUROC of each, the mean over its replicates (seeds), and how far it is
 * above others, in resamples of subjects that are the same for all.
 *
 * Of a binary task these are the measures of measure/scores.h; of several classes the plain mean over classes, as macro of
 * measure/class_scores.h. The interval is that of the mean over the replicates that there are: it tells of the subjects, not of seeds.
 */
#ifndef MEDTOK_MEASURE_ARMS_H
#define MEDTOK_MEASURE_ARMS_H

#include "measure/bootstrap.h"
#include "store/task_samples.h"

/* Samples [n] and their labels; borrowed. Scores of a sample: of label 1 (LABEL_BINARY), or of each class. */
struct compared_samples {
    enum label_form form;
    int32_t n_classes;
    int64_t n;
    const int64_t *subject;     /* [n] */
    const int32_t *label;       /* [n] of LABEL_BINARY and LABEL_CLASS */
    const int64_t *set_offsets; /* [n + 1] of LABEL_SET */
    const int32_t *set;
    const uint8_t *taken; /* [n] 0: left out; NULL: all are taken */
};

/* How many scores a sample has. */
static inline int32_t compared_outputs(const struct compared_samples *samples) {
    return samples->form == LABEL_BINARY ? 1 : samples->n_classes;
}

/* What random scores have as average precision; of several classes the mean over those with positive samples. NaN without any.
 * *n, *n_positive: samples that are taken; those of them with label 1, or pairs of a sample and a class of its own. */
double compared_prevalence(const struct compared_samples *samples, int64_t *n, int64_t *n_positive);

struct compared_arm {
    int n_replicates;
    const double *const *scores; /* [n_replicates] of [n, outputs] */
    const uint8_t *const *taken; /* [n_replicates] of [n]: in place of the samples' own; NULL: these */
};

enum arms_measure { ARMS_AVERAGE_PRECISION, ARMS_AUROC, N_ARMS_MEASURES };
enum { MOST_REFERENCES = 2, MOST_COMPARED_ARMS = BOOTSTRAP_MOST_RESULTS / (N_ARMS_MEASURES * (1 + MOST_REFERENCES)) };

struct arm_estimates {
    struct estimate value[N_ARMS_MEASURES];
    struct estimate over[MOST_REFERENCES][N_ARMS_MEASURES]; /* the arm less the reference */
};

/* The measures of one arm on all samples that are taken, without intervals; NaN where they cannot be formed. */
int arm_measure(const struct compared_samples *samples, const double *scores, double values[N_ARMS_MEASURES]);

/* Collective; every rank passes the same. reference [MOST_REFERENCES]: arms, or -1. estimates [n_arms]; n_arms at most
 * MOST_COMPARED_ARMS, each with a replicate or more. Memory: 16 bytes for each score. */
int arms_compare(const struct bootstrap *bootstrap, const struct compared_samples *samples, int n_arms,
                 const struct compared_arm *arms, const int reference[MOST_REFERENCES],
                 struct arm_estimates *estimates);

#endif
