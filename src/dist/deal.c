/* Alltoallv in rounds, whose counts and offsets fit MPI's int. */
#include "dist/deal.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { ROUND_BYTES = 1 << 26 }; /* that a rank sends, but at least a row to each */

struct dealing {
    int64_t *n_send, *first_send;                               /* [size] rows to each rank, and of those before it */
    int64_t *n_get, *first_get;                                 /* [size] rows from each rank, likewise */
    int *send_counts, *send_offsets, *get_counts, *get_offsets; /* [size] bytes in a round */
    char *sorted;                                               /* [n, row_bytes] by receiver */
    char *out, *in;                                             /* of a round */
    int64_t rows_a_round;                                       /* at most, between two ranks */
};

static void dealing_free(struct dealing *d) {
    free(d->n_send);
    free(d->first_send);
    free(d->n_get);
    free(d->first_get);
    free(d->send_counts);
    free(d->send_offsets);
    free(d->get_counts);
    free(d->get_offsets);
    free(d->sorted);
    free(d->out);
    free(d->in);
}

static int dealing_make(struct dealing *d, const struct comm *comm, int64_t n, int64_t row_bytes) {
    int64_t size = comm->size;
    *d = (struct dealing){.rows_a_round = ROUND_BYTES / size / row_bytes};
    if (d->rows_a_round == 0) d->rows_a_round = 1;
    if (d->rows_a_round > n + 1) d->rows_a_round = n + 1;
    TRY(mem_alloc(&d->n_send, size, sizeof *d->n_send));
    TRY(mem_alloc(&d->first_send, size + 1, sizeof *d->first_send));
    TRY(mem_alloc(&d->n_get, size, sizeof *d->n_get));
    TRY(mem_alloc(&d->first_get, size + 1, sizeof *d->first_get));
    TRY(mem_alloc(&d->send_counts, size, sizeof *d->send_counts));
    TRY(mem_alloc(&d->send_offsets, size, sizeof *d->send_offsets));
    TRY(mem_alloc(&d->get_counts, size, sizeof *d->get_counts));
    TRY(mem_alloc(&d->get_offsets, size, sizeof *d->get_offsets));
    return mem_alloc(&d->sorted, n, row_bytes);
}

/* Rows by receiver, in their order. */
static void sort_rows(struct dealing *d, int size, int64_t n, int64_t row_bytes, const char *rows, const int *to) {
    for (int64_t i = 0; i < n; i++) d->n_send[to[i]]++;
    for (int r = 0; r < size; r++) d->first_send[r + 1] = d->first_send[r] + d->n_send[r];
    for (int64_t i = 0; i < n; i++)
        memcpy(d->sorted + d->first_send[to[i]]++ * row_bytes, rows + i * row_bytes, (size_t)row_bytes);
    for (int r = 0; r < size; r++) d->first_send[r] -= d->n_send[r];
}

static int64_t in_round(int64_t n, int64_t at, int64_t most) { return n <= at ? 0 : n - at < most ? n - at : most; }

/* The bytes of the round that begins with row `at` of each pair; returns their sum. */
static int64_t count_round(const struct dealing *d, int size, int64_t row_bytes, int64_t at, const int64_t *n,
                           int *counts, int *offsets) {
    int64_t bytes = 0;
    for (int r = 0; r < size; r++) {
        counts[r] = (int)(in_round(n[r], at, d->rows_a_round) * row_bytes);
        offsets[r] = (int)bytes;
        bytes += counts[r];
    }
    return bytes;
}

static int deal_round(struct dealing *d, const struct comm *comm, int64_t row_bytes, int64_t at, char *got) {
    int size = comm->size;
    int64_t bytes = count_round(d, size, row_bytes, at, d->n_send, d->send_counts, d->send_offsets);
    count_round(d, size, row_bytes, at, d->n_get, d->get_counts, d->get_offsets);
    for (int r = 0; r < size; r++)
        if (d->send_counts[r])
            memcpy(d->out + d->send_offsets[r], d->sorted + (d->first_send[r] + at) * row_bytes,
                   (size_t)d->send_counts[r]);
    TRY(comm_status(COMM_COUNTED(comm, bytes - d->send_counts[comm->rank],
                                 MPI_Alltoallv(d->out, d->send_counts, d->send_offsets, MPI_BYTE, d->in, d->get_counts,
                                               d->get_offsets, MPI_BYTE, comm->handle)),
                    "dealing rows"));
    for (int r = 0; r < size; r++)
        if (d->get_counts[r])
            memcpy(got + (d->first_get[r] + at) * row_bytes, d->in + d->get_offsets[r], (size_t)d->get_counts[r]);
    return STATUS_OK;
}

/* One rank keeps all; MPI need not have started. */
static int keep_rows(int64_t n, int64_t row_bytes, const void *rows, int64_t *n_got, void *got) {
    char *copy;
    TRY(mem_alloc(&copy, n, row_bytes));
    if (n) memcpy(copy, rows, (size_t)(n * row_bytes));
    memcpy(got, &copy, sizeof copy);
    *n_got = n;
    return STATUS_OK;
}

/* Collective. Rows a round, and rounds: the same on every rank. */
static int plan_rounds(struct dealing *d, const struct comm *comm, int64_t *n_rounds) {
    int64_t most[2] = {d->rows_a_round, 0};
    for (int r = 0; r < comm->size; r++) most[1] = d->n_send[r] > most[1] ? d->n_send[r] : most[1];
    TRY(comm_max_int64(comm, most, 2));
    d->rows_a_round = most[0];
    *n_rounds = (most[1] + most[0] - 1) / most[0];
    return STATUS_OK;
}

int comm_deal_rows(const struct comm *comm, int64_t n, int64_t row_bytes, const void *rows, const int *to,
                   int64_t *n_got, void *got_out) {
    struct dealing d;
    char *got = NULL;
    int64_t n_rounds;
    int status;
    if (comm->size == 1) return keep_rows(n, row_bytes, rows, n_got, got_out);
    TRY_DONE(comm_agree(comm, dealing_make(&d, comm, n, row_bytes)));
    sort_rows(&d, comm->size, n, row_bytes, rows, to);
    TRY_DONE(comm_status(COMM_COUNTED(comm, 8 * (int64_t)comm->size,
                                      MPI_Alltoall(d.n_send, 1, MPI_INT64_T, d.n_get, 1, MPI_INT64_T, comm->handle)),
                         "dealing rows"));
    for (int r = 0; r < comm->size; r++) d.first_get[r + 1] = d.first_get[r] + d.n_get[r];
    *n_got = d.first_get[comm->size];
    TRY_DONE(plan_rounds(&d, comm, &n_rounds));
    status = mem_alloc(&got, *n_got, row_bytes);
    if (status == STATUS_OK) status = mem_alloc(&d.out, d.rows_a_round * comm->size, row_bytes);
    if (status == STATUS_OK) status = mem_alloc(&d.in, d.rows_a_round * comm->size, row_bytes);
    TRY_DONE(comm_agree(comm, status));
    for (int64_t k = 0; k < n_rounds; k++) TRY_DONE(deal_round(&d, comm, row_bytes, k * d.rows_a_round, got));
done:
    dealing_free(&d);
    if (status != STATUS_OK) {
        free(got);
        got = NULL;
    }
    memcpy(got_out, &got, sizeof got);
    return status;
}
