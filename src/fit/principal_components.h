/* Principal components: the directions in which rows differ most. */
#ifndef MEDTOK_FIT_PRINCIPAL_COMPONENTS_H
#define MEDTOK_FIT_PRINCIPAL_COMPONENTS_H

#include "kernels.h"

struct principal_components {
    int64_t width, n; /* of the rows; components */
    real *mean;       /* [width] */
    real *directions; /* [n, width] of norm 1, that of the most variance first; the largest value of each is positive */
};

/* Of the covariance of rows [n_rows, width]; n <= width. Free in any case. */
int principal_components_make(struct principal_components *components, struct device *device, int64_t n_rows,
                              int64_t width, const float *rows, int64_t n);
void principal_components_free(struct principal_components *components);

/* Eigenvalues [n], descending, of a symmetric matrix a [n, n], in whose place its eigenvectors come, one a row, the largest value of each positive: LAPACK's divide and
 * conquer (dsyevd). STATUS_FAILED: a is not finite. Other processors round otherwise: ranks that are to agree take one's. */
int symmetric_eigen(int64_t n, double *a, double *values);

#endif
