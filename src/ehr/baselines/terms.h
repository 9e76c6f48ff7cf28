/* What the fits of a baseline have in common: data, settings with their lists read, the library of trees. */
#ifndef MEDTOK_EHR_BASELINES_TERMS_H
#define MEDTOK_EHR_BASELINES_TERMS_H

#include "ehr/baselines/features.h"
#include "ehr/baselines/xgboost.h"

/* Numbers of a setting that is a list. */
struct number_list {
    int n;
    double *items; /* owned */
};

/* Borrowed but for the lists and the library. */
struct baseline_terms {
    const struct comm *comm;
    const struct baseline_options *options;
    const struct features *features;
    int threads;
    uint64_t seed;
    int (*poll)(void);                                                 /* NULL: none */
    struct number_list strengths, depths, rates, rounds, shots, sizes; /* ascending */
    struct xgboost *library;                                           /* NULL: logistic */
};

/* STATUS_USAGE if the settings cannot be: a list of no numbers, a group of columns that there is not, words without descriptions. */
int baseline_options_check(const struct baseline_options *options);

/* Reads the lists of terms->options, and opens the library where trees are wanted. Free in any case. */
int baseline_terms_make(struct baseline_terms *terms);
void baseline_terms_free(struct baseline_terms *terms);

#endif
