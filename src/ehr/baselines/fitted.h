/* A baseline fitted to a training set: settings from a grid, of which the set's tuning samples choose. Ranks share the rows of a logistic
 * regression; trees of different settings are grown by different ranks, each with all rows.
 *
 * Samples of one class of several have one softmax; of sets of classes each class has a model of its own (one against the rest), with the
 * same settings for all.
 */
#ifndef MEDTOK_EHR_BASELINES_FITTED_H
#define MEDTOK_EHR_BASELINES_FITTED_H

#include "ehr/baselines/few_shot.h"
#include "ehr/baselines/sample_scores.h"
#include "ehr/baselines/terms.h"

struct fitted {
    enum label_form form;
    int n_outputs;
    int64_t n_columns; /* that were fitted */
    double tuning;     /* the score on tuning by which it was chosen */
    /* logistic */
    double strength;
    int64_t iterations; /* of all its fits */
    int converged;      /* all of them */
    double *weights;    /* [features' columns + 1, n_outputs] */
    /* trees */
    int64_t depth, rounds;
    double rate;
    int n_models;
    int64_t *model_size; /* [n_models] */
    char **model;
    int32_t *column_in; /* [features' columns] column of the models, or -1 */
};

/* Collective. Free in any case. */
int fitted_make(struct fitted *fitted, const struct baseline_terms *terms, const struct training_set *set);
void fitted_free(struct fitted *fitted);
/* Frees what scores samples, and keeps what is told of it. */
void fitted_forget(struct fitted *fitted);

/* Collective. Scores of rows[n], ascending by sample, on every rank: each sample once. Free in any case. */
int fitted_score(const struct fitted *fitted, const struct baseline_terms *terms, int64_t n,
                 const struct chosen_row *rows, struct sample_scores *scores);

#endif
