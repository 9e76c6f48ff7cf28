/* Rows of a design (fit/design.h) of which all values are held, and their products on a device. */
#ifndef MEDTOK_FIT_DESIGN_DENSE_H
#define MEDTOK_FIT_DESIGN_DENSE_H

#include "kernels.h"

struct dense_rows {
    struct device *device;
    int64_t n, n_columns;
    dev_real rows, of_columns, of_rows; /* [n, n_columns]; [n_columns, most outputs]; [n, most outputs] */
    real *host;                         /* room for the largest of them on its way */
};

/* Takes rows [n, n_columns] to the device; products with at most most_outputs outputs. Free in any case. */
int dense_rows_make(struct dense_rows **rows, struct device *device, int64_t n, int64_t n_columns, const float *values,
                    int most_outputs);
void dense_rows_free(struct dense_rows *rows);

/* As the functions of design.h. */
int dense_rows_multiply(struct dense_rows *rows, int n, const double *weights, const double *intercepts, double *out);
int dense_rows_multiply_transposed(struct dense_rows *rows, int n, const double *residuals, double *out);
int dense_rows_squares(struct dense_rows *rows, const double *weight, double *out);

#endif
