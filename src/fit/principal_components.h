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

/* Eigenvalues [n], descending, and eigenvectors [n, n], one a row, the largest value of each positive, of a symmetric matrix a [n, n], which is used up: Jacobi's method by
 * cyclic rotations (Golub and Van Loan, Matrix Computations, 8.5). */
int symmetric_eigen(int64_t n, double *a, double *values, double *vectors);

#endif
