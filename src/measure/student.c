#include "measure/student.h"

#include <math.h>

/* The continued fraction of the incomplete beta function, without its factor (Press et al., Numerical Recipes, 6.4; by Lentz' method).
 * Converges quickly for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x) {
    const double least = 1e-300;
    double c = 1, d = 1 / fmax(1 - (a + b) * x / (a + 1), least), value = d;
    for (int m = 1; m < 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        value *= d * c;
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        value *= d * c;
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return value;
}

static double incomplete_beta(double a, double b, double x) {
    if (x <= 0 || x >= 1) return x >= 1;
    double factor = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? factor * beta_fraction(a, b, x) / a
                                     : 1 - factor * beta_fraction(b, a, 1 - x) / b;
}

double student_within(double t, double df) {
    if (df > 1e6) return erf(t / sqrt(2)); /* they differ by less than 1e-6 */
    return 1 - incomplete_beta(df / 2, 0.5, df / (df + t * t));
}

double student_t(double share, double df) {
    double low = 0, high = 64; /* 63.7 of df = 1, share .99 */
    df = fmax(df, 1);
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (student_within(middle, df) < share)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}
