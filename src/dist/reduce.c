/* MPI calls on staged device values. In a double build (tests) the staging type follows `real`. */
#include "dist/reduce.h"

#include <stdlib.h>

#include "base/status.h"

int bucket_init(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values, int64_t count) {
    *bucket = (struct bucket){.values = values, .count = count, .request = MPI_REQUEST_NULL};
    if (comm->size == 1) return STATUS_OK;
    if (count > INT32_MAX) return status_set(STATUS_FAILED, "a gradient of %lld values is too large", (long long)count);
    bucket->staging = device_host_alloc_reals(device, count);
    return bucket->staging ? STATUS_OK : status_set(STATUS_FAILED, "%s", device_error(device));
}

void bucket_free(struct bucket *bucket, struct device *device) {
    device_host_free_reals(device, bucket->staging);
    bucket->staging = NULL;
}

int bucket_start(struct bucket *bucket, const struct comm *comm, struct device *device) {
    bucket->started = 1;
    if (comm->size == 1) return STATUS_OK;
    device_download_reals(device, bucket->staging, bucket->values, bucket->count);
    int code = COMM_COUNTED(comm, bucket->count * (int64_t)sizeof(real),
                            MPI_Iallreduce(MPI_IN_PLACE, bucket->staging, (int)bucket->count, COMM_REAL, MPI_SUM,
                                           comm->handle, &bucket->request));
    return comm_status(code, "starting the sum of gradients");
}

int bucket_finish(struct bucket *bucket, const struct comm *comm, struct device *device) {
    if (!bucket->started) TRY(bucket_start(bucket, comm, device));
    bucket->started = 0;
    if (comm->size == 1) return STATUS_OK;
    TRY(comm_status(COMM_WAITED(comm, MPI_Wait(&bucket->request, MPI_STATUS_IGNORE)), "summing gradients"));
    device_prefetch_reals(device, bucket->values, bucket->staging, bucket->count);
    device_prefetch_wait(device); /* the staging memory is not written before the next download, which waits too */
    return STATUS_OK;
}

int row_shares_make(struct row_shares *shares, const struct comm *comm, int n_local) {
    *shares = (struct row_shares){0};
    int status = mem_alloc(&shares->n, comm->size, sizeof(int));
    if (status == STATUS_OK) status = mem_alloc(&shares->first, comm->size, sizeof(int));
    TRY(comm_agree(comm, status));
    shares->n[0] = n_local;
    if (comm->size > 1) {
        int code = COMM_COUNTED(comm, sizeof n_local,
                                MPI_Allgather(&n_local, 1, MPI_INT, shares->n, 1, MPI_INT, comm->handle));
        TRY(comm_status(code, "gathering counts"));
    }
    for (int r = 0; r < comm->size; r++) {
        shares->first[r] = shares->total;
        shares->total += shares->n[r];
    }
    return STATUS_OK;
}

void row_shares_free(struct row_shares *shares) {
    free(shares->n);
    free(shares->first);
    *shares = (struct row_shares){0};
}

/* To and from what a rank that has failed lacks: it sends zeros. */
static void bring(struct device *device, real *to, dev_real from, int64_t count) {
    if (from.at) device_download_reals(device, to, from, count);
}

static void take(struct device *device, dev_real to, const real *from, int64_t count) {
    if (to.at) device_upload_reals(device, to, from, count);
}

/* Host buffers for one exchange: the local rows, all rows, sums that arrive for them, and counts in values. */
struct exchange {
    real *local, *all, *sum;
    int *counts, *displacements;
};

static void exchange_free(struct exchange *x) {
    free(x->local);
    free(x->all);
    free(x->sum);
    free(x->counts);
    free(x->displacements);
}

