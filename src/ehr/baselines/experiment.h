/* A baseline fitted to one training set after another (all of train, learning curves, few-shot draws), each scored on the whole split that
 * is scored, and on those of its samples whose codes that training set has not. */
#ifndef MEDTOK_EHR_BASELINES_EXPERIMENT_H
#define MEDTOK_EHR_BASELINES_EXPERIMENT_H

#include "ehr/baselines/fitted.h"

struct baseline_trial {
    enum training_kind kind;
    int64_t size, replicate;
    int64_t n_rows;       /* different samples that were learned from */
    struct fitted fitted; /* weights and model of the last alone, the one of all of train */
    struct scored_part whole;
    struct scored_part unseen; /* samples with medical codes, of which training had none */
    int64_t n_some_unseen;     /* samples with a medical code that training had not */
};

struct experiment {
    int64_t n;
    struct baseline_trial *trials; /* [n] few-shot, learning curves, all */
    struct sample_scores samples;  /* predictions of the last */
};

/* Collective. bootstrap: of the intervals. Free in any case. */
int experiment_run(struct experiment *experiment, const struct baseline_terms *terms,
                   const struct bootstrap *bootstrap);
void experiment_free(struct experiment *experiment);

static inline int baseline_scored_split(const struct baseline_options *options) {
    return options->score == BASELINE_TUNING ? SPLIT_TUNING : SPLIT_HELD_OUT;
}

#endif
