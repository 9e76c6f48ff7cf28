/* Two ways to answer the same questions, compared on those that one of them alone has right. */
#ifndef MEDTOK_MEASURE_MCNEMAR_H
#define MEDTOK_MEASURE_MCNEMAR_H

#include <stdint.h>

/* The exact two-sided p-value of McNemar's test (1947, Psychometrika 12:153): how likely it is that fair coins fall at least as unequally
 * as a to b; 1 without any. */
double mcnemar_exact(int64_t a, int64_t b);

#endif
