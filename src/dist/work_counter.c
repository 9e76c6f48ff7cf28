#include "dist/work_counter.h"

#include "base/status.h"

/* Collective where every rank has a window; not every rank may have locked it. */
static void free_window(struct work_counter *c, int is_locked) {
    if (is_locked) MPI_Win_unlock_all(c->window);
    MPI_Win_free(&c->window);
}

static int lock(struct work_counter *c, int64_t *number) {
    MPI_Win_set_errhandler(c->window, MPI_ERRORS_RETURN);
    TRY(comm_status(MPI_Win_lock_all(MPI_MODE_NOCHECK, c->window), "making a counter of work"));
    if (c->comm->rank == 0) {
        *number = 0;
        MPI_Win_sync(c->window);
    }
    return STATUS_OK;
}

int work_counter_open(struct work_counter *c, const struct comm *comm) {
    int64_t *number = NULL;
    *c = (struct work_counter){.comm = comm, .window = MPI_WIN_NULL};
    if (comm->size == 1) return STATUS_OK;
    int own = comm_status(MPI_Win_allocate(comm->rank == 0 ? (MPI_Aint)sizeof *number : 0, sizeof *number,
                                           MPI_INFO_NULL, comm->handle, &number, &c->window),
                          "making a counter of work");
    int status = comm_agree(comm, own);
    if (status != STATUS_OK) {
        c->window = MPI_WIN_NULL; /* some rank has none, so the others cannot free theirs: MPI does at its end */
        return status;
    }
    own = lock(c, number);
    status = comm_agree(comm, own); /* behind which the number is 0 */
    if (status != STATUS_OK) free_window(c, own == STATUS_OK);
    return status;
}

void work_counter_close(struct work_counter *c) {
    if (c->comm && c->window != MPI_WIN_NULL) free_window(c, 1);
}

/* Adds to the number; *before: what it was. */
static int add(struct work_counter *c, int64_t more, int64_t *before) {
    if (c->window == MPI_WIN_NULL) {
        *before = c->own;
        c->own += more;
        return STATUS_OK;
    }
    int code = MPI_Fetch_and_op(&more, before, MPI_INT64_T, 0, 0, more ? MPI_SUM : MPI_NO_OP, c->window);
    if (code == MPI_SUCCESS) code = MPI_Win_flush(0, c->window);
    return comm_status(code, "taking a piece of work");
}

int work_counter_take(struct work_counter *c, int64_t *piece) { return add(c, 1, piece); }

int work_counter_stopped(struct work_counter *c, int *stopped) {
    int64_t number = 0;
    TRY(add(c, 0, &number));
    *stopped = number >= WORK_STOPPED;
    return STATUS_OK;
}

int work_counter_stop(struct work_counter *c) {
    int64_t before;
    return add(c, WORK_STOPPED, &before);
}
