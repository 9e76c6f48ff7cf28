/* Sums over ranks of device values, in buckets that travel while the backward pass goes on.
 *
 * There are three ways. Between GPUs, by NCCL: the host starts a sum and lets what is queued later wait for it. Between CPU cores of a node, through
 * memory that its ranks share (dist/node_sum.h). Or by MPI, through pinned
 * buffers in host memory: the values are copied there beside the computation, summed, and copied back. MPI is not given device memory, though it be
 * CUDA-aware: Open MPI's reductions that do not block do not take it (its FAQ on running with CUDA), and those that block copy it to
 * host memory of their own (release notes of Open MPI 5, component coll/cuda), while the host waits.
 */
#ifndef MEDTOK_DIST_REDUCE_H
#define MEDTOK_DIST_REDUCE_H

#include "dist/node_sum.h"
#include "dist/options.h"
#include "kernels.h"

/* Collective. Has the ranks' devices sum by NCCL (device->group_size is comm->size then, until the device is closed), where `wanted` is not
 * SUMS_MPI, each rank has a GPU of its own, NCCL is there, and joining works on all; else sums go by MPI. On several ranks with GPUs
 * one line of the log says which way, and what stands against NCCL if `wanted` is SUMS_AUTO; if it is SUMS_NCCL that is a
 * failure. On one rank nothing is done, and on CPU cores it is kept whether `wanted` is SUMS_MPI, for buckets that are shared from then on. */
int sums_choose(const struct comm *comm, enum summing wanted, struct device *device);
int sums_by_mpi(void); /* whether it was SUMS_MPI */

/* One stretch of values that is summed over ranks: one message, or several of BUCKET_MESSAGE values (64 MB in float32), whose way back to the
 * device and whose sums overlap. */
enum { BUCKET_MESSAGE = 1 << 24 };
struct bucket {
    dev_real values;
    int64_t count, most;  /* most: values of a message */
    int on_device;        /* summed by NCCL */
    struct node_sum node; /* of CPU cores, where it is open */
    real *
        staging; /* of device_host_alloc_reals, owned; NULL for a single rank, on_device, and where the node's is used */
    MPI_Request *requests;
    int n_messages, started, sent, keeps_part;
};

/* Prepares a bucket over values[count] (borrowed). */
int bucket_init(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values, int64_t count,
                int64_t most);
void bucket_free(struct bucket *bucket, struct device *device);

/* Collective, before the first sum: on CPU cores, has it go through memory that the ranks of a node share, where they can. per_node: 0, or as
 * node_sum_open has it. */
int bucket_share(struct bucket *bucket, const struct comm *comm, struct device *device, int per_node);

/* Starts the sum (does nothing on one rank): the values, as the work that is queued so far leaves them, must not change until bucket_finish. The
 * host does not wait for a GPU. */
int bucket_start(struct bucket *bucket, const struct comm *comm, struct device *device);

/* Hands to MPI what bucket_start has copied from a GPU, once it is there; does nothing where that is done. To be called behind
 * bucket_start, at the same point between collectives on all ranks, when the host has queued what it can. */
int bucket_send(struct bucket *bucket, const struct comm *comm, struct device *device);

/* For sums of which each rank needs a part alone, between ranks whose sums go through the memory of their node: this rank's part, the same as that of
 * one rank of each other node. 0: there is no such part. */
int bucket_part(const struct bucket *bucket, int64_t *first, int64_t *n);

/* Has bucket_finish put this rank's part of the sum in place, and no other, from now on. */
void bucket_keep_part(struct bucket *bucket);

/* Collective, in this order, with no sum under way: each rank's part of such an array as the values are, to all. A rank that is gone brings nothing:
 * the next sum, or message, fails. */
void bucket_offer_part(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values);
void bucket_take_parts(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values);

/* Puts the sum in place of the values for the work that is queued from then on. Starts and sends first what was not. */
int bucket_finish(struct bucket *bucket, const struct comm *comm, struct device *device);

#endif
