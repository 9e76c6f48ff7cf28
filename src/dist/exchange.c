#include "dist/exchange.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* Counts and offsets of all to all, in rows. */
struct exchange {
    int *sent, *sent_first, *got, *got_first; /* [size] */
    int64_t n_sent;
};

static void exchange_free(struct exchange *x) {
    free(x->sent);
    free(x->sent_first);
    free(x->got);
    free(x->got_first);
}

/* MPI counts rows in an int. */
static int check_number(int64_t n, int64_t row_bytes, const char *does) {
    if (n <= INT_MAX) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "a rank %s %.1f GB at once (%lld rows of %lld bytes), but can at most 2^31 - 1 rows: take more "
                      "ranks, so that each has less",
                      does, (double)n * (double)row_bytes * 1e-9, (long long)n, (long long)row_bytes);
}

static int exchange_make(struct exchange *x, const struct comm *comm, int64_t row_bytes, const int64_t *count,
                         struct received_rows *received) {
    TRY(mem_alloc(&x->sent, comm->size, sizeof *x->sent));
    TRY(mem_alloc(&x->sent_first, comm->size, sizeof *x->sent_first));
    TRY(mem_alloc(&x->got, comm->size, sizeof *x->got));
    TRY(mem_alloc(&x->got_first, comm->size, sizeof *x->got_first));
    TRY(mem_grow(&received->first, &received->first_capacity, comm->size + 1, sizeof *received->first));
    for (int r = 0; r < comm->size; r++) {
        x->sent[r] = (int)count[r];
        x->sent_first[r] = (int)x->n_sent;
        x->n_sent += count[r];
    }
    return check_number(x->n_sent, row_bytes, "sends");
}

static int make_room(struct exchange *x, const struct comm *comm, int64_t row_bytes, struct received_rows *received) {
    received->n = 0;
    for (int r = 0; r < comm->size; r++) {
        received->first[r] = received->n;
        x->got_first[r] = (int)received->n;
        received->n += x->got[r];
    }
    received->first[comm->size] = received->n;
    TRY(check_number(received->n, row_bytes, "gets"));
    return mem_grow(&received->rows, &received->bytes_capacity, received->n * row_bytes + 1, 1);
}

/* A rank alone keeps its rows, however many. */
static int keep_rows(int64_t row_bytes, int64_t n, const void *rows, struct received_rows *received) {
    TRY(mem_grow(&received->first, &received->first_capacity, 2, sizeof *received->first));
    TRY(mem_grow(&received->rows, &received->bytes_capacity, n * row_bytes + 1, 1));
    received->first[0] = 0;
    received->first[1] = received->n = n;
    if (n * row_bytes > 0) memcpy(received->rows, rows, (size_t)(n * row_bytes));
    return STATUS_OK;
}

int comm_exchange_rows(const struct comm *comm, int64_t row_bytes, const int64_t *count, const void *rows,
                       struct received_rows *received) {
    struct exchange x = {0};
    MPI_Datatype row;
    int status;
    if (comm->size == 1) return keep_rows(row_bytes, count[0], rows, received);
    TRY_DONE(comm_agree(comm, exchange_make(&x, comm, row_bytes, count, received)));
    TRY_DONE(comm_status(COMM_COUNTED(comm, (int64_t)sizeof(int) * comm->size,
                                      MPI_Alltoall(x.sent, 1, MPI_INT, x.got, 1, MPI_INT, comm->handle)),
                         "exchanging rows"));
    TRY_DONE(comm_agree(comm, make_room(&x, comm, row_bytes, received)));
    MPI_Type_contiguous((int)row_bytes, MPI_BYTE, &row);
    MPI_Type_commit(&row);
    int code = COMM_COUNTED(
        comm, (x.n_sent - x.sent[comm->rank]) * row_bytes,
        MPI_Alltoallv(rows, x.sent, x.sent_first, row, received->rows, x.got, x.got_first, row, comm->handle));
    MPI_Type_free(&row);
    status = comm_status(code, "exchanging rows");
done:
    exchange_free(&x);
    return status;
}

void received_rows_free(struct received_rows *received) {
    free(received->first);
    free(received->rows);
    *received = (struct received_rows){0};
}
