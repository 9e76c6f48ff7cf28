/* A share of right answers with its interval. */
#ifndef MEDTOK_MEASURE_PROPORTION_H
#define MEDTOK_MEASURE_PROPORTION_H

#include <stdint.h>

struct proportion {
    double value, low, high; /* NaN of none */
};

/* A share of n as if it were k of n, which it need not be (a mean over several runs); and k of n. */
struct proportion proportion_wilson_share(double share, int64_t n);

/* k of n with Wilson's 95 % interval (Wilson 1927, J Am Stat Assoc 22:209), which stays within 0 .. 1 and holds for small n:
 * (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), z = 1.959964. */
struct proportion proportion_wilson(int64_t k, int64_t n);

#endif
