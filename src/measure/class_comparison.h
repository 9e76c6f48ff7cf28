/* What predictions of many classes are worth, alone or beside others of the same samples: as measure/comparison.h of binary tasks. */
#ifndef MEDTOK_MEASURE_CLASS_COMPARISON_H
#define MEDTOK_MEASURE_CLASS_COMPARISON_H

#include "measure/class_scores.h"

struct class_arm {
    const char *name;                     /* of its file, borrowed */
    struct class_predictions predictions; /* borrows; its threshold is chosen on other samples, or NaN */
    /* ---- made by class_comparison_compute ---- */
    struct class_scores scores;
    struct estimate estimates[N_CLASS_SCORES_ESTIMATES];
};

/* Set arms, n_arms and class_names, the rest zero. Free in any case. */
struct class_comparison {
    struct class_arm arms[2];
    int n_arms;
    char *const *class_names;                             /* [n_classes], borrowed */
    struct estimate difference[N_CLASS_SCORES_ESTIMATES]; /* the first less the second */
};

/* Collective; every rank has the same but for names, which rank 0 has. */
int class_comparison_compute(struct class_comparison *comparison, const struct bootstrap *bootstrap);
void class_comparison_free(struct class_comparison *comparison);

/* A table on standard output. */
void class_comparison_print(const struct class_comparison *comparison, const struct bootstrap *bootstrap);

/* The same as JSON, with each class's scores, replaced when whole. */
int class_comparison_write(const struct class_comparison *comparison, const struct bootstrap *bootstrap,
                           const char *path);

#endif
