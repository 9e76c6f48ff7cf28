/* A model of health records from a cohort to its scores: data and vectors once, then for each seed a training and what it is worth. */
#ifndef MEDTOK_EHR_EVALUATION_H
#define MEDTOK_EHR_EVALUATION_H

#include "ehr/arms.h"
#include "ehr/learner.h"
#include "ehr/results.h"
#include "train/checkpoint_ring.h"

/* Set what stands before the line, the rest zero. Free in any case. */
struct ehr_evaluation {
    const struct comm *comm;
    struct device *device;
    int threads;
    int anew; /* what an earlier pre-training left is not taken */
    const struct ehr_options *settings;
    uint64_t data_seed;                /* of the samples that ehr.shots and ehr.train_samples choose */
    const char *cohort, *table, *text; /* files; table, text: of arms that read them */
    /* ---- made by ehr_evaluation_load ---- */
    struct ehr_options options; /* the settings, with sizes filled in */
    struct ehr_data data;
    struct arm arm;
    struct ehr_learner_terms terms;
};

/* Takes other settings: whoever changes them after ehr_evaluation_load knows that they ask for the same data (grid_same_data). */
int ehr_evaluation_set(struct ehr_evaluation *evaluation, const struct ehr_options *settings);

/* Collective. Reads and deals the samples, finds their codes' vectors, and logs what was found. */
int ehr_evaluation_load(struct ehr_evaluation *evaluation);
void ehr_evaluation_free(struct ehr_evaluation *evaluation);

/* Collective. Trains with a seed, saving into the ring, metrics into the file `metrics`. */
int ehr_evaluation_train(struct ehr_evaluation *evaluation, uint64_t seed, const struct checkpoint_ring *ring,
                         const char *metrics);

/* Collective. Scores with the weights in `checkpoint`, so that what is scored is what is kept, the splits tuning and, unless that alone is
 * asked for (ehr.score), held_out. Sets of `result` step, parameters, learned, tuning, threshold and scores, and makes the samples that
 * these are of, which the caller takes over; on every rank. */
int ehr_evaluation_score(struct ehr_evaluation *evaluation, uint64_t seed, const char *checkpoint,
                         struct result *result, struct result_samples *samples[N_RESULT_SPLITS]);

#endif
