/* For LD_PRELOAD: counts the MPI calls by which a rank talks to others, by the stages that the program names (MPI_Pcontrol, see
 * src/dist/stages.c), those of libraries below it too (HDF5's MPI-IO). Beside the program's own counts it is a second
 * opinion: it sees the calls that are wrapped below, whoever makes them. They are those by which the program and HDF5 1.10 to 1.14 move
 * data or wait for other ranks; messages.sh looks that the program calls no other. What opens or ends a window is a
 * collective; a Fetch_and_op is a send, and so is a Get, with the bytes that come. Writes at a rank's own place in a file (File_write_at) reach no rank: not counted.
 *
 * At MPI_Finalize rank r writes the file MESSAGES.r: `stage <tab> calls <tab> collectives <tab> sends <tab> bytes` a line, where calls
 * is how often the stage began. A collective is a call on a communicator or a file of several ranks; bytes is what the rank puts in:
 * of a sum its own values, of a broadcast the root's, of an all-to-all what goes to others. */
#include <mpi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STAGES = 32, NAME_BYTES = 32 };

static struct stage {
    char name[NAME_BYTES];
    long long calls, collectives, sends, bytes;
} stages[MOST_STAGES] = {{.name = "other"}};
static int n_stages = 1, running, outer;

static void enter(const char *name) {
    int i = 0;
    while (i < n_stages && strcmp(stages[i].name, name) != 0) i++;
    if (i == MOST_STAGES) return;
    if (i == n_stages) snprintf(stages[n_stages++].name, NAME_BYTES, "%s", name);
    stages[i].calls++;
    outer = running;
    running = i;
}

int MPI_Pcontrol(const int level, ...) {
    va_list arguments;
    va_start(arguments, level);
    if (level == 1)
        enter(va_arg(arguments, const char *));
    else if (level == -1)
        running = outer, outer = 0;
    va_end(arguments);
    return MPI_SUCCESS;
}

/* ---- what is counted ---- */
static int ranks_of(MPI_Comm comm) {
    int size = 1;
    PMPI_Comm_size(comm, &size);
    return size;
}

static int is_rank(MPI_Comm comm, int rank) {
    int own = 0;
    PMPI_Comm_rank(comm, &own);
    return own == rank;
}

static long long bytes_of(MPI_Datatype type, long long count) {
    int size = 0;
    if (type != MPI_DATATYPE_NULL && count > 0) PMPI_Type_size(type, &size);
    return size * count;
}

static void collective(MPI_Comm comm, long long bytes) {
    if (ranks_of(comm) == 1) return;
    stages[running].collectives++;
    stages[running].bytes += bytes;
}

static void of_file(long long bytes) { collective(MPI_COMM_WORLD, bytes); }

static void send(MPI_Comm comm, long long bytes) {
    if (ranks_of(comm) == 1) return;
    stages[running].sends++;
    stages[running].bytes += bytes;
}

static long long to_others(MPI_Comm comm, const int *counts) {
    long long n = 0;
    for (int r = 0; r < ranks_of(comm); r++) n += is_rank(comm, r) ? 0 : counts[r];
    return n;
}

/* ---- collectives ---- */
#define WRAP(call, parameters, arguments, count)                                                                       \
    int MPI_##call parameters {                                                                                        \
        count;                                                                                                         \
        return PMPI_##call arguments;                                                                                  \
    }

WRAP(Barrier, (MPI_Comm c), (c), collective(c, 0))
WRAP(Ibarrier, (MPI_Comm c, MPI_Request *r), (c, r), collective(c, 0))
WRAP(Bcast, (void *b, int n, MPI_Datatype t, int root, MPI_Comm c), (b, n, t, root, c),
     collective(c, is_rank(c, root) ? bytes_of(t, n) : 0))
WRAP(Allreduce, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c), (s, r, n, t, o, c),
     collective(c, bytes_of(t, n)))
WRAP(Iallreduce, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c, MPI_Request *q),
     (s, r, n, t, o, c, q), collective(c, bytes_of(t, n)))
WRAP(Reduce, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, int root, MPI_Comm c), (s, r, n, t, o, root, c),
     collective(c, bytes_of(t, n)))
WRAP(Reduce_scatter, (const void *s, void *r, const int *n, MPI_Datatype t, MPI_Op o, MPI_Comm c), (s, r, n, t, o, c), {
    long long all = 0;
    for (int k = 0; k < ranks_of(c); k++) all += n[k];
    collective(c, bytes_of(t, all));
})
WRAP(Scan, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c), (s, r, n, t, o, c),
     collective(c, bytes_of(t, n)))
WRAP(Exscan, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c), (s, r, n, t, o, c),
     collective(c, bytes_of(t, n)))
WRAP(Gather, (const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, int root, MPI_Comm c),
     (s, n, t, r, m, u, root, c), collective(c, bytes_of(t, n)))
WRAP(Gatherv,
     (const void *s, int n, MPI_Datatype t, void *r, const int *m, const int *d, MPI_Datatype u, int root, MPI_Comm c),
     (s, n, t, r, m, d, u, root, c), collective(c, bytes_of(t, n)))
