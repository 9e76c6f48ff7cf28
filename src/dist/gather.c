/* Allgatherv in rounds, whose counts and offsets fit MPI's int. */
#include "dist/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { ROUND_BYTES = 1 << 26 }; /* of all ranks together, but at least a row of each */

/* Where the rows of each rank go, and one round of them. */
struct gathering {
    int64_t *n, *first;    /* [size] rows of each rank, and of those before it */
    int *counts, *offsets; /* [size] bytes in the round */
    char *round;
    int64_t rows_a_round; /* at most, of each rank */
};

static void gathering_free(struct gathering *g) {
    free(g->n);
    free(g->first);
    free(g->counts);
    free(g->offsets);
    free(g->round);
}

static int gathering_make(struct gathering *g, const struct comm *comm, int64_t row_bytes) {
    *g = (struct gathering){.rows_a_round = ROUND_BYTES / comm->size / row_bytes};
    if (g->rows_a_round == 0) g->rows_a_round = 1;
    if (comm->size * row_bytes > INT32_MAX)
        return status_set(STATUS_FAILED, "rows of %lld bytes are too long to gather from %d ranks",
                          (long long)row_bytes, comm->size);
    TRY(mem_alloc(&g->n, comm->size, sizeof *g->n));
    TRY(mem_alloc(&g->first, comm->size, sizeof *g->first));
    TRY(mem_alloc(&g->counts, comm->size, sizeof *g->counts));
    return mem_alloc(&g->offsets, comm->size, sizeof *g->offsets);
}

/* Collective. The number of rows of each rank, their first, and the number of all. */
static int share_counts(struct gathering *g, const struct comm *comm, int64_t n, int64_t *n_all) {
    TRY(comm_status(COMM_COUNTED(comm, sizeof n, MPI_Allgather(&n, 1, MPI_INT64_T, g->n, 1, MPI_INT64_T, comm->handle)),
                    "gathering rows"));
    *n_all = 0;
    for (int r = 0; r < comm->size; r++) {
        g->first[r] = *n_all;
        *n_all += g->n[r];
    }
    return STATUS_OK;
}

/* Collective. Rows `at` and on of each rank, as many as a round takes. */
static int gather_round(struct gathering *g, const struct comm *comm, int64_t at, int64_t row_bytes, const char *rows,
                        char *all) {
    int bytes = 0;
    for (int r = 0; r < comm->size; r++) {
        int64_t left = g->n[r] - at;
        left = left < 0 ? 0 : left < g->rows_a_round ? left : g->rows_a_round;
        g->counts[r] = (int)(left * row_bytes);
        g->offsets[r] = bytes;
        bytes += g->counts[r];
    }
    int own = g->counts[comm->rank];
    const char *from = own ? rows + at * row_bytes : rows;
    TRY(comm_status(
        COMM_COUNTED(comm, own,
                     MPI_Allgatherv(from, own, MPI_BYTE, g->round, g->counts, g->offsets, MPI_BYTE, comm->handle)),
        "gathering rows"));
    for (int r = 0; r < comm->size; r++)
        if (g->counts[r]) memcpy(all + (g->first[r] + at) * row_bytes, g->round + g->offsets[r], (size_t)g->counts[r]);
    return STATUS_OK;
}

/* One rank's rows are all there are; MPI need not have started. */
static int copy_rows(int64_t n, int64_t row_bytes, const void *rows, int64_t *n_all, void *all) {
    char *copy;
    TRY(mem_alloc(&copy, n, row_bytes));
    if (n) memcpy(copy, rows, (size_t)(n * row_bytes));
    memcpy(all, &copy, sizeof copy);
    *n_all = n;
    return STATUS_OK;
}

