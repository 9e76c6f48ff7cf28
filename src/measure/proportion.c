#include "measure/proportion.h"

#include <math.h>

struct proportion proportion_wilson(int64_t k, int64_t n) {
    return proportion_wilson_share(n > 0 ? (double)k / (double)n : NAN, n);
}

struct proportion proportion_wilson_share(double p, int64_t n) {
    const double z = 1.959963984540054, count = (double)n;
    if (n <= 0) return (struct proportion){NAN, NAN, NAN};
    double scale = 1 + z * z / count, centre = (p + z * z / (2 * count)) / scale;
    double half = z * sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / scale;
    return (struct proportion){p, fmax(0, centre - half), fmin(1, centre + half)};
}
