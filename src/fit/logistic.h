/* Logistic regression with an L2 penalty, as scikit-learn states it:
 *
 *   minimise  C * sum over rows i of weight_i * loss(label_i, z_i)  +  w.w / 2,      z_i = sum over columns j of w_j x_ij / m_j  +  b
 *
 * with m_j the largest |x_ij|, loss = -log of the probability that the label is given; the intercept b is not penalised. Two classes have one
 * output (probability 1 / (1 + exp -z)), n > 2 have n outputs (softmax) and the penalty is over the weights of all.
 *
 * By L-BFGS, whose first estimate is the Hessian's diagonal where all rows have the mean probabilities; along a direction the loss is a function
 * of the sums z alone, so that looking for the length of a step costs no product with the matrix. The penalised part of the Hessian is at
 * least the identity: weights are as near to their optimum as the gradient is long, in the end.
 */
#ifndef MEDTOK_FIT_LOGISTIC_H
#define MEDTOK_FIT_LOGISTIC_H

#include "fit/design.h"

struct logistic {
    int64_t n_columns;
    int n_outputs;   /* 1 for two classes */
    double *weights; /* [n_columns + 1, n_outputs] of scaled columns; the last are the intercepts */
    /* of the last fit */
    int64_t n_iterations;
    double objective, gradient; /* length of the gradient */
    int converged;
};

/* Weights 0. n_outputs: 1 for two classes, else one a class (at most LOGISTIC_MOST_OUTPUTS). Free in any case. */
enum { LOGISTIC_MOST_OUTPUTS = 1024 };
int logistic_make(struct logistic *logistic, int64_t n_columns, int n_outputs);
void logistic_free(struct logistic *logistic);

struct logistic_options {
    double strength;    /* C */
    double tolerance;   /* length of the gradient at which the fit ends */
    int64_t iterations; /* at most */
    int pairs;          /* of steps that L-BFGS keeps, each of 16 bytes a weight; 0: LBFGS_PAIRS */
    int (*poll)(void);  /* asked before each iteration; NULL: none */
};

/* Collective. Fits from the weights that are there; the same on every rank. */
int logistic_fit(struct logistic *logistic, const struct design *design, const struct logistic_options *options);

/* Collective. The objective at the weights, and its gradient [n_columns + 1, n_outputs]. */
int logistic_objective(const struct logistic *logistic, const struct design *design, double strength, double *objective,
                       double *gradient);

/* The sums z [rows, n_outputs] of the rows of a design whose columns are those of the fit. */
int logistic_sums(const struct logistic *logistic, const struct design *design, double *z);

/* Weights for rows of the source: full [source's columns + 1, n_outputs], 0 for columns that the design has not; scaling is in them. */
void logistic_spread(const struct logistic *logistic, const struct design *design, int64_t n_columns, double *full);

/* Probabilities of a row of the source, [n_outputs]: by softmax, or each output by itself (of label 1). */
void logistic_score(const double *full, int64_t n_columns, int n_outputs, int softmax, int64_t n, const int32_t *column,
                    const float *value, double *probability);

#endif