WRAP(Allgather, (const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c),
     (s, n, t, r, m, u, c), collective(c, bytes_of(t, n)))
WRAP(Allgatherv,
     (const void *s, int n, MPI_Datatype t, void *r, const int *m, const int *d, MPI_Datatype u, MPI_Comm c),
     (s, n, t, r, m, d, u, c), collective(c, bytes_of(t, n)))
WRAP(Alltoall, (const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c),
     (s, n, t, r, m, u, c), collective(c, bytes_of(t, (long long)n *(ranks_of(c) - 1))))
WRAP(Alltoallv,
     (const void *s, const int *n, const int *e, MPI_Datatype t, void *r, const int *m, const int *d, MPI_Datatype u,
      MPI_Comm c),
     (s, n, e, t, r, m, d, u, c), collective(c, bytes_of(t, to_others(c, n))))
WRAP(Comm_dup, (MPI_Comm c, MPI_Comm *n), (c, n), collective(c, 0))
WRAP(Comm_split, (MPI_Comm c, int color, int key, MPI_Comm *n), (c, color, key, n), collective(c, 0))
WRAP(Comm_split_type, (MPI_Comm c, int type, int key, MPI_Info i, MPI_Comm *n), (c, type, key, i, n), collective(c, 0))

WRAP(Comm_free, (MPI_Comm * c), (c), collective(*c, 0))
WRAP(Scatterv,
     (const void *s, const int *n, const int *d, MPI_Datatype t, void *r, int m, MPI_Datatype u, int root, MPI_Comm c),
     (s, n, d, t, r, m, u, root, c), collective(c, is_rank(c, root) ? bytes_of(t, to_others(c, n)) : 0))

/* ---- windows: of all ranks, as the program makes them ---- */
WRAP(Win_allocate, (MPI_Aint n, int unit, MPI_Info i, MPI_Comm c, void *at, MPI_Win *w), (n, unit, i, c, at, w),
     collective(c, 0))
WRAP(Win_free, (MPI_Win * w), (w), collective(MPI_COMM_WORLD, 0))
WRAP(Get, (void *b, int n, MPI_Datatype t, int from, MPI_Aint at, int m, MPI_Datatype u, MPI_Win w),
     (b, n, t, from, at, m, u, w), send(MPI_COMM_WORLD, is_rank(MPI_COMM_WORLD, from) ? 0 : bytes_of(t, n)))
WRAP(Fetch_and_op, (const void *v, void *before, MPI_Datatype t, int to, MPI_Aint at, MPI_Op o, MPI_Win w),
     (v, before, t, to, at, o, w), send(MPI_COMM_WORLD, bytes_of(t, 1)))

/* ---- files, which all ranks open together ---- */
WRAP(File_open, (MPI_Comm c, const char *name, int mode, MPI_Info i, MPI_File *f), (c, name, mode, i, f),
     collective(c, 0))
WRAP(File_close, (MPI_File * f), (f), of_file(0))
WRAP(File_sync, (MPI_File f), (f), of_file(0))
WRAP(File_set_size, (MPI_File f, MPI_Offset n), (f, n), of_file(0))
WRAP(File_set_view, (MPI_File f, MPI_Offset d, MPI_Datatype e, MPI_Datatype t, const char *how, MPI_Info i),
     (f, d, e, t, how, i), of_file(0))
WRAP(File_write_at_all, (MPI_File f, MPI_Offset o, const void *b, int n, MPI_Datatype t, MPI_Status *s),
     (f, o, b, n, t, s), of_file(bytes_of(t, n)))
WRAP(File_read_at_all, (MPI_File f, MPI_Offset o, void *b, int n, MPI_Datatype t, MPI_Status *s), (f, o, b, n, t, s),
     of_file(0))

/* ---- from one rank to another ---- */
WRAP(Send, (const void *b, int n, MPI_Datatype t, int to, int tag, MPI_Comm c), (b, n, t, to, tag, c),
     send(c, bytes_of(t, n)))
WRAP(Isend, (const void *b, int n, MPI_Datatype t, int to, int tag, MPI_Comm c, MPI_Request *r),
     (b, n, t, to, tag, c, r), send(c, bytes_of(t, n)))
WRAP(Issend, (const void *b, int n, MPI_Datatype t, int to, int tag, MPI_Comm c, MPI_Request *r),
     (b, n, t, to, tag, c, r), send(c, bytes_of(t, n)))

/* ---- the end ---- */
int MPI_Finalize(void) {
    char path[4096];
    int rank = 0;
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    snprintf(path, sizeof path, "%s.%d", getenv("MESSAGES") ? getenv("MESSAGES") : "messages", rank);
    FILE *out = fopen(path, "w");
    for (int i = 0; out && i < n_stages; i++)
        fprintf(out, "%s\t%lld\t%lld\t%lld\t%lld\n", stages[i].name, stages[i].calls, stages[i].collectives,
                stages[i].sends, stages[i].bytes);
    if (out) fclose(out);
    return PMPI_Finalize();
}
