/* The rows of a large table that does not change (the KG nodes' vectors of a trained model), each held by one rank, read by any rank at any time:
 * no rank takes part in what another reads, so ranks that work on their own need not wait for each other (MPI one-sided; Gropp, Hoefler,
 * Thakur, Lusk, "Using Advanced MPI", 2014, chapter 3). Where they change, dist/row_owner.h exchanges them.
 *
 * Rank r holds rows row_owner_first(n, r, size) .. row_owner_first(n, r + 1, size) - 1, in host memory.
 */
#ifndef MEDTOK_DIST_ROW_WINDOW_H
#define MEDTOK_DIST_ROW_WINDOW_H

#include "dist/comm.h"

struct row_window {
    const struct comm *comm; /* borrowed */
    int64_t n_rows, cols;    /* of the whole table */
    int64_t first, count;    /* of this rank's rows */
    float *own;              /* [count, cols]: to be filled by the caller */
    MPI_Win window;          /* where there are several ranks */
    int *wanted;             /* of a read: rows by their places in their owner's memory */
    long long wanted_capacity;
};

/* Collective: room for the table. `status`: what failed on this rank on the way here, which becomes every rank's. Close it (collective) in
 * any case. */
int row_window_open(struct row_window *window, const struct comm *comm, int64_t n_rows, int64_t cols, int status);
void row_window_close(struct row_window *window);

/* Collective: what is in `own` is the table's from now on, and can be read. `status`: of the filling. */
int row_window_share(struct row_window *window, int status);

/* Not collective. out [n, cols]: rows[n], ascending, each once. One message to each rank that holds some, or several of at most 1 GiB. */
int row_window_read(struct row_window *window, int64_t n, const int32_t *rows, float *out);

#endif
