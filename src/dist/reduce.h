/* Sums over ranks of device values, in buckets that travel while the backward pass goes on, and the exchange of batch rows for
 * losses whose negatives are the whole global batch.
 *
 * The values travel through buffers in host memory, from a GPU too; those of buckets are pinned. Open MPI's reductions that do not
 * block take no device memory (its FAQ on CUDA), and the others copy it to the host themselves.
 */
#ifndef MEDTOK_DIST_REDUCE_H
#define MEDTOK_DIST_REDUCE_H

#include "dist/comm.h"
#include "kernels.h"

/* One stretch of values that is summed over ranks as one message. */
struct bucket {
    dev_real values;
    int64_t count;
    real *staging; /* of device_host_alloc_reals, owned; NULL for a single rank */
    MPI_Request request;
    int started;
};

/* Prepares a bucket over values[count] (borrowed). */
int bucket_init(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values, int64_t count);
void bucket_free(struct bucket *bucket, struct device *device);

/* Starts the sum (does nothing on one rank); the values must not change until bucket_finish. */
int bucket_start(struct bucket *bucket, const struct comm *comm, struct device *device);

/* Waits, and puts the sum in place of the values. Starts the sum first if nobody did. */
int bucket_finish(struct bucket *bucket, const struct comm *comm, struct device *device);

/* Which rows of a global batch each rank holds: rank r holds n[r] rows from first[r] on; total over all ranks. */
struct row_shares {
    int *n, *first; /* [size], owned */
    int total;
};

/* Collective: shares from each rank's own number of rows. */
int row_shares_make(struct row_shares *shares, const struct comm *comm, int n_local);
void row_shares_free(struct row_shares *shares);

/* In what follows a rank that has failed, and lacks device memory of its own (NULL), takes part with zeros. A rank without host
 * memory for an exchange makes that exchange fail on all ranks. */
/* Collective. out [total, cols] = the rows [n_local, cols] of all ranks in rank order. */
int gather_rows_over_ranks(const struct comm *comm, struct device *device, const struct row_shares *shares,
                           int64_t cols, dev_real local, dev_real out);

/* The same for one integer a row: out [total]. */
int gather_ints_over_ranks(const struct comm *comm, struct device *device, const struct row_shares *shares,
                           dev_int local, dev_int out);

/* Collective. local [n_local, cols] += the sum over ranks of their `all` [total, cols], each rank receiving its rows. */
int scatter_sum_rows_over_ranks(const struct comm *comm, struct device *device, const struct row_shares *shares,
                                int64_t cols, dev_real all, dev_real local);

/* Collective. values[count] = their sum over ranks. */
int sum_over_ranks(const struct comm *comm, struct device *device, dev_real values, int64_t count);

#endif
