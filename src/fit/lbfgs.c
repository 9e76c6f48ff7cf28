#include "fit/lbfgs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int lbfgs_make(struct lbfgs *l, int64_t n, int most_pairs) {
    *l = (struct lbfgs){.n = n, .most = most_pairs};
    TRY(mem_alloc(&l->steps, most_pairs * n, sizeof *l->steps));
    return mem_alloc(&l->changes, most_pairs * n, sizeof *l->changes);
}

void lbfgs_free(struct lbfgs *l) {
    free(l->steps);
    free(l->changes);
    *l = (struct lbfgs){0};
}

void lbfgs_forget(struct lbfgs *l) { l->n_pairs = l->next = 0; }

double dot_product(int64_t n, const double *a, const double *b) {
    enum { LANES = 8 }; /* sums of their own, so that they can be vectors */
    double lanes[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) lanes[k] += a[i + k] * b[i + k];
    for (; i < n; i++) sum += a[i] * b[i];
    for (int k = 0; k < LANES; k++) sum += lanes[k];
    return sum;
}

void lbfgs_add(struct lbfgs *l, const double *step, const double *change) {
    static const double LEAST = 1e-14; /* of the cosine between step and change */
    double product = dot_product(l->n, step, change);
    double lengths = sqrt(dot_product(l->n, step, step) * dot_product(l->n, change, change));
    if (!(product > LEAST * lengths)) return;
    memcpy(l->steps + l->next * l->n, step, (size_t)l->n * sizeof *step);
    memcpy(l->changes + l->next * l->n, change, (size_t)l->n * sizeof *change);
    l->products[l->next] = product;
    l->next = (l->next + 1) % l->most;
    l->n_pairs += l->n_pairs < l->most;
}

static void add_scaled(int64_t n, double factor, const double *from, double *to) {
    for (int64_t i = 0; i < n; i++) to[i] += factor * from[i];
}

/* By how much the last pair says that the diagonal is wrong. */
static double factor_of(const struct lbfgs *l, int last, const double *inverse_diagonal) {
    const double *change = l->changes + last * l->n;
    double sum = 0;
    for (int64_t i = 0; i < l->n; i++) sum += change[i] * change[i] * inverse_diagonal[i];
    return sum > 0 ? l->products[last] / sum : 1;
}

void lbfgs_direction(const struct lbfgs *l, const double *gradient, const double *inverse_diagonal, double *direction) {
    double alpha[LBFGS_PAIRS], factor = 1;
    for (int64_t i = 0; i < l->n; i++) direction[i] = -gradient[i];
    for (int k = 1; k <= l->n_pairs; k++) { /* from the newest */
        int p = (l->next + l->most - k) % l->most;
        alpha[p] = dot_product(l->n, l->steps + p * l->n, direction) / l->products[p];
        add_scaled(l->n, -alpha[p], l->changes + p * l->n, direction);
    }
    if (l->n_pairs) factor = factor_of(l, (l->next + l->most - 1) % l->most, inverse_diagonal);
    for (int64_t i = 0; i < l->n; i++) direction[i] *= factor * inverse_diagonal[i];
    for (int k = l->n_pairs; k >= 1; k--) {
        int p = (l->next + l->most - k) % l->most;
        double beta = dot_product(l->n, l->changes + p * l->n, direction) / l->products[p];
        add_scaled(l->n, alpha[p] - beta, l->steps + p * l->n, direction);
    }
}
