/* Scores of samples, whatever their labels are (one of two, one of several classes, any of them), and what they are worth. */
#ifndef MEDTOK_EHR_BASELINES_SAMPLE_SCORES_H
#define MEDTOK_EHR_BASELINES_SAMPLE_SCORES_H

#include "ehr/baselines/features.h"
#include "measure/class_scores.h"
#include "measure/scores.h"

/* Ascending by sample. A score is the probability of label 1 (n_outputs 1), or of each class. */
struct sample_scores {
    int64_t n;
    int n_outputs;
    int64_t *sample, *subject; /* [n] owned */
    double *score;             /* [n, n_outputs] owned */
};

/* How many a task's samples have. */
static inline int n_outputs_of(const struct features *f) { return f->form == LABEL_BINARY ? 1 : f->n_classes; }

/* n samples, to be filled in. Free in any case. */
int sample_scores_make(struct sample_scores *scores, int64_t n, int n_outputs);
void sample_scores_free(struct sample_scores *scores);

/* Collective. all: those of all ranks, which have runs of samples in their order, on every rank. Free in any case. */
int sample_scores_gather(const struct comm *comm, const struct sample_scores *own, struct sample_scores *all);

/* Average precision or AUROC; of several classes the plain mean over them. NaN where there is none. */
int sample_scores_measure(const struct features *features, const struct sample_scores *scores,
                          enum baseline_measure measure, double *value);

/* All measures of measure/scores.h or measure/class_scores.h, by samples. */
enum {
    MOST_MEASURES =
        (int)N_CLASS_SCORES_MEASURES > (int)N_SCORES_MEASURES ? (int)N_CLASS_SCORES_MEASURES : (int)N_SCORES_MEASURES
};
struct scored_part {
    int64_t n, n_positive; /* n_positive: of a binary task */
    double prevalence;     /* what a random score has as average precision (of classes: as their mean) */
    struct estimate estimates[MOST_MEASURES];
};

/* Collective; every rank passes the same. With intervals. */
int sample_scores_estimate(const struct bootstrap *bootstrap, const struct features *features,
                           const struct sample_scores *scores, struct scored_part *part);

/* What the measures of a task are called, and which two of them a table shows: AUROC and average precision. */
int measures_of(const struct features *features, const char *const **names);
void shown_measures(const struct features *features, int shown[2]);

/* The samples as measure/scores.h has them, of a binary task; the caller frees. */
int scored_samples_make(const struct features *features, const struct sample_scores *scores,
                        struct scored_sample **samples);

#endif
