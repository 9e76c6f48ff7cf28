/* Which way sums over ranks go: see reduce.h. Each step of the way to NCCL is agreed on, so that all ranks take it or none. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/reduce.h"

/* A thousand ranks join in some ten seconds; what takes longer than this does not come. */
static const double MOST_SECONDS = 120;

/* A GPU: its node, and where it sits there. */
struct seat {
    char node[HOST_NAME_MAX + 1], address[DEVICE_ADDRESS_BYTES];
};

/* Not collective. Whether no rank before this one has its GPU. */
static int look_for_own_gpu(const struct comm *comm, const struct seat *seats) {
    const struct seat *own = &seats[comm->rank];
    for (int r = 0; r < comm->rank; r++)
        if (strcmp(seats[r].node, own->node) == 0 && strcmp(seats[r].address, own->address) == 0)
            return status_set(STATUS_FAILED, "it shares the GPU %s of %s with rank %d", own->address, own->node, r);
    return own->address[0] ? STATUS_OK : status_set(STATUS_FAILED, "its GPU has no address");
}

/* Collective. That NCCL is there for all ranks, and a GPU for each. */
static int check_means(const struct comm *comm, struct device *device) {
    const char *why = "";
    struct seat own = {.node = "?"}, *seats = NULL;
    int status = device_sums_library(&why) ? STATUS_OK : status_set(STATUS_FAILED, "%s", why);
    if (status == STATUS_OK) status = mem_alloc(&seats, comm->size, sizeof *seats);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) {
        gethostname(own.node, sizeof own.node - 1);
        device_address(device, own.address);
        int code = COMM_COUNTED(comm, sizeof own,
                                MPI_Allgather(&own, sizeof own, MPI_BYTE, seats, sizeof own, MPI_BYTE, comm->handle));
        status = comm_status(code, "gathering the places of GPUs");
        status = comm_agree(comm, status == STATUS_OK ? look_for_own_gpu(comm, seats) : status);
    }
    free(seats);
    return status;
}

/* Collective. Joins, or on all ranks does not: one that cannot says so to those that wait for it. */
static int join(const struct comm *comm, struct device *device) {
    static const struct timespec PAUSE = {.tv_nsec = 2000000};
    struct device_group_id id = {{0}};
    const char *why = "";
    int failed = comm->rank == 0 && device_group_id(device, &id, &why);
    TRY(comm_agree(comm, failed ? status_set(STATUS_FAILED, "%s", why) : STATUS_OK));
    TRY(comm_broadcast(comm, &id, sizeof id));
    double began = clock_seconds();
    device_group_join(device, &id, comm->rank, comm->size);
    for (;;) {
        enum device_group_state state = device_group_state(device, &why);
        int late = state == GROUP_JOINING && clock_seconds() - began > MOST_SECONDS;
        int64_t others[2] = {state == GROUP_JOINING, state == GROUP_FAILED || late};
        TRY(comm_max_int64(comm, others, 2));
        if (others[1])
            return comm_agree(comm,
                              late ? status_set(STATUS_FAILED, "NCCL has not joined the GPUs in %.0f s", MOST_SECONDS)
                              : state == GROUP_FAILED ? status_set(STATUS_FAILED, "%s", why)
                                                      : STATUS_OK);
        if (!others[0]) return STATUS_OK;
        nanosleep(&PAUSE, NULL);
    }
}

static int by_mpi;

int sums_by_mpi(void) { return by_mpi; }

int sums_choose(const struct comm *comm, enum summing wanted, struct device *device) {
    by_mpi = wanted == SUMS_MPI;
    int has_gpu = strcmp(device->name, "cpu") != 0;
    if (comm->size == 1 || (!has_gpu && wanted != SUMS_NCCL)) return STATUS_OK;
    if (!has_gpu)
        return status_set(STATUS_USAGE,
                          "run.sums is nccl, which sums between GPUs, but the ranks compute on CPU cores");
    if (wanted == SUMS_MPI) {
        log_info("gradients are summed by MPI, through the host's memory (run.sums)");
        return STATUS_OK;
    }
    int status = check_means(comm, device);
    if (status == STATUS_OK) status = join(comm, device);
    if (status == STATUS_OK) {
        log_info("gradients are summed between the GPUs, by %s", device_sums_library(NULL));
        return STATUS_OK;
    }
    device_group_leave(device);
    if (wanted == SUMS_NCCL) return status_prefix(status, "run.sums is nccl, but it cannot be used");
    log_warn_once("gradients are summed by MPI, through the host's memory, since NCCL cannot be used: %s",
                  status_message());
    return STATUS_OK;
}
