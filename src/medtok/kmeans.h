/* Spherical k-means: unit vectors are cut into k clusters, and each cluster's centre is its normalised mean.
 *
 * First centres are drawn by k-means|| (Bahmani et al., 2012) in 16 rounds of k/16 centres: a round draws vectors in
 * proportion to D^2, their squared distance from the nearest centre so far (all alike in the first round), without
 * replacement, by the smallest of e_i / D^2_i with e_i exponential. Since exactly k are drawn, nothing is clustered again; up
 * to k = 16 this is k-means++ (Arthur and Vassilvitskii, 2007). Then 8 rounds of Lloyd. A centre that lost all its vectors
 * is drawn anew in the same way.
 *
 * Ranks share the search for nearest centres, in blocks that do not depend on their number; the result is the same, bit for
 * bit, on any number of ranks.
 */
#ifndef MEDTOK_MEDTOK_KMEANS_H
#define MEDTOK_MEDTOK_KMEANS_H

#include "dist/comm.h"
#include "kernels.h"

struct kmeans_fit {
    double seeded, final; /* mean D^2 after the first centres, and in the last round of Lloyd */
};

/* Collective. points [n, dim], n > 0, rows of norm 1, the same on every rank; centres [k, dim] on the host, rows of norm 1.
 * Random numbers come from (seed, stream + 0..2). Where fewer than k distinct vectors exist, the other centres are a vector
 * drawn by chance plus noise, normalised; the noise has a tenth of the length of the vectors' spread (root mean square
 * distance from their mean direction), or 0.01 if that is more. Distances below 0.001 count as none. */
int kmeans(const struct comm *comm, struct device *device, uint64_t seed, uint32_t stream, int64_t n, int64_t dim,
           const real *points, int64_t k, real *centres, struct kmeans_fit *fit);

#endif
