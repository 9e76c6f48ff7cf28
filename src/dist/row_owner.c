/* Two all-to-all exchanges make a plan (counts, then row numbers); one more moves the rows either way. */
#include "dist/row_owner.h"

#include <stdlib.h>

#include "base/status.h"

int64_t row_owner_first(int64_t n_rows, int rank, int size) { return n_rows * rank / size; }

static int exchange_status(int code) { return comm_status(code, "exchanging node rows"); }

static int plan_alloc(struct row_plan *plan, int size) {
    if (plan->want_counts) return STATUS_OK;
    TRY(mem_alloc(&plan->want_counts, size, sizeof(int)));
    TRY(mem_alloc(&plan->want_displacements, size, sizeof(int)));
    TRY(mem_alloc(&plan->give_counts, size, sizeof(int)));
    return mem_alloc(&plan->give_displacements, size, sizeof(int));
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
    int64_t n_host = comm->size > 1 ? (plan->n_give + plan->n_want) * cols : 0;
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

int row_plan_make(struct row_plan *plan, const struct comm *comm, struct device *device, int64_t n_rows, int64_t cols,
                  const int32_t *rows, int n) {
    TRY(plan_alloc(plan, comm->size));
    plan->n_want = n;
    count_by_owner(plan, comm->size, n_rows, rows, n);
    TRY(exchange_status(
        COMM_COUNTED(comm, (comm->size - 1) * (int64_t)sizeof(int),
                     MPI_Alltoall(plan->want_counts, 1, MPI_INT, plan->give_counts, 1, MPI_INT, comm->handle))));
    plan->n_give = 0;
    for (int r = 0; r < comm->size; r++) {
        plan->give_displacements[r] = plan->n_give;
        plan->n_give += plan->give_counts[r];
    }
    TRY(mem_grow(&plan->give_rows, &plan->give_capacity, plan->n_give + 1, sizeof(int32_t)));
    TRY(exchange_status(
        COMM_COUNTED(comm, (n - plan->want_counts[comm->rank]) * (int64_t)sizeof(int32_t),
                     MPI_Alltoallv(rows, plan->want_counts, plan->want_displacements, MPI_INT32_T, plan->give_rows,
                                   plan->give_counts, plan->give_displacements, MPI_INT32_T, comm->handle))));
    int32_t first = (int32_t)row_owner_first(n_rows, comm->rank, comm->size);
    for (int i = 0; i < plan->n_give; i++) plan->give_rows[i] -= first;
    return plan_staging(plan, comm, device, cols);
}

void row_plan_free(struct row_plan *plan, struct device *device) {
    free(plan->want_counts);
    free(plan->want_displacements);
    free(plan->give_counts);
    free(plan->give_displacements);
    free(plan->give_rows);
    device_host_free_reals(device, plan->host);
    device_free_ints(device, plan->give_on_device);
    device_free_reals(device, plan->rows_on_device);
    *plan = (struct row_plan){0};
}

/* Moves rows: counts and displacements are in rows, the message type is one row of `cols` values. */
static int exchange_rows(const struct comm *comm, int64_t cols, const real *from, const int *from_counts,
                         const int *from_displacements, real *to, const int *to_counts, const int *to_displacements) {
    MPI_Datatype row;
    TRY(exchange_status(MPI_Type_contiguous((int)cols, COMM_REAL, &row)));
    TRY(exchange_status(MPI_Type_commit(&row)));
    int64_t sent = from_displacements[comm->size - 1] + from_counts[comm->size - 1] - from_counts[comm->rank];
    int code = COMM_COUNTED(
        comm, sent * cols * (int64_t)sizeof(real),
        MPI_Alltoallv(from, from_counts, from_displacements, row, to, to_counts, to_displacements, row, comm->handle));
    MPI_Type_free(&row);
    return exchange_status(code);
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
    TRY(exchange_rows(comm, cols, given, plan->give_counts, plan->give_displacements, got, plan->want_counts,
                      plan->want_displacements));
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
    TRY(exchange_rows(comm, cols, ours, plan->want_counts, plan->want_displacements, returned, plan->give_counts,
                      plan->give_displacements));
    device_upload_reals(device, plan->rows_on_device, returned, plan->n_give * cols);
    device->run->scatter_add_rows(device, plan->n_give, cols, plan->rows_on_device, plan->give_on_device, owned_grad);
    return STATUS_OK;
}
