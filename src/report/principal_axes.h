/* Principal components: the two directions in which points spread most. */
#ifndef MEDTOK_REPORT_PRINCIPAL_AXES_H
#define MEDTOK_REPORT_PRINCIPAL_AXES_H

#include <stdint.h>

enum { PRINCIPAL_AXES = 2 };

/* Of points[n, width], less their mean: places[n, 2] along the eigenvectors of their covariance with the two largest eigenvalues, and
 * the share of the variance that each explains. The largest entry of an eigenvector is positive. By the power method (Golub and Van Loan,
 * Matrix Computations, section 8.2), with deflation; n >= 1. */
int principal_axes(int64_t n, int64_t width, const float *points, double *places, double share[PRINCIPAL_AXES]);

#endif
