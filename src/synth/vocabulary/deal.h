/* Counts that are dealt out by weight: children to codes, edges to nodes. */
#ifndef MEDTOK_SYNTH_VOCABULARY_DEAL_H
#define MEDTOK_SYNTH_VOCABULARY_DEAL_H

#include <stdint.h>

/* Deals `total` out to n takers: each has at least `least` (none, if there are not so many) and at most `most`, the rest by weight
 * [n] > 0, rounded so that sums from the front are right. Returns how many were dealt: less than the total where all have the most. */
int64_t deal(int64_t total, int64_t n, const double *weight, int64_t least, int64_t most, int32_t *count);

#endif
