/* MPI start and stop, agreement on errors, small collectives. */
#include "dist/comm.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"

enum { LARGEST_MESSAGE = 1 << 30, MESSAGE_SIZE = 4096 };

int comm_status(int code, const char *what) {
    if (code == MPI_SUCCESS) return STATUS_OK;
    char text[MPI_MAX_ERROR_STRING];
    int n;
    MPI_Error_string(code, text, &n);
    return status_set(STATUS_FAILED, "MPI: %s: %s", what, text);
}

/* ---- start and stop ---- */
static int environment_number(const char *name) {
    const char *value = getenv(name);
    return value ? atoi(value) : 0;
}

int comm_launched_tasks(void) {
    int tasks = environment_number("OMPI_COMM_WORLD_SIZE");
    if (tasks < environment_number("PMI_SIZE")) tasks = environment_number("PMI_SIZE");
    if (tasks < environment_number("MV2_COMM_WORLD_SIZE")) tasks = environment_number("MV2_COMM_WORLD_SIZE");
    if (getenv("SLURM_STEP_ID") && tasks < environment_number("SLURM_STEP_NUM_TASKS"))
        tasks = environment_number("SLURM_STEP_NUM_TASKS");
    return tasks > 1 ? tasks : 1;
}

int comm_start(struct comm *comm, int *argc, char ***argv) {
    int level, tasks = comm_launched_tasks();
    *comm = comm_self();
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return status_set(STATUS_FAILED, "MPI did not start");
    comm->handle = MPI_COMM_WORLD;
    MPI_Comm_set_errhandler(comm->handle, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm->handle, &comm->rank);
    MPI_Comm_size(comm->handle, &comm->size);
    comm->number = comm->rank;
    if (comm->size == 1 && tasks > 1)
        return status_set(
            STATUS_USAGE,
            "the launcher started %d tasks, but each is alone in its MPI world: launcher and MPI library do "
            "not know each other. Start with `srun --mpi=pmix` (or pmi2; `srun --mpi=list` shows what "
            "there is), or with the mpirun of the Open MPI that this program was built with",
            tasks);
    MPI_Comm node;
    TRY(comm_status(MPI_Comm_split_type(comm->handle, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
                    "finding the node"));
    MPI_Comm_rank(node, &comm->local_rank);
    MPI_Comm_size(node, &comm->local_size);
    MPI_Comm_free(&node);
    return STATUS_OK;
}

void comm_stop(struct comm *comm) {
    (void)comm;
    int started = 0, stopped = 0;
    MPI_Initialized(&started);
    MPI_Finalized(&stopped);
    if (started && !stopped) MPI_Finalize();
}

struct comm comm_self(void) {
    return (struct comm){.handle = MPI_COMM_SELF, .rank = 0, .size = 1, .local_rank = 0, .local_size = 1};
}

/* ---- groups ---- */
int comm_split(const struct comm *comm, int number, struct comm *group) {
    *group = comm_self();
    group->number = comm->number;
    if (comm->size == 1) return STATUS_OK;
    TRY(comm_status(MPI_Comm_split(comm->handle, number, comm->rank, &group->handle), "cutting ranks into groups"));
    MPI_Comm_set_errhandler(group->handle, MPI_ERRORS_RETURN);
    MPI_Comm_rank(group->handle, &group->rank);
    MPI_Comm_size(group->handle, &group->size);
    MPI_Comm node;
    TRY(comm_status(MPI_Comm_split_type(group->handle, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
                    "finding the node"));
    MPI_Comm_rank(node, &group->local_rank);
    MPI_Comm_size(node, &group->local_size);
    MPI_Comm_free(&node);
    return STATUS_OK;
}

void comm_free(struct comm *group) {
    if (group->size > 0 && group->handle != MPI_COMM_SELF) MPI_Comm_free(&group->handle);
    *group = (struct comm){0};
}

int comm_progress(void) {
    int started = 0, waits;
    MPI_Initialized(&started);
    if (!started) return STATUS_OK;
    return comm_status(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &waits, MPI_STATUS_IGNORE),
                       "looking for messages");
}

/* ---- what is sent ---- */
static struct traffic sent;
static double call_began;

struct traffic comm_traffic(void) {
    return sent;
}

void comm_call_begins(void) { call_began = clock_seconds(); }

int comm_call_ends(const struct comm *comm, int64_t messages, int64_t bytes, int code) {
    if (comm->size == 1) return code;
    sent.messages += messages;
    sent.bytes += bytes;
    sent.seconds += clock_seconds() - call_began;
    return code;
}

/* ---- agreement ---- */
int comm_agree(const struct comm *comm, int status) {
    if (comm->size == 1) return status;
    int first = status == STATUS_OK ? comm->size : comm->rank, failing;
    int code = COMM_COUNTED(comm, sizeof first, MPI_Allreduce(&first, &failing, 1, MPI_INT, MPI_MIN, comm->handle));
    TRY(comm_status(code, "agreeing on errors"));
    if (failing == comm->size) return STATUS_OK;
    struct {
        int code;
        char message[MESSAGE_SIZE];
    } fault = {.code = status};
    if (comm->rank == failing) {
        /* A message that came by agreement already says its rank; a signal that one rank got is meant for all. */
        if (status == STATUS_INTERRUPTED || strncmp(status_message(), "rank ", 5) == 0)
            snprintf(fault.message, sizeof fault.message, "%s", status_message());
        else
            snprintf(fault.message, sizeof fault.message, "rank %d: %.4000s", comm->number, status_message());
    }
    code = COMM_COUNTED(comm, comm->rank == failing ? sizeof fault : 0,
                        MPI_Bcast(&fault, sizeof fault, MPI_BYTE, failing, comm->handle));
    TRY(comm_status(code, "agreeing on errors"));
    return status_set(fault.code, "%s", fault.message);
}

/* ---- sums ---- */
/* Values of eight bytes. */
static int all_reduce(const struct comm *comm, void *values, int64_t count, MPI_Datatype type, MPI_Op op) {
    enum { MOST = LARGEST_MESSAGE / 8 };
    if (comm->size == 1) return STATUS_OK;
    for (int64_t at = 0; at < count; at += MOST) {
        int n = (int)(count - at < MOST ? count - at : MOST);
        int code = COMM_COUNTED(comm, 8 * (int64_t)n,
                                MPI_Allreduce(MPI_IN_PLACE, (char *)values + 8 * at, n, type, op, comm->handle));
        TRY(comm_status(code, "summing over ranks"));
    }
    return STATUS_OK;
}

int comm_sum_int64(const struct comm *comm, int64_t *values, int64_t count) {
    return all_reduce(comm, values, count, MPI_INT64_T, MPI_SUM);
}

int comm_sum_uint64(const struct comm *comm, uint64_t *values, int64_t count) {
    return all_reduce(comm, values, count, MPI_UINT64_T, MPI_SUM);
}

int comm_or_uint64(const struct comm *comm, uint64_t *values, int64_t count) {
    return all_reduce(comm, values, count, MPI_UINT64_T, MPI_BOR);
}

int comm_sum_double(const struct comm *comm, double *values, int64_t count) {
    return all_reduce(comm, values, count, MPI_DOUBLE, MPI_SUM);
}

int comm_max_int64(const struct comm *comm, int64_t *values, int64_t count) {
    return all_reduce(comm, values, count, MPI_INT64_T, MPI_MAX);
}

int comm_max_double(const struct comm *comm, double *values, int64_t count) {
    return all_reduce(comm, values, count, MPI_DOUBLE, MPI_MAX);
}

int comm_sum_before(const struct comm *comm, int64_t count, const int64_t *values, int64_t *before, int64_t *all) {
    memset(before, 0, (size_t)count * sizeof *before);
    memcpy(all, values, (size_t)count * sizeof *all);
    if (comm->size == 1) return STATUS_OK;
    int code = COMM_COUNTED(comm, count * (int64_t)sizeof *values,
                            MPI_Exscan(values, before, (int)count, MPI_INT64_T, MPI_SUM, comm->handle));
    TRY(comm_status(code, "summing over ranks"));
    if (comm->rank == 0) memset(before, 0, (size_t)count * sizeof *before); /* of which Exscan says nothing */
    return comm_sum_int64(comm, all, count);
}

int comm_broadcast(const struct comm *comm, void *bytes, int64_t count) {
    if (comm->size == 1) return STATUS_OK;
    for (int64_t at = 0; at < count; at += LARGEST_MESSAGE) {
        int n = (int)(count - at < LARGEST_MESSAGE ? count - at : LARGEST_MESSAGE);
        int code =
            COMM_COUNTED(comm, comm->rank == 0 ? n : 0, MPI_Bcast((char *)bytes + at, n, MPI_BYTE, 0, comm->handle));
        TRY(comm_status(code, "broadcasting"));
    }
    return STATUS_OK;
}

/* ---- threads ---- */
int comm_threads(const struct comm *comm, int wanted) {
    cpu_set_t mine, both, *all = NULL;
    if (sched_getaffinity(0, sizeof mine, &mine)) return wanted > 0 ? wanted : 1;
    int sharing = 1, cores = CPU_COUNT(&mine);
    if (wanted > cores)
        log_warn(
            "run.threads is %d, but this rank may use %d core(s): mpirun ties ranks to cores; --bind-to none or "
            "--map-by slot:PE=%d frees them",
            wanted, cores, wanted);
    if (wanted > 0) return wanted;
    if (comm->size > 1) {
        /* Ranks of this node whose masks overlap with ours share these cores. */
        MPI_Comm node;
        if (MPI_Comm_split_type(comm->handle, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node) != MPI_SUCCESS) return 1;
        all = malloc((size_t)comm->local_size * sizeof *all);
        if (all && COMM_COUNTED(comm, sizeof mine,
                                MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, node)) ==
                       MPI_SUCCESS) {
            for (int r = 0; r < comm->local_size; r++) {
                CPU_AND(&both, &mine, &all[r]);
                sharing += r != comm->local_rank && CPU_COUNT(&both) > 0;
            }
        }
        free(all);
        MPI_Comm_free(&node);
    }
    return cores / sharing > 1 ? cores / sharing : 1;
}

int comm_cores(const struct comm *comm, int *own, int *of_node) {
    cpu_set_t mine, all;
    MPI_Comm node;
    *own = *of_node = 1;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof mine, &mine)) CPU_SET(0, &mine);
    TRY(comm_status(MPI_Comm_split_type(comm->handle, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
                    "finding the node"));
    int code = COMM_COUNTED(comm, sizeof mine, MPI_Allreduce(&mine, &all, sizeof mine, MPI_BYTE, MPI_BOR, node));
    MPI_Comm_free(&node);
    *own = CPU_COUNT(&mine);
    *of_node = CPU_COUNT(&all);
    return comm_status(code, "comparing the cores of ranks");
}
