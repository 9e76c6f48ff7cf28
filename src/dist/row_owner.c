/* Askers speak first, to those who own what they want; then rows go one way and gradients the other, between the same pairs. */
#include "dist/row_owner.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* Messages of a question carry one of two tags by turns: a rank that already asks for the next batch is not heard by one that still
 * listens for this one. */
enum { TAG_QUESTION = 7100, TAG_ROWS = TAG_QUESTION + 2, TAG_GRADIENTS };

int64_t row_owner_first(int64_t n_rows, int rank, int size) { return n_rows * rank / size; }

static int exchange_status(int code) { return comm_status(code, "exchanging node rows"); }

static int plan_alloc(struct row_plan *plan, int size) {
    if (plan->want_counts) return STATUS_OK;
    TRY(mem_alloc(&plan->want_counts, size, sizeof(int)));
    TRY(mem_alloc(&plan->want_displacements, size, sizeof(int)));
    TRY(mem_alloc(&plan->give_counts, size, sizeof(int)));
    TRY(mem_alloc(&plan->give_displacements, size, sizeof(int)));
    TRY(mem_alloc(&plan->heard_first, size, sizeof(int)));
    return mem_alloc(&plan->requests, 2 * (long long)size, sizeof *plan->requests);
}

/* Rows are ascending, so each owner's part is one stretch. */
static void count_by_owner(struct row_plan *plan, int size, int64_t n_rows, const int32_t *rows, int n) {
    int at = 0;
    for (int r = 0; r < size; r++) {
        int64_t end = row_owner_first(n_rows, r + 1, size);
        plan->want_displacements[r] = at;
        while (at < n && rows[at] < end) at++;
        plan->want_counts[r] = at - plan->want_displacements[r];
    }
}

/* Staging memory large enough for this plan's rows, on host and device; grows and stays. */
static int plan_staging(struct row_plan *plan, const struct comm *comm, struct device *device, int64_t cols) {
    int64_t n_host = comm->size > 1 ? ((int64_t)plan->n_give + plan->n_want) * cols : 0;
    if (n_host > plan->host_values) {
        device_host_free_reals(device, plan->host);
        plan->host_values = 0;
        plan->host = device_host_alloc_reals(device, n_host + n_host / 4);
        if (!plan->host) return status_set(STATUS_FAILED, "%s", device_error(device));
        plan->host_values = n_host + n_host / 4;
    }
    if (plan->n_give > plan->device_rows) {
        device_free_ints(device, plan->give_on_device);
        plan->device_rows = plan->n_give + plan->n_give / 4;
        plan->give_on_device = device_alloc_ints(device, plan->device_rows);
    }
    if (plan->n_give * cols > plan->device_values) {
        device_free_reals(device, plan->rows_on_device);
        plan->device_values = plan->device_rows * cols;
        plan->rows_on_device = device_alloc_reals(device, plan->device_values);
    }
    device_upload_ints(device, plan->give_on_device, plan->give_rows, plan->n_give);
    return STATUS_OK;
}

/* ---- who wants what ---- */
/* How many questions were asked among the ranks of `comm` so far, kept with the communicator: the same on all of them. */
static int count_question(const struct comm *comm, int *number) {
    static int key = MPI_KEYVAL_INVALID;
    void *kept;
    int found, code = MPI_SUCCESS;
    if (key == MPI_KEYVAL_INVALID)
        code = MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, MPI_COMM_NULL_DELETE_FN, &key, NULL);
    if (code == MPI_SUCCESS) code = MPI_Comm_get_attr(comm->handle, key, &kept, &found);
    if (code != MPI_SUCCESS) return exchange_status(code);
    *number = found ? (int)(intptr_t)kept : 0;
    return exchange_status(MPI_Comm_set_attr(comm->handle, key, (void *)(intptr_t)(*number + 1)));
}

static int begin_asking(struct row_plan *plan, const struct comm *comm, const int32_t *rows, int tag, int *n_asked) {
    *n_asked = 0;
    for (int r = 0; r < comm->size; r++) {
        int n = r == comm->rank ? 0 : plan->want_counts[r];
        if (n == 0) continue;
        TRY(exchange_status(COMM_COUNTED(comm, n * (int64_t)sizeof *rows,
                                         MPI_Issend(rows + plan->want_displacements[r], n, MPI_INT32_T, r, tag,
                                                    comm->handle, &plan->requests[(*n_asked)++]))));
    }
    return STATUS_OK;
}

