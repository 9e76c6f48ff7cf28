/* Sums over ranks of device values, in buckets that travel while the backward pass goes on.
 *
 * The values travel through pinned buffers in host memory, from a GPU too: Open MPI's reductions that do not block take no device
 * memory (its FAQ on CUDA).
 */
#ifndef MEDTOK_DIST_REDUCE_H
#define MEDTOK_DIST_REDUCE_H

#include "dist/comm.h"
#include "kernels.h"

/* One stretch of values that is summed over ranks: one message, or several of BUCKET_MESSAGE values. */
enum { BUCKET_MESSAGE = 1 << 28 };
struct bucket {
    dev_real values;
    int64_t count, most; /* most: values of a message */
    real *staging;       /* of device_host_alloc_reals, owned; NULL for a single rank */
    MPI_Request *requests;
    int n_requests, started;
};

/* Prepares a bucket over values[count] (borrowed). */
int bucket_init(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values, int64_t count,
                int64_t most);
void bucket_free(struct bucket *bucket, struct device *device);

/* Starts the sum (does nothing on one rank); the values must not change until bucket_finish. */
int bucket_start(struct bucket *bucket, const struct comm *comm, struct device *device);

/* Waits, and puts the sum in place of the values. Starts the sum first if nobody did. */
int bucket_finish(struct bucket *bucket, const struct comm *comm, struct device *device);

#endif
