/* Fixed positions. */
#ifndef MEDTOK_EHR_MODELS_SINUSOID_H
#define MEDTOK_EHR_MODELS_SINUSOID_H

#include "nn/parameters.h"

/* What j is in the frequency of column j: its own number, as in BEHRT's code; or that of its pair, 2 floor(j / 2) (Vaswani et al., 2017). */
enum sinusoid_columns { SINUSOID_BY_COLUMN, SINUSOID_BY_PAIR };

/* Sets P[v][j] = scale sin(v / 10000^(2j/d)) for even columns j, scale cos for odd ones; by pair with floor(j / 2) for j. Of a parameter that
 * is whole on this rank. */
int sinusoid_set(const struct parameter *positions, struct device *device, enum sinusoid_columns columns, double scale);

#endif
