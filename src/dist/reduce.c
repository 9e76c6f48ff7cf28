/* Buckets: sums of the device, or MPI calls on staged values. In a double build (tests) the staging type follows `real`. */
#include "dist/reduce.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* A group of as many devices as the communicator has ranks is of these ranks, in their order. */
static int is_on_device(const struct comm *comm, const struct device *device) {
    return comm->size > 1 && device->group_size == comm->size;
}

int bucket_init(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values, int64_t count,
                int64_t most) {
    *bucket = (struct bucket){.values = values, .count = count, .most = most};
    if (comm->size == 1) return STATUS_OK;
    bucket->n_messages = (int)((count + most - 1) / most);
    bucket->on_device = is_on_device(comm, device);
    if (bucket->on_device) return STATUS_OK;
    TRY(mem_alloc(&bucket->requests, bucket->n_messages, sizeof *bucket->requests));
    for (int i = 0; i < bucket->n_messages; i++) bucket->requests[i] = MPI_REQUEST_NULL;
    bucket->staging = device_host_alloc_reals(device, count);
    return bucket->staging ? STATUS_OK : status_set(STATUS_FAILED, "%s", device_error(device));
}

void bucket_free(struct bucket *bucket, struct device *device) {
    device_host_free_reals(device, bucket->staging);
    node_sum_close(&bucket->node);
    free(bucket->requests);
    bucket->staging = NULL;
    bucket->requests = NULL;
}

static int is_cpu(const struct device *device) { return strcmp(device->name, "cpu") == 0; }

int bucket_share(struct bucket *bucket, const struct comm *comm, struct device *device, int per_node) {
    if (comm->size == 1 || !is_cpu(device)) return STATUS_OK;
    TRY(node_sum_open(&bucket->node, comm, bucket->count, bucket->most, per_node));
    if (!bucket->node.memory.n_ranks) return STATUS_OK;
    device_host_free_reals(device, bucket->staging);
    bucket->staging = NULL;
    return STATUS_OK;
}

/* Values of message i, and where they begin. */
static int64_t message(const struct bucket *bucket, int i, int64_t *at) {
    *at = i * bucket->most;
    return bucket->count - *at < bucket->most ? bucket->count - *at : bucket->most;
}

/* A rank whose device has an error takes no part: it must end the others, which would wait for it. */
static int start_on_device(const struct bucket *bucket, const struct comm *comm, struct device *device) {
    for (int i = 0; i < bucket->n_messages; i++) {
        int64_t at, n = message(bucket, i, &at);
        COMM_COUNTED(comm, n * (int64_t)sizeof(real),
                     (device_sum_start(device, dev_real_at(bucket->values, at), n), MPI_SUCCESS));
    }
    return device_error(device) ? status_set(STATUS_FAILED, "%s", device_error(device)) : STATUS_OK;
}

int bucket_start(struct bucket *bucket, const struct comm *comm, struct device *device) {
    bucket->started = 1;
    bucket->sent = 0;
    if (comm->size == 1) return STATUS_OK;
    if (bucket->on_device) return start_on_device(bucket, comm, device);
    real *staging = bucket->node.memory.n_ranks ? node_memory_begin(&bucket->node.memory, comm) : bucket->staging;
    device_fetch_reals(device, staging, bucket->values, bucket->count);
    return is_cpu(device) ? bucket_send(bucket, comm, device) : STATUS_OK; /* it is there */
}

int bucket_send(struct bucket *bucket, const struct comm *comm, struct device *device) {
    if (bucket->sent) return STATUS_OK;
    bucket->sent = 1;
    if (comm->size == 1 || bucket->on_device) return STATUS_OK;
    device_fetch_wait(device);
    if (bucket->node.memory.n_ranks) {
        node_memory_offer(&bucket->node.memory, comm, bucket->count);
        return STATUS_OK;
    }
    for (int i = 0; i < bucket->n_messages; i++) {
        int64_t at, n = message(bucket, i, &at);
        int code = COMM_COUNTED(comm, n * (int64_t)sizeof(real),
                                MPI_Iallreduce(MPI_IN_PLACE, bucket->staging + at, (int)n, COMM_REAL, MPI_SUM,
                                               comm->handle, &bucket->requests[i]));
        TRY(comm_status(code, "starting the sum of gradients"));
    }
    return STATUS_OK;
}

/* Nothing writes to the staging memory before the next fetch, which begins behind what waits here for the way back. */
static int bring_back(struct bucket *bucket, const struct comm *comm, struct device *device) {
    for (int i = 0; i < bucket->n_messages; i++) {
        int64_t at, n = message(bucket, i, &at);
        TRY(comm_status(COMM_WAITED(comm, MPI_Wait(&bucket->requests[i], MPI_STATUS_IGNORE)), "summing gradients"));
        device_prefetch_reals(device, dev_real_at(bucket->values, at), bucket->staging + at, n);
    }
    device_prefetch_wait(device);
    return STATUS_OK;
}

/* Part k of what is in the memory of the node, to its place. */
static void take_part(const struct bucket *bucket, struct device *device, int k, dev_real values) {
    int64_t at, n;
    const real *sum = node_sum_part(&bucket->node, k, &at, &n);
    device_prefetch_reals(device, dev_real_at(values, at), sum, n);
}

static int take_from_node(struct bucket *bucket, const struct comm *comm, struct device *device) {
    const struct node_memory *m = &bucket->node.memory;
    TRY(node_sum_finish(&bucket->node, comm));
    for (int k = 0; k < m->n_ranks; k++)
        if (!bucket->keeps_part || k == m->rank) take_part(bucket, device, k, bucket->values);
    device_prefetch_wait(device);
    node_memory_end(&bucket->node.memory);
    return STATUS_OK;
}

/* ---- parts ---- */
int bucket_part(const struct bucket *bucket, int64_t *first, int64_t *n) {
    if (!bucket->node.memory.n_ranks) return 0;
    node_sum_part(&bucket->node, bucket->node.memory.rank, first, n);
    return 1;
}

void bucket_keep_part(struct bucket *bucket) { bucket->keeps_part = 1; }

void bucket_offer_part(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values) {
    int64_t first, n;
    real *own = node_memory_begin(&bucket->node.memory, comm);
    node_sum_part(&bucket->node, bucket->node.memory.rank, &first, &n);
    device_download_reals(device, own + first, dev_real_at(values, first), n);
    node_memory_offer(&bucket->node.memory, comm, n);
}

void bucket_take_parts(struct bucket *bucket, const struct comm *comm, struct device *device, dev_real values) {
    struct node_memory *m = &bucket->node.memory;
    int status = node_memory_wait(m, comm);
    for (int k = 0; k < m->n_ranks && status == STATUS_OK; k++)
        if (k != m->rank) take_part(bucket, device, k, values);
    device_prefetch_wait(device);
    node_memory_end(m);
}

/* ---- the end of a sum ---- */
int bucket_finish(struct bucket *bucket, const struct comm *comm, struct device *device) {
    if (!bucket->started) TRY(bucket_start(bucket, comm, device));
    TRY(bucket_send(bucket, comm, device));
    bucket->started = 0;
    if (comm->size == 1) return STATUS_OK;
    if (bucket->node.memory.n_ranks) return take_from_node(bucket, comm, device);
    if (!bucket->on_device) return bring_back(bucket, comm, device);
    device_sum_finish(device);
    return STATUS_OK;
}