static int exchange_alloc(struct exchange *x, const struct comm *comm, const struct row_shares *shares, int64_t cols,
                          int summed) {
    if (shares->total * cols > INT32_MAX) /* MPI's counts are int */
        return status_set(STATUS_FAILED, "%d rows of %lld values are too many to exchange at once: set a smaller batch",
                          shares->total, (long long)cols);
    TRY(mem_alloc(&x->local, shares->n[comm->rank] * cols, sizeof(real)));
    TRY(mem_alloc(&x->all, shares->total * cols, sizeof(real)));
    if (summed) TRY(mem_alloc(&x->sum, shares->n[comm->rank] * cols, sizeof(real)));
    TRY(mem_alloc(&x->counts, comm->size, sizeof(int)));
    TRY(mem_alloc(&x->displacements, comm->size, sizeof(int)));
    for (int r = 0; r < comm->size; r++) {
        x->counts[r] = (int)(shares->n[r] * cols);
        x->displacements[r] = (int)(shares->first[r] * cols);
    }
    return STATUS_OK;
}

/* Collective: a rank without memory for them is every rank's failure, before any of them waits in the exchange. */
static int exchange_make(struct exchange *x, const struct comm *comm, const struct row_shares *shares, int64_t cols,
                         int summed) {
    *x = (struct exchange){0};
    return comm_agree(comm, exchange_alloc(x, comm, shares, cols, summed));
}

int gather_rows_over_ranks(const struct comm *comm, struct device *device, const struct row_shares *shares,
                           int64_t cols, dev_real local, dev_real out) {
    struct exchange x;
    int status = STATUS_OK, n = (int)(shares->n[comm->rank] * cols);
    TRY_DONE(exchange_make(&x, comm, shares, cols, 0));
    bring(device, x.local, local, n);
    int code =
        COMM_COUNTED(comm, n * (int64_t)sizeof(real),
                     MPI_Allgatherv(x.local, n, COMM_REAL, x.all, x.counts, x.displacements, COMM_REAL, comm->handle));
    TRY_DONE(comm_status(code, "gathering rows"));
    take(device, out, x.all, shares->total * cols);
done:
    exchange_free(&x);
    return status;
}

int gather_ints_over_ranks(const struct comm *comm, struct device *device, const struct row_shares *shares,
                           dev_int local, dev_int out) {
    int32_t *mine = NULL, *all = NULL;
    int n = shares->n[comm->rank], status = mem_alloc(&mine, n, sizeof *mine);
    if (status == STATUS_OK) status = mem_alloc(&all, shares->total, sizeof *all);
    TRY_DONE(comm_agree(comm, status));
    if (local.at) device_download_ints(device, mine, local, n);
    int code =
        COMM_COUNTED(comm, n * (int64_t)sizeof *mine,
                     MPI_Allgatherv(mine, n, MPI_INT32_T, all, shares->n, shares->first, MPI_INT32_T, comm->handle));
    TRY_DONE(comm_status(code, "gathering rows"));
    if (out.at) device_upload_ints(device, out, all, shares->total);
done:
    free(mine);
    free(all);
    return status;
}

int scatter_sum_rows_over_ranks(const struct comm *comm, struct device *device, const struct row_shares *shares,
                                int64_t cols, dev_real all, dev_real local) {
    struct exchange x;
    int status = STATUS_OK, n = (int)(shares->n[comm->rank] * cols);
    TRY_DONE(exchange_make(&x, comm, shares, cols, 1));
    bring(device, x.all, all, shares->total * cols);
    bring(device, x.local, local, n);
    int code = COMM_COUNTED(comm, shares->total * cols * (int64_t)sizeof(real),
                            MPI_Reduce_scatter(x.all, x.sum, x.counts, COMM_REAL, MPI_SUM, comm->handle));
    TRY_DONE(comm_status(code, "summing rows"));
    for (int i = 0; i < n; i++) x.local[i] += x.sum[i];
    take(device, local, x.local, n);
done:
    exchange_free(&x);
    return status;
}

int sum_over_ranks(const struct comm *comm, struct device *device, dev_real values, int64_t count) {
    if (comm->size == 1) return STATUS_OK;
    real *host;
    int status = comm_agree(comm, mem_alloc(&host, count, sizeof(real)));
    if (status != STATUS_OK) {
        free(host);
        return status;
    }
    bring(device, host, values, count);
    int code = COMM_COUNTED(comm, count * (int64_t)sizeof(real),
                            MPI_Allreduce(MPI_IN_PLACE, host, (int)count, COMM_REAL, MPI_SUM, comm->handle));
    status = comm_status(code, "summing values");
    take(device, values, host, count);
    free(host);
    return status;
}
