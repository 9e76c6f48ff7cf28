#include "measure/sign_flips.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* Probabilities below it are taken for 0: they change no p, and numbers near the smallest are slow to add. */
static const double LEAST = 1e-290;

/* p[reach - total .. reach + total], probabilities of sums so far, with one more difference of size d. */
static void flip_one(double *p, double *next, int64_t reach, int64_t total, int64_t d) {
    memset(next + reach - total - d, 0, (size_t)(2 * (total + d) + 1) * sizeof *next);
    for (int64_t s = -total; s <= total; s++) {
        double half = p[reach + s] / 2;
        if (half < LEAST) continue;
        next[reach + s - d] += half;
        next[reach + s + d] += half;
    }
}

int sign_flips_exact(int64_t n, const int32_t *d, double *p_value) {
    int64_t reach = 0, sum = 0, total = 0;
    double *p = NULL, *next = NULL, tail = 0;
    int status;
    for (int64_t i = 0; i < n; i++) reach += labs((long)d[i]), sum += d[i];
    TRY_DONE(mem_alloc(&p, 2 * reach + 1, sizeof *p));
    TRY_DONE(mem_alloc(&next, 2 * reach + 1, sizeof *next));
    p[reach] = 1;
    for (int64_t i = 0; i < n; i++) {
        if (d[i] == 0) continue;
        double *before = p;
        flip_one(p, next, reach, total, labs((long)d[i]));
        total += labs((long)d[i]);
        p = next, next = before;
    }
    for (int64_t s = -total; s <= total; s++)
        if (llabs(s) >= llabs(sum)) tail += p[reach + s];
    *p_value = fmin(tail, 1);
done:
    free(p);
    free(next);
    return status;
}
