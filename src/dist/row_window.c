#include "dist/row_window.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/row_owner.h"

enum { LARGEST_MESSAGE = 1 << 30 };

static int window_status(int code) { return comm_status(code, "reading rows that other ranks hold"); }

/* Collective where every rank has a window; not every rank may have locked it. */
static void free_window(struct row_window *w, int is_locked) {
    if (is_locked) MPI_Win_unlock_all(w->window);
    MPI_Win_free(&w->window);
    w->window = MPI_WIN_NULL;
}

static int allocate(struct row_window *w) {
    int64_t row_bytes = w->cols * (int64_t)sizeof *w->own;
    if (w->comm->size == 1) return mem_alloc(&w->own, w->count, row_bytes);
    return window_status(MPI_Win_allocate((MPI_Aint)(w->count * row_bytes), (int)row_bytes, MPI_INFO_NULL,
                                          w->comm->handle, &w->own, &w->window));
}

static int lock(struct row_window *w) {
    MPI_Win_set_errhandler(w->window, MPI_ERRORS_RETURN);
    return window_status(MPI_Win_lock_all(MPI_MODE_NOCHECK, w->window));
}

int row_window_open(struct row_window *w, const struct comm *comm, int64_t n_rows, int64_t cols, int status) {
    *w = (struct row_window){.comm = comm, .n_rows = n_rows, .cols = cols, .window = MPI_WIN_NULL};
    w->first = row_owner_first(n_rows, comm->rank, comm->size);
    w->count = row_owner_first(n_rows, comm->rank + 1, comm->size) - w->first;
    TRY(comm_agree(comm, status));
    status = comm_agree(comm, allocate(w));
    if (status != STATUS_OK) {
        w->window = MPI_WIN_NULL; /* some rank has none, so the others cannot free theirs: MPI does at its end */
        return status;
    }
    if (comm->size == 1) return STATUS_OK;
    int own = lock(w);
    status = comm_agree(comm, own);
    if (status != STATUS_OK) free_window(w, own == STATUS_OK);
    return status;
}

void row_window_close(struct row_window *w) {
    if (!w->comm) return;
    if (w->window != MPI_WIN_NULL)
        free_window(w, 1);
    else if (w->comm->size == 1)
        free(w->own);
    free(w->wanted);
    *w = (struct row_window){.window = MPI_WIN_NULL};
}

int row_window_share(struct row_window *w, int status) {
    if (status == STATUS_OK && w->window != MPI_WIN_NULL) status = window_status(MPI_Win_sync(w->window));
    return comm_agree(w->comm, status); /* behind which all have filled theirs */
}

/* n rows of rank `owner`, w->wanted[n] by their places there. */
static int get(struct row_window *w, int owner, int n, MPI_Datatype row, float *out) {
    MPI_Datatype rows;
    TRY(window_status(MPI_Type_create_indexed_block(n, 1, w->wanted, row, &rows)));
    int code = MPI_Type_commit(&rows);
    if (code == MPI_SUCCESS) code = COMM_COUNTED(w->comm, 0, MPI_Get(out, n, row, owner, 0, 1, rows, w->window));
    MPI_Type_free(&rows);
    return window_status(code);
}

/* One owner after the other; *out: behind the rows before. */
static int get_all(struct row_window *w, int64_t n, const int32_t *rows, MPI_Datatype row, float *out) {
    int64_t most = LARGEST_MESSAGE / (w->cols * (int64_t)sizeof *out) + 1, at = 0;
    TRY(mem_grow(&w->wanted, &w->wanted_capacity, n < most ? n : most, sizeof *w->wanted));
    for (int owner = 0; owner < w->comm->size && at < n;) {
        int64_t first = row_owner_first(w->n_rows, owner, w->comm->size);
        int64_t end = row_owner_first(w->n_rows, owner + 1, w->comm->size), count = 0;
        while (count < most && at + count < n && rows[at + count] < end) {
            w->wanted[count] = (int)(rows[at + count] - first);
            count++;
        }
        if (count > 0) TRY(get(w, owner, (int)count, row, out + at * w->cols));
        at += count;
        if (at < n && rows[at] >= end) owner++;
    }
    return window_status(COMM_WAITED(w->comm, MPI_Win_flush_all(w->window)));
}

int row_window_read(struct row_window *w, int64_t n, const int32_t *rows, float *out) {
    MPI_Datatype row;
    if (w->window == MPI_WIN_NULL) {
        for (int64_t i = 0; i < n; i++)
            memcpy(out + i * w->cols, w->own + rows[i] * w->cols, (size_t)w->cols * sizeof *out);
        return STATUS_OK;
    }
    TRY(window_status(MPI_Type_contiguous((int)w->cols, MPI_FLOAT, &row)));
    int status = window_status(MPI_Type_commit(&row));
    if (status == STATUS_OK) status = get_all(w, n, rows, row, out);
    MPI_Type_free(&row);
    return status;
}
