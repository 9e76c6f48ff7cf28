/* A model of health records from a cohort to its scores: data and vectors once, then for each seed a training and what it is worth. */
#ifndef MEDTOK_EHR_EVALUATION_H
#define MEDTOK_EHR_EVALUATION_H

#include "ehr/learner.h"
#include "ehr/medtok_vectors.h"
#include "train/checkpoint_ring.h"

/* Whether an arm reads MedTok's token table. */
int ehr_reads_table(const struct ehr_options *options);

/* Set what stands before the line, the rest zero. Free in any case. */
struct ehr_evaluation {
    const struct comm *comm;
    struct device *device;
    int threads;
    const struct ehr_options *settings;
    uint64_t data_seed;         /* of the samples that ehr.shots and ehr.train_samples choose */
    const char *cohort, *table; /* files; table: of arms that read one */
    /* ---- made by ehr_evaluation_load ---- */
    struct ehr_options options; /* the settings, with sizes filled in */
    struct ehr_data data;
    struct medtok_vectors medtok;
    float *vectors; /* of rows of codes; NULL in arms without */
    struct ehr_learner_terms terms;
};

/* Collective. Reads and deals the samples, finds their codes' vectors, and logs what was found. */
int ehr_evaluation_load(struct ehr_evaluation *evaluation);
void ehr_evaluation_free(struct ehr_evaluation *evaluation);

/* Of one seed. */
struct trial {
    uint64_t seed;
    int64_t step;                                  /* of the weights that are scored */
    int64_t parameters;                            /* of the model */
    double tuning;                                 /* average precision */
    double threshold;                              /* with the best F1 on tuning; NaN: tuning is what is scored */
    struct scores scores[N_WEIGHTINGS];            /* of the split that is scored */
    struct estimate estimates[N_SCORES_ESTIMATES]; /* likewise */
};

/* Collective. Trains with a seed, saving into the ring, metrics into the file `metrics`. */
int ehr_evaluation_train(struct ehr_evaluation *evaluation, uint64_t seed, const struct checkpoint_ring *ring,
                         const char *metrics);

/* Where the files of a seed are written; NULL: nowhere. */
struct trial_files {
    const char *predictions;     /* ehr/predictions.h */
    const char *meds_evaluation; /* measure/scores_report.h */
};

/* Collective. Scores with the weights in `checkpoint`, so that what is scored is what is kept: the split tuning, which the threshold comes
 * from, then the one that is asked for, with intervals, and writes the files. */
int ehr_evaluation_score(struct ehr_evaluation *evaluation, uint64_t seed, const char *checkpoint,
                         const struct trial_files *files, const struct bootstrap *bootstrap, struct trial *trial);

#endif