int comm_gather_rows(const struct comm *comm, int64_t n, int64_t row_bytes, const void *rows, int64_t *n_all,
                     void *all_out) {
    struct gathering g;
    char *all = NULL;
    int64_t most = 0;
    int status;
    if (comm->size == 1) return copy_rows(n, row_bytes, rows, n_all, all_out);
    TRY_DONE(comm_agree(comm, gathering_make(&g, comm, row_bytes)));
    TRY_DONE(share_counts(&g, comm, n, n_all));
    for (int r = 0; r < comm->size; r++) most = g.n[r] > most ? g.n[r] : most;
    if (g.rows_a_round > most) g.rows_a_round = most > 0 ? most : 1;
    status = mem_alloc(&g.round, g.rows_a_round * comm->size, row_bytes);
    if (status == STATUS_OK) status = mem_alloc(&all, *n_all, row_bytes);
    TRY_DONE(comm_agree(comm, status));
    for (int64_t at = 0; at < most; at += g.rows_a_round) TRY_DONE(gather_round(&g, comm, at, row_bytes, rows, all));
done:
    gathering_free(&g);
    if (status != STATUS_OK) {
        free(all);
        all = NULL;
    }
    memcpy(all_out, &all, sizeof all);
    return status;
}

/* Rows in block b of n rows. */
static int64_t block_rows(int64_t n, int64_t block, int64_t b) { return (b + 1) * block < n ? block : n - b * block; }

int comm_gather_blocks(const struct comm *comm, int64_t n, int64_t block, int64_t row_bytes, void *rows) {
    char *own = NULL, *all = NULL, *items = rows;
    int64_t *next = NULL, n_blocks = (n + block - 1) / block, n_all; /* next: row of `all` with which a rank goes on */
    int status;
    if (comm->size == 1) return STATUS_OK;
    TRY_DONE(comm_agree(comm, mem_alloc(&next, comm->size + 1, sizeof *next)));
    for (int64_t b = 0; b < n_blocks; b++) next[b % comm->size + 1] += block_rows(n, block, b);
    int64_t n_own = next[comm->rank + 1], at = 0;
    for (int r = 0; r < comm->size; r++) next[r + 1] += next[r];
    TRY_DONE(comm_agree(comm, mem_alloc(&own, n_own, row_bytes)));
    for (int64_t b = comm->rank; b < n_blocks; b += comm->size) {
        memcpy(own + at * row_bytes, items + b * block * row_bytes, (size_t)(block_rows(n, block, b) * row_bytes));
        at += block_rows(n, block, b);
    }
    TRY_DONE(comm_gather_rows(comm, n_own, row_bytes, own, &n_all, &all));
    for (int64_t b = 0; b < n_blocks; b++) {
        int64_t *from = &next[b % comm->size], count = block_rows(n, block, b);
        memcpy(items + b * block * row_bytes, all + *from * row_bytes, (size_t)(count * row_bytes));
        *from += count;
    }
done:
    free(next);
    free(own);
    free(all);
    return status;
}

/* count and offset [size] in rows. */
static int gather_known(const struct comm *comm, const int64_t *first, int64_t row_bytes, const void *rows, void *all,
                        int *count, int *offset) {
    MPI_Datatype row;
    for (int r = 0; r < comm->size; r++) {
        count[r] = (int)(first[r + 1] - first[r]);
        offset[r] = (int)first[r];
    }
    TRY(comm_status(MPI_Type_contiguous((int)row_bytes, MPI_BYTE, &row), "gathering rows"));
    int code = MPI_Type_commit(&row);
    if (code == MPI_SUCCESS)
        code = COMM_COUNTED(comm, count[comm->rank] * row_bytes,
                            MPI_Allgatherv(rows, count[comm->rank], row, all, count, offset, row, comm->handle));
    MPI_Type_free(&row);
    return comm_status(code, "gathering rows");
}

int comm_gather_known(const struct comm *comm, const int64_t *first, int64_t row_bytes, const void *rows, void *all) {
    enum { FEW = 1024 }; /* ranks for which no memory is asked for, which could fail on one of them alone */
    int few[2 * FEW], *counts = few;
    if (first[comm->size] > INT32_MAX)
        return status_set(STATUS_FAILED, "%lld rows are too many to gather in one message",
                          (long long)first[comm->size]);
    if (comm->size == 1) {
        if (first[1] > 0) memcpy(all, rows, (size_t)(first[1] * row_bytes));
        return STATUS_OK;
    }
    if (comm->size > FEW) TRY(status_alone(mem_alloc(&counts, 2 * (int64_t)comm->size, sizeof *counts)));
    int status = gather_known(comm, first, row_bytes, rows, all, counts, counts + comm->size);
    if (counts != few) free(counts);
    return status;
}
