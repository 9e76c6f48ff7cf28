/* What predictions are worth, alone or beside others of the same samples: scores, intervals, and the paired difference. */
#ifndef MEDTOK_MEASURE_COMPARISON_H
#define MEDTOK_MEASURE_COMPARISON_H

#include "measure/scores.h"

struct scored_arm {
    const char *name; /* of its file, borrowed */
    int64_t n;
    struct scored_sample *samples; /* [n], owned */
    double threshold;              /* chosen on other samples; NaN: none */
    /* ---- made by comparison_compute ---- */
    struct scores scores[N_WEIGHTINGS];
    struct estimate estimates[N_SCORES_ESTIMATES];
};

/* Set arms and n_arms, the rest zero. Free in any case. */
struct comparison {
    struct scored_arm arms[2];
    int n_arms;
    struct estimate difference[N_SCORES_ESTIMATES]; /* the first less the second */
};

/* Collective; every rank has the same. */
int comparison_compute(struct comparison *comparison, const struct bootstrap *bootstrap);
void comparison_free(struct comparison *comparison);

/* A table on standard output. */
void comparison_print(const struct comparison *comparison, const struct bootstrap *bootstrap);

/* The same as JSON, replaced when whole. */
int comparison_write(const struct comparison *comparison, const struct bootstrap *bootstrap, const char *path);

#endif
