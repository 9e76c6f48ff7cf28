/* Directions of descent by L-BFGS (Nocedal, 1980; Nocedal and Wright, Numerical Optimization, algorithm 7.4): what an estimate of the inverse
 * Hessian from the last steps makes of a gradient. The first estimate is a diagonal that the caller gives.
 */
#ifndef MEDTOK_FIT_LBFGS_H
#define MEDTOK_FIT_LBFGS_H

#include <stdint.h>

enum { LBFGS_PAIRS = 30 };

struct lbfgs {
    int64_t n;
    int most;                     /* pairs that are kept, at most LBFGS_PAIRS */
    double *steps, *changes;      /* [most, n] of the last steps: what was added to the point, and to the gradient */
    double products[LBFGS_PAIRS]; /* [most] step . change of each */
    int n_pairs, next;            /* next: where the next pair goes */
};

int lbfgs_make(struct lbfgs *lbfgs, int64_t n, int most_pairs);
void lbfgs_free(struct lbfgs *lbfgs);
void lbfgs_forget(struct lbfgs *lbfgs);

/* Adds a pair; one along which the gradient does not grow is left out, since the function is convex and it is rounding then. */
void lbfgs_add(struct lbfgs *lbfgs, const double *step, const double *change);

/* direction [n] = - estimate * gradient. inverse_diagonal [n]: the first estimate, but for a factor. */
void lbfgs_direction(const struct lbfgs *lbfgs, const double *gradient, const double *inverse_diagonal,
                     double *direction);

double dot_product(int64_t n, const double *a, const double *b);

#endif
