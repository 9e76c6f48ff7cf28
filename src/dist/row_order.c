/* Every rank knows where each row lies, so that rows travel without their numbers: between two ranks they go by ascending number. */
#include "dist/row_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/row_owner.h"

enum { TAG_MOVED_ROWS = 7200 };

/* ---- which rank holds a row ---- */
struct used_row {
    int64_t uses;
    int32_t row;
};

static int by_uses(const void *a, const void *b) {
    const struct used_row *x = a, *y = b;
    if (x->uses != y->uses) return x->uses > y->uses ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

int row_order_assign(int64_t n, int size, const int64_t *uses, const int32_t *user, int32_t *owner) {
    struct used_row *used = NULL;
    int64_t n_used = 0, *room = NULL;
    int status, r = 0;
    TRY_DONE(mem_alloc(&used, n, sizeof *used));
    TRY_DONE(mem_alloc(&room, size, sizeof *room));
    for (int i = 0; i < size; i++) room[i] = row_owner_first(n, i + 1, size) - row_owner_first(n, i, size);
    for (int64_t i = 0; i < n; i++) {
        owner[i] = -1;
        if (uses[i] > 0) used[n_used++] = (struct used_row){uses[i], (int32_t)i};
    }
    if (n_used > 0) qsort(used, (size_t)n_used, sizeof *used, by_uses);
    for (int64_t i = 0; i < n_used; i++) {
        int wanted = user[used[i].row];
        if (room[wanted] == 0) continue;
        owner[used[i].row] = wanted;
        room[wanted]--;
    }
    for (int64_t i = 0; i < n; i++) {
        if (owner[i] >= 0) continue;
        while (room[r] == 0) r++;
        owner[i] = r;
        room[r]--;
    }
done:
    free(used);
    free(room);
    return status;
}

/* The most uses and the lowest rank that has them, in one number, of which the largest is looked for. */
static int find_users(const struct comm *comm, int64_t n, const int64_t *uses, int64_t *most, int32_t *user) {
    for (int64_t i = 0; i < n; i++) most[i] = uses[i] * comm->size + (uses[i] ? comm->size - 1 - comm->rank : 0);
    TRY(comm_max_int64(comm, most, n));
    for (int64_t i = 0; i < n; i++) {
        user[i] = comm->size - 1 - (int32_t)(most[i] % comm->size);
        most[i] /= comm->size;
    }
    return STATUS_OK;
}

/* ---- the order ---- */
static int order_alloc(struct row_order *o, const struct comm *comm) {
    o->first = row_owner_first(o->n, comm->rank, comm->size);
    o->count = row_owner_first(o->n, comm->rank + 1, comm->size) - o->first;
    TRY(mem_alloc(&o->position, o->n, sizeof *o->position));
    TRY(mem_alloc(&o->held, o->count, sizeof *o->held));
    TRY(mem_alloc(&o->to_count, comm->size, sizeof *o->to_count));
    TRY(mem_alloc(&o->to_first, comm->size, sizeof *o->to_first));
    TRY(mem_alloc(&o->from_count, comm->size, sizeof *o->from_count));
    TRY(mem_alloc(&o->from_first, comm->size, sizeof *o->from_first));
    TRY(mem_alloc(&o->taken, comm->size, sizeof *o->taken));
    return mem_alloc(&o->requests, 2 * (long long)comm->size, sizeof *o->requests);
}

/* Rows by ascending number: each takes the next position of its owner. next [size]. */
static void number_positions(struct row_order *o, const struct comm *comm, const int32_t *owner, int64_t *next) {
    int block = 0;
    for (int r = 0; r < comm->size; r++) next[r] = row_owner_first(o->n, r, comm->size);
    for (int64_t i = 0; i < o->n; i++) {
        while (row_owner_first(o->n, block + 1, comm->size) <= i) block++;
        o->position[i] = (int32_t)next[owner[i]]++;
        if (owner[i] == comm->rank) {
            o->held[o->position[i] - o->first] = (int32_t)i;
            o->to_count[block]++;
        }
        if (block == comm->rank) o->from_count[owner[i]]++;
    }
    for (int r = 1; r < comm->size; r++) {
        o->to_first[r] = o->to_first[r - 1] + o->to_count[r - 1];
        o->from_first[r] = o->from_first[r - 1] + o->from_count[r - 1];
    }
}

int row_order_make(struct row_order *o, const struct comm *comm, int64_t n, const int64_t *uses) {
    int64_t *most = NULL, *next = NULL;
    int32_t *user = NULL, *owner = NULL;
    *o = (struct row_order){.n = n};
    int status = mem_alloc(&most, n, sizeof *most);
    if (status == STATUS_OK) status = mem_alloc(&user, n, sizeof *user);
    if (status == STATUS_OK) status = mem_alloc(&owner, n, sizeof *owner);
    if (status == STATUS_OK) status = mem_alloc(&next, comm->size, sizeof *next);
    if (status == STATUS_OK) status = order_alloc(o, comm);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(find_users(comm, n, uses, most, user));
    TRY_DONE(comm_agree(comm, row_order_assign(n, comm->size, most, user, owner)));
    number_positions(o, comm, owner, next);
done:
    free(most);
    free(next);
    free(user);
    free(owner);
    return status;
}

void row_order_free(struct row_order *o) {
    free(o->position);
    free(o->held);
    free(o->to_count);
    free(o->to_first);
    free(o->from_count);
    free(o->from_first);
    free(o->taken);
    free(o->out);
    free(o->in);
    free(o->requests);
    *o = (struct row_order){0};
}

/* ---- moving rows ---- */
int row_order_reserve(struct row_order *o, int64_t values_a_row) {
    if (o->count * values_a_row <= o->values) return STATUS_OK;
    o->values = 0;
    free(o->out);
    free(o->in);
    o->in = NULL;
    TRY(mem_alloc(&o->out, o->count * values_a_row, sizeof *o->out));
    TRY(mem_alloc(&o->in, o->count * values_a_row, sizeof *o->in));
    o->values = o->count * values_a_row;
    return STATUS_OK;
}

/* Rows of `out` to other ranks, theirs to `in`; a row has `width` values. */
static int exchange(struct row_order *o, const struct comm *comm, int64_t width, const int *out_count,
                    const int *out_first, const int *in_count, const int *in_first) {
    MPI_Datatype row;
    int n = 0, code = MPI_Type_contiguous((int)width, MPI_FLOAT, &row);
    if (code == MPI_SUCCESS) code = MPI_Type_commit(&row);
    for (int r = 0; r < comm->size && code == MPI_SUCCESS; r++)
        if (r != comm->rank && in_count[r])
            code = MPI_Irecv(o->in + in_first[r] * width, in_count[r], row, r, TAG_MOVED_ROWS, comm->handle,
                             &o->requests[n++]);
    for (int r = 0; r < comm->size && code == MPI_SUCCESS; r++)
        if (r != comm->rank && out_count[r])
            code = COMM_COUNTED(comm, out_count[r] * width * (int64_t)sizeof(float),
                                MPI_Isend(o->out + out_first[r] * width, out_count[r], row, r, TAG_MOVED_ROWS,
                                          comm->handle, &o->requests[n++]));
    memcpy(o->in + in_first[comm->rank] * width, o->out + out_first[comm->rank] * width,
           (size_t)(in_count[comm->rank] * width) * sizeof *o->in);
    if (code == MPI_SUCCESS) code = COMM_WAITED(comm, MPI_Waitall(n, o->requests, MPI_STATUSES_IGNORE));
    MPI_Type_free(&row);
    return comm_status(code, "moving rows of a table");
}

/* The ranks' runs in a buffer have the rows of this rank's block of numbers by the rank that holds them: where row i of the block is. */
static int64_t next_of_holder(struct row_order *o, const struct comm *comm, int64_t i) {
    int64_t position = o->position[o->first + i];
    int r = (int)(position * comm->size / o->n);
    while (row_owner_first(o->n, r + 1, comm->size) <= position) r++;
    return o->from_first[r] + o->taken[r]++;
}

static void copy_row(float *to, const float *from, int64_t cols) { memcpy(to, from, (size_t)cols * sizeof *to); }

int row_order_to_blocks(struct row_order *o, const struct comm *comm, int n_parts, int64_t cols, float *const *rows) {
    int64_t width = n_parts * cols;
    memset(o->taken, 0, (size_t)comm->size * sizeof *o->taken);
    for (int64_t i = 0; i < o->count; i++)
        for (int p = 0; p < n_parts; p++) copy_row(o->out + i * width + p * cols, rows[p] + i * cols, cols);
    int status = exchange(o, comm, width, o->to_count, o->to_first, o->from_count, o->from_first);
    for (int64_t i = 0; i < o->count; i++) {
        const float *from = o->in + next_of_holder(o, comm, i) * width;
        for (int p = 0; p < n_parts; p++) copy_row(rows[p] + i * cols, from + p * cols, cols);
    }
    return status;
}

int row_order_from_blocks(struct row_order *o, const struct comm *comm, int n_parts, int64_t cols, float *const *rows) {
    int64_t width = n_parts * cols;
    memset(o->taken, 0, (size_t)comm->size * sizeof *o->taken);
    for (int64_t i = 0; i < o->count; i++) {
        float *to = o->out + next_of_holder(o, comm, i) * width;
        for (int p = 0; p < n_parts; p++) copy_row(to + p * cols, rows[p] + i * cols, cols);
    }
    int status = exchange(o, comm, width, o->from_count, o->from_first, o->to_count, o->to_first);
    for (int64_t i = 0; i < o->count; i++)
        for (int p = 0; p < n_parts; p++) copy_row(rows[p] + i * cols, o->in + i * width + p * cols, cols);
    return status;
}
