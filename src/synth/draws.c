#include "synth/draws.h"

#include <math.h>

double draw_normal(struct draws *d) {
    double radius = sqrt(-2.0 * log(draw_uniform(d)));
    return radius * cos(2.0 * 3.14159265358979323846 * draw_uniform(d));
}

double draw_exponential(struct draws *d) { return -log(draw_uniform(d)); }

/* By inversion, in pieces of mean 32 at most, so that exp(-mean) is a number. */
int draw_poisson(struct draws *d, double mean) {
    int n = 0;
    while (mean > 32) {
        n += draw_poisson(d, 32);
        mean -= 32;
    }
    if (mean <= 0) return n;
    double u = draw_uniform(d), p = exp(-mean), sum = p;
    for (int k = 0; u > sum && k < 1000; k++) {
        p *= mean / (k + 1);
        sum += p;
        n++;
    }
    return n;
}

int64_t draw_zipf(struct draws *d, int64_t n) {
    int64_t j = (int64_t)exp(draw_uniform(d) * log((double)n + 1.0)) - 1;
    return j < n ? j : n - 1;
}
