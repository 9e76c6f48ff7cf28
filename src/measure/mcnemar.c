#include "measure/mcnemar.h"

#include <math.h>

/* log of n over k */
static double log_choose(double n, double k) { return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1); }

double mcnemar_exact(int64_t a, int64_t b) {
    int64_t n = a + b, fewer = a < b ? a : b;
    double tail = 0;
    for (int64_t k = 0; k <= fewer; k++)
        tail += exp(log_choose((double)n, (double)k) - (double)n * 0.69314718055994530942);
    return tail > 0.5 ? 1 : 2 * tail;
}
