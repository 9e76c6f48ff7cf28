/* Vectors of codes on their way to a model: of one width, and of one size. x is [n, width] row by row, in host memory. */
#ifndef MEDTOK_EHR_VECTOR_SPACE_H
#define MEDTOK_EHR_VECTOR_SPACE_H

#include <stdint.h>

/* Takes the mean over the first n_mean off all, and scales them so that the mean of these vectors' squared lengths is 1. */
void vectors_standardise(int64_t n, int64_t width, int64_t n_mean, float *x);

/* S x of each, [n, to], in *out, which the caller frees in any case. S [to, from] is fixed, by chance: its columns are orthonormal if from <= to, and
 * then lengths and angles stay as they are; else its rows: a projection on a subspace. */
int vectors_change_width(int64_t n, int64_t from, int64_t to, const float *x, float **out);

#endif
