/* MPI calls on staged device values. In a double build (tests) the staging type follows `real`. */
#include "dist/reduce.h"

#include <stdlib.h>

#include "base/status.h"

int bucket_init(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values, int64_t count,
                int64_t most) {
    *bucket = (struct bucket){.values = values, .count = count, .most = most};
    if (comm->size == 1) return STATUS_OK;
    bucket->n_requests = (int)((count + most - 1) / most);
    TRY(mem_alloc(&bucket->requests, bucket->n_requests, sizeof *bucket->requests));
    for (int i = 0; i < bucket->n_requests; i++) bucket->requests[i] = MPI_REQUEST_NULL;
    bucket->staging = device_host_alloc_reals(device, count);
    return bucket->staging ? STATUS_OK : status_set(STATUS_FAILED, "%s", device_error(device));
}

void bucket_free(struct bucket *bucket, struct device *device) {
    device_host_free_reals(device, bucket->staging);
    free(bucket->requests);
    bucket->staging = NULL;
    bucket->requests = NULL;
}

int bucket_start(struct bucket *bucket, const struct comm *comm, struct device *device) {
    bucket->started = 1;
    if (comm->size == 1) return STATUS_OK;
    device_download_reals(device, bucket->staging, bucket->values, bucket->count);
    for (int i = 0; i < bucket->n_requests; i++) {
        int64_t at = i * bucket->most, n = bucket->count - at < bucket->most ? bucket->count - at : bucket->most;
        int code = COMM_COUNTED(comm, n * (int64_t)sizeof(real),
                                MPI_Iallreduce(MPI_IN_PLACE, bucket->staging + at, (int)n, COMM_REAL, MPI_SUM,
                                               comm->handle, &bucket->requests[i]));
        TRY(comm_status(code, "starting the sum of gradients"));
    }
    return STATUS_OK;
}

int bucket_finish(struct bucket *bucket, const struct comm *comm, struct device *device) {
    if (!bucket->started) TRY(bucket_start(bucket, comm, device));
    bucket->started = 0;
    if (comm->size == 1) return STATUS_OK;
    TRY(comm_status(COMM_WAITED(comm, MPI_Waitall(bucket->n_requests, bucket->requests, MPI_STATUSES_IGNORE)),
                    "summing gradients"));
    device_prefetch_reals(device, bucket->values, bucket->staging, bucket->count);
    device_prefetch_wait(device); /* the staging memory is not written before the next download, which waits too */
    return STATUS_OK;
}
