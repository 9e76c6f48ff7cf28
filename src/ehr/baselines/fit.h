/* How fitted.c asks for fits. Private to these files. */
#ifndef MEDTOK_EHR_BASELINES_FIT_H
#define MEDTOK_EHR_BASELINES_FIT_H

#include "ehr/baselines/fitted.h"

/* Collective. The model's score on the set's tuning samples; a sample that was drawn several times counts as often. */
int fitted_tuning(const struct fitted *fitted, const struct baseline_terms *terms, const struct training_set *set,
                  double *tuning);

/* Whether a score is the best so far: the first is, then what is larger; a score that cannot be formed is the smallest. */
int is_better(int is_first, double tuning, double best);

/* Collective. Fits of `fitted`, whose form and n_columns are set, to a design. fit_of_class: labels 1 of rows that have the class. */
int fit_logistic(struct fitted *fitted, const struct baseline_terms *terms, const struct training_set *set,
                 struct design *design);
int fit_trees(struct fitted *fitted, const struct baseline_terms *terms, const struct training_set *set,
              struct design *design);

/* The labels of a design's rows: whether they have a class, of sets. */
void design_label_class(struct design *design, const struct features *features, const struct training_set *set,
                        int32_t class);

/* Scores of n rows of this rank, [n, n_outputs]. */
int score_logistic(const struct fitted *fitted, const struct baseline_terms *terms, int64_t n,
                   const struct chosen_row *rows, double *score);
int score_trees(const struct fitted *fitted, const struct baseline_terms *terms, int64_t n,
                const struct chosen_row *rows, double *score);

#endif
