/* Principal components of feature rows that are dealt to the ranks, as maps to fewer values: x -> scale V (x - mean), with V some of the
 * directions in which the rows differ most, and the mean square of a mapped entry 1.
 */
#ifndef MEDTOK_MEDTOK_FEATURE_COMPONENTS_H
#define MEDTOK_MEDTOK_FEATURE_COMPONENTS_H

#include "dist/comm.h"
#include "kernels.h"
#include "nn/parameters.h"
#include "train/optimiser.h"

/* This rank's rows. `read` gives row i [dim], and whether it counts; it is asked for all rows in order, twice. */
struct feature_rows {
    void *self;
    int64_t n, dim;
    int (*read)(void *self, int64_t i, float *row, int *counts);
};

struct feature_components {
    int64_t dim, width;
    double n;                  /* rows of all ranks that counted; 0: there is no map */
    double *mean, *directions; /* [dim], [width, dim], that of the most variance first; owned */
    double *variance, all;     /* [width] along each, owned; in all directions */
};

/* Collective. The same on any number of ranks up to rounding. width <= rows->dim. Free in any case. */
int feature_components_make(struct feature_components *components, const struct comm *comm, struct device *device,
                            const struct feature_rows *rows, int64_t width);
void feature_components_free(struct feature_components *components);

/* How many of the directions the rows differ along, by more than rounding: fewer rows than directions leave the rest without any. */
int64_t feature_components_found(const struct feature_components *components);

/* The map along n of the directions, from `first` on, as weight [n, dim] and bias [n] of y = weight x + bias. Returns the share of the rows' variance that lies along them. */
double feature_components_map(const struct feature_components *components, int64_t first, int64_t n, real *weight,
                              real *bias);

/* Sets a map of as many outputs as inputs to x -> x. */
int set_identity_map(struct optimiser *optimiser, struct linear_map map);

#endif
