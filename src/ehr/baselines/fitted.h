/* A baseline fitted to a training set: settings from a grid, of which the set's tuning samples choose. Ranks share the rows of a logistic
 * regression; trees of different settings are grown by different ranks, each with all rows.
 */
#ifndef MEDTOK_EHR_BASELINES_FITTED_H
#define MEDTOK_EHR_BASELINES_FITTED_H

#include "ehr/baselines/few_shot.h"
#include "ehr/baselines/terms.h"
#include "measure/scores.h"

struct fitted {
    int64_t n_columns; /* that were fitted */
    double tuning;     /* the score on tuning by which it was chosen */
    /* logistic */
    double strength;
    int64_t iterations;
    int converged;
    double *weights; /* [features' columns + 1] */
    /* trees */
    int64_t depth, rounds;
    double rate;
    int64_t model_size;
    char *model;
    int32_t *column_in; /* [features' columns] column of the model, or -1 */
};

/* Collective. Free in any case. */
int fitted_make(struct fitted *fitted, const struct baseline_terms *terms, const struct training_set *set);
void fitted_free(struct fitted *fitted);

/* Collective. Scores (probabilities) of rows[n], ascending by sample, on every rank: the samples of all ranks, each once. */
int fitted_score(const struct fitted *fitted, const struct baseline_terms *terms, int64_t n,
                 const struct chosen_row *rows, int64_t *n_all, struct scored_sample **samples);

#endif
