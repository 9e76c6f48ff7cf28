/* The communicator: who we are, agreement on errors, and the few collectives that the program needs.
 *
 * A rank that fails between two collectives must not leave the others waiting: it keeps its status and all ranks call
 * comm_agree() at the next named point. After it, every rank has the same status and the message of the first rank that
 * failed. Only `main` prints it, on rank 0.
 */
#ifndef MEDTOK_DIST_COMM_H
#define MEDTOK_DIST_COMM_H

#include <mpi.h>
#include <stdint.h>

struct comm {
    MPI_Comm handle;
    int rank, size;
    int local_rank, local_size; /* among the ranks that share this node's memory */
    int number;                 /* of this rank among all of the program: what messages call it */
};

/* Tasks that the launcher says it started, judged by the environment of this one; 1 if it says nothing. In a SLURM batch
 * script itself (no step) SLURM_NTASKS tells of tasks to come, so only a step's own count is believed. Needs no MPI. */
int comm_launched_tasks(void);

/* Starts MPI (thread level funneled) and fills `comm` with the world. Refuses, with the cure, when the launcher started
 * several tasks (SLURM_NTASKS with SLURM_STEP_ID, PMI_SIZE, PMIX-like, OMPI_COMM_WORLD_SIZE) but MPI sees one process. */
int comm_start(struct comm *comm, int *argc, char ***argv);

/* Ends MPI. */
void comm_stop(struct comm *comm);

/* A communicator of this process alone (no MPI_Init needed to use rank and size). */
struct comm comm_self(void);

/* Collective. Cuts the ranks into groups: *group has those ranks of `comm` that pass the same `number`, in their order. Collectives of
 * one group know nothing of the others. Free it with comm_free (collective over the group). */
int comm_split(const struct comm *comm, int number, struct comm *group);
void comm_free(struct comm *group);

/* Lets what other ranks ask of this one go on (dist/work_counter.h), where MPI has nobody else to do it: for loops that may make no MPI
 * call for long, those of a rank that works alone beside others. Fails where MPI says that a rank is gone. */
int comm_progress(void);

/* Collective. Returns STATUS_OK if every rank passes STATUS_OK; else, on all ranks, the code and message of the lowest
 * failing rank, with "rank R: " in front when there are several ranks (not of STATUS_INTERRUPTED, which is all ranks' matter). */
int comm_agree(const struct comm *comm, int status);

/* Collective: sums over ranks, in place, the same on every rank; any count (split below 2^31 bytes a message). */
int comm_sum_int64(const struct comm *comm, int64_t *values, int64_t count);
int comm_sum_double(const struct comm *comm, double *values, int64_t count);
int comm_max_int64(const struct comm *comm, int64_t *values, int64_t count); /* the largest, likewise */
int comm_max_double(const struct comm *comm, double *values, int64_t count);
int comm_sum_uint64(const struct comm *comm, uint64_t *values, int64_t count);
/* before[i]: the sum over the ranks before this one; all[i]: over all ranks. */
int comm_sum_before(const struct comm *comm, int64_t count, const int64_t *values, int64_t *before, int64_t *all);
int comm_or_uint64(const struct comm *comm, uint64_t *values, int64_t count); /* the bits that any rank has */

/* Collective: rank 0's bytes to all; any length (split below 2^31 bytes a message). */
int comm_broadcast(const struct comm *comm, void *bytes, int64_t count);

/* What this process has sent since it started. A call that moves data is one message, collective or not, with the bytes that
 * this rank puts in: of a sum its own values, of a broadcast rank 0's, of an all-to-all what goes to other ranks. Calls on one
 * rank alone move nothing. A sum between GPUs (dist/reduce.h) is one message too. `seconds`: time inside these calls, the wait for other ranks included. Files (MPI-IO) are not
 * counted. */
struct traffic {
    int64_t messages, bytes;
    double seconds;
};
struct traffic comm_traffic(void);

/* For the files of src/dist: makes an MPI call and counts it; its value is the call's. COMM_WAITED: the time only, where the
 * message was counted at its start. */
#define COMM_COUNTED(comm, n_bytes, call) (comm_call_begins(), comm_call_ends(comm, 1, n_bytes, call))
#define COMM_WAITED(comm, call)           (comm_call_begins(), comm_call_ends(comm, 0, 0, call))
void comm_call_begins(void);
int comm_call_ends(const struct comm *comm, int64_t messages, int64_t bytes, int code);

/* For the same files: STATUS_OK, or STATUS_FAILED with "MPI: WHAT: the error". */
int comm_status(int code, const char *what);

/* The MPI type of `real` (kernels/real.h). */
#ifdef MEDTOK_REAL_DOUBLE
#define COMM_REAL MPI_DOUBLE
#else
#define COMM_REAL MPI_FLOAT
#endif

/* Number of threads this rank should use: `wanted` if positive, else the cores it may run on (its affinity mask),
 * divided among the ranks of this node that share the same mask. At least 1. Collective over the node. */
int comm_threads(const struct comm *comm, int wanted);

/* Collective. How many cores this rank may use, and all ranks of its node together. */
int comm_cores(const struct comm *comm, int *own, int *of_node);

#endif