/* Takes a question, if one waits. */
static int hear(struct row_plan *plan, const struct comm *comm, int tag, int *n_heard) {
    int waits, n;
    MPI_Message message;
    MPI_Status from;
    TRY(exchange_status(MPI_Improbe(MPI_ANY_SOURCE, tag, comm->handle, &waits, &message, &from)));
    if (!waits) return STATUS_OK;
    TRY(exchange_status(MPI_Get_count(&from, MPI_INT32_T, &n)));
    TRY(mem_grow(&plan->heard, &plan->heard_capacity, *n_heard + n, sizeof *plan->heard));
    plan->give_counts[from.MPI_SOURCE] = n;
    plan->heard_first[from.MPI_SOURCE] = *n_heard;
    TRY(exchange_status(MPI_Mrecv(plan->heard + *n_heard, n, MPI_INT32_T, &message, MPI_STATUS_IGNORE)));
    *n_heard += n;
    return STATUS_OK;
}

/* Asks and hears until all questions of all ranks were heard: a rank whose own were enters the barrier. */
static int ask(struct row_plan *plan, const struct comm *comm, const int32_t *rows) {
    MPI_Request barrier;
    int number = 0, n_asked, n_heard = 0, heard = 0, over = 0;
    TRY(count_question(comm, &number));
    int tag = TAG_QUESTION + number % 2;
    TRY(begin_asking(plan, comm, rows, tag, &n_asked));
    while (!over) {
        TRY(hear(plan, comm, tag, &n_heard));
        if (heard) {
            TRY(exchange_status(COMM_WAITED(comm, MPI_Test(&barrier, &over, MPI_STATUS_IGNORE))));
            continue;
        }
        TRY(exchange_status(COMM_WAITED(comm, MPI_Testall(n_asked, plan->requests, &heard, MPI_STATUSES_IGNORE))));
        if (heard) TRY(exchange_status(COMM_COUNTED(comm, 0, MPI_Ibarrier(comm->handle, &barrier))));
    }
    return STATUS_OK;
}

/* What was asked, in the order of ranks, as rows of our own block; what this rank wants of itself was not asked. */
static int order_questions(struct row_plan *plan, const struct comm *comm, const int32_t *rows, int64_t n_rows) {
    int own = plan->want_counts[comm->rank];
    int32_t first = (int32_t)row_owner_first(n_rows, comm->rank, comm->size);
    plan->give_counts[comm->rank] = own;
    plan->n_give = 0;
    for (int r = 0; r < comm->size; r++) {
        plan->give_displacements[r] = plan->n_give;
        plan->n_give += plan->give_counts[r];
    }
    TRY(mem_grow(&plan->give_rows, &plan->give_capacity, plan->n_give + 1, sizeof *plan->give_rows));
    for (int r = 0; r < comm->size; r++) {
        const int32_t *asked =
            r == comm->rank ? rows + plan->want_displacements[r] : plan->heard + plan->heard_first[r];
        int32_t *give = plan->give_rows + plan->give_displacements[r];
        for (int i = 0; i < plan->give_counts[r]; i++) give[i] = asked[i] - first;
    }
    return STATUS_OK;
}

int row_plan_make(struct row_plan *plan, const struct comm *comm, struct device *device, int64_t n_rows, int64_t cols,
                  const int32_t *rows, int n) {
    TRY(plan_alloc(plan, comm->size));
    plan->n_want = n;
    count_by_owner(plan, comm->size, n_rows, rows, n);
    memset(plan->give_counts, 0, (size_t)comm->size * sizeof *plan->give_counts);
    TRY(mem_grow(&plan->heard, &plan->heard_capacity, 1, sizeof *plan->heard));
    if (comm->size > 1) TRY(ask(plan, comm, rows));
    TRY(order_questions(plan, comm, rows, n_rows));
    return plan_staging(plan, comm, device, cols);
}

