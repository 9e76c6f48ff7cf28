/* The library XGBoost (1.7 or later), found while the program runs: it is built and runs without. */
#ifndef MEDTOK_EHR_BASELINES_XGBOOST_H
#define MEDTOK_EHR_BASELINES_XGBOOST_H

#include <stdint.h>

#include "fit/sparse_rows.h"

struct xgboost; /* opaque */

/* path: the library's file; "": libxgboost.so, wherever the system finds it. An error says what is missing and how to get it. */
int xgboost_open(struct xgboost **library, const char *path);
void xgboost_close(struct xgboost *library); /* NULL is allowed */

/* "1.7.4" */
void xgboost_version(const struct xgboost *library, char text[32]);

struct xgboost_settings {
    int64_t depth, rounds;
    double rate;
    int n_classes; /* 2: binary:logistic; more: multi:softprob */
    int threads;
};

/* Trees for rows of n_columns columns; what a row has not is missing. label, weight [rows->n]. The model as *model [*size], which the caller
 * frees. Parameters that are not named are the library's own. */
int xgboost_fit(const struct xgboost *library, const struct xgboost_settings *settings, const struct sparse_rows *rows,
                int64_t n_columns, const float *label, const float *weight, int64_t *size, char **model);

/* Probabilities [rows->n, outputs] by the first `rounds` rounds of a model: of class 1 for two classes (outputs 1), else of each. */
int xgboost_predict(const struct xgboost *library, int64_t size, const char *model, int64_t rounds, int threads,
                    const struct sparse_rows *rows, int64_t n_columns, int outputs, float *probability);

#endif
