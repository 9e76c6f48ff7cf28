/* The rows that a model is fitted to, dealt to ranks twice: in runs of rows for products with weights, and in runs of columns for
 * gradients. Each sum then goes over all its terms in one order, whichever ranks have them: a fit is the same, bit for bit, for any number
 * of ranks and threads.
 */
#ifndef MEDTOK_FIT_DESIGN_H
#define MEDTOK_FIT_DESIGN_H

#include "dist/comm.h"
#include "fit/sparse_rows.h"
#include "kernels.h"

/* A sample that is learned from, and how often it counts. */
struct chosen_row {
    int64_t sample;
    double weight;
};

/* What the rows are taken from; borrowed. */
struct design_source {
    const struct sparse_rows *rows; /* of this rank: samples first .. first + rows->n - 1 */
    int64_t first, n_columns;
    const int32_t *label; /* of all samples, on every rank */
    int unscaled;         /* columns count as they are; 0: by max-abs scaling */
};

/* Rows of a rank are whole chunks, in which sums over rows are made. */
enum { DESIGN_CHUNK = 256 };

struct design {
    const struct comm *comm;
    int threads;
    int64_t *first_rows, *first_chunks, *first_columns; /* [ranks + 1] what each rank has */
    double *all_chunks;                                 /* [all chunks, DESIGN_SUMS] memory for design_sum_chunks */
    int64_t n_rows, n_columns;                          /* of all ranks */
    int32_t *column_of;                                 /* [n_columns] the source's column */
    double *scale;                 /* [n_columns] 1 / the largest |value| of the rows: max-abs scaling; or 1 */
    int64_t first_row, n_own_rows; /* this rank's */
    struct sparse_rows by_row;     /* [n_own_rows] values as they are, not scaled */
    double *weight;                /* [n_rows] of all rows */
    int32_t *label;                /* [n_rows] */
    double total_weight;
    int64_t first_column, n_own_columns; /* this rank's */
    struct sparse_rows by_column;        /* [n_own_columns] "columns" are rows of the fit */
    struct dense_rows *dense;            /* the rows where they are dense; NULL: by_row and by_column are */
};

/* Collective. chosen [n_chosen]: ascending by sample, each once, the same on every rank. A column is taken if min_count of the rows
 * have it. Free in any case. */
int design_make(struct design *design, const struct comm *comm, int threads, const struct design_source *source,
                int64_t n_chosen, const struct chosen_row *chosen, int64_t min_count);
void design_free(struct design *design);

/* The same of rows that are dense, rows [n, n_columns], label [n], for one rank alone (comm_self) and at most most_outputs outputs: products
 * are the device's, in its precision. Columns count as they are, rows once each. */
int design_make_dense(struct design *design, const struct comm *self, struct device *device, int64_t n,
                      int64_t n_columns, const float *rows, const int32_t *label, int most_outputs);

/* out [own rows, n] = intercepts [n] + rows * weights [n_columns, n]; weights are of columns that are not scaled. */
int design_multiply(const struct design *design, int n, const double *weights, const double *intercepts, double *out);

/* out [own columns, n] = the sums over all rows of the columns' values times residuals [n_rows, n]. */
int design_multiply_transposed(const struct design *design, int n, const double *residuals, double *out);

/* out [own columns]: the sums over all rows of weight times the squares of the columns' values. */
int design_squares(const struct design *design, double *out);

/* Collective. sums[n] = the sums over all rows of chunks [own chunks, n], n <= DESIGN_SUMS, which this rank made chunk by chunk. */
enum { DESIGN_SUMS = 2 };
int design_sum_chunks(const struct design *design, const double *chunks, int n, double *sums);
int64_t design_own_chunks(const struct design *design);

#endif