void row_plan_free(struct row_plan *plan, struct device *device) {
    free(plan->want_counts);
    free(plan->want_displacements);
    free(plan->give_counts);
    free(plan->give_displacements);
    free(plan->give_rows);
    free(plan->heard);
    free(plan->heard_first);
    free(plan->requests);
    device_host_free_reals(device, plan->host);
    device_free_ints(device, plan->give_on_device);
    device_free_reals(device, plan->rows_on_device);
    *plan = (struct row_plan){0};
}

/* ---- rows ---- */
/* One way of a plan: rows of `from` to other ranks, those of other ranks to `to`; counts and offsets in rows. */
struct way {
    const real *from;
    const int *sent, *sent_first;
    real *to;
    const int *got, *got_first;
    int tag;
};

static int begin_moving(struct row_plan *plan, const struct comm *comm, int64_t cols, MPI_Datatype row,
                        const struct way *w, int *n_requests) {
    for (int r = 0; r < comm->size; r++) {
        if (r == comm->rank || w->got[r] == 0) continue;
        TRY(exchange_status(MPI_Irecv(w->to + w->got_first[r] * cols, w->got[r], row, r, w->tag, comm->handle,
                                      &plan->requests[(*n_requests)++])));
    }
    for (int r = 0; r < comm->size; r++) {
        if (r == comm->rank || w->sent[r] == 0) continue;
        TRY(exchange_status(COMM_COUNTED(comm, w->sent[r] * cols * (int64_t)sizeof(real),
                                         MPI_Isend(w->from + w->sent_first[r] * cols, w->sent[r], row, r, w->tag,
                                                   comm->handle, &plan->requests[(*n_requests)++]))));
    }
    return STATUS_OK;
}

/* Moves rows; the message type is one row of `cols` values, so that counts stay small. */
static int move_rows(struct row_plan *plan, const struct comm *comm, int64_t cols, struct way w) {
    MPI_Datatype row;
    int n_requests = 0, own = w.sent[comm->rank];
    TRY(exchange_status(MPI_Type_contiguous((int)cols, COMM_REAL, &row)));
    TRY(exchange_status(MPI_Type_commit(&row)));
    int status = begin_moving(plan, comm, cols, row, &w, &n_requests);
    if (own)
        memcpy(w.to + w.got_first[comm->rank] * cols, w.from + w.sent_first[comm->rank] * cols,
               (size_t)own * (size_t)cols * sizeof(real));
    if (status == STATUS_OK)
        status = exchange_status(COMM_WAITED(comm, MPI_Waitall(n_requests, plan->requests, MPI_STATUSES_IGNORE)));
    MPI_Type_free(&row);
    return status;
}

int row_plan_fetch(struct row_plan *plan, const struct comm *comm, struct device *device, int64_t cols, dev_real owned,
                   dev_real out) {
    if (comm->size == 1) {
        device->run->gather_rows(device, plan->n_give, cols, owned, plan->give_on_device, out);
        return STATUS_OK;
    }
    real *given = plan->host, *got = plan->host + plan->n_give * cols;
    device->run->gather_rows(device, plan->n_give, cols, owned, plan->give_on_device, plan->rows_on_device);
    device_download_reals(device, given, plan->rows_on_device, plan->n_give * cols);
    TRY(move_rows(plan, comm, cols,
                  (struct way){given, plan->give_counts, plan->give_displacements, got, plan->want_counts,
                               plan->want_displacements, TAG_ROWS}));
    device_upload_reals(device, out, got, plan->n_want * cols);
    return STATUS_OK;
}

int row_plan_return(struct row_plan *plan, const struct comm *comm, struct device *device, int64_t cols, dev_real grad,
                    dev_real owned_grad) {
    if (comm->size == 1) {
        device->run->scatter_add_rows(device, plan->n_give, cols, grad, plan->give_on_device, owned_grad);
        return STATUS_OK;
    }
    real *returned = plan->host, *ours = plan->host + plan->n_give * cols;
    device_download_reals(device, ours, grad, plan->n_want * cols);
    TRY(move_rows(plan, comm, cols,
                  (struct way){ours, plan->want_counts, plan->want_displacements, returned, plan->give_counts,
                               plan->give_displacements, TAG_GRADIENTS}));
    device_upload_reals(device, plan->rows_on_device, returned, plan->n_give * cols);
    device->run->scatter_add_rows(device, plan->n_give, cols, plan->rows_on_device, plan->give_on_device, owned_grad);
    return STATUS_OK;
}
