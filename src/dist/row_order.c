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
    free(o->block);
    free(o->requests);
    *o = (struct row_order){0};
}

/* ---- moving rows ---- */
int row_order_reserve(struct row_order *o, int64_t values_a_row) {
    if (o->count * values_a_row <= o->values) return STATUS_OK;
    o->values = 0;
    free(o->block);
    TRY(mem_alloc(&o->block, o->count * values_a_row, sizeof *o->block));
    o->values = o->count * values_a_row;
    return STATUS_OK;
}

/* Rows of parts that lie apart, on their way between ranks: those of one rank part by part. */
struct moved {
    struct row_order *order;
    const struct comm *comm;
    int n_parts;
    int64_t cols;
    float *const *rows;
};

/* The rows that this rank holds for rank r, of all parts, where they are. */
static int post_held(struct moved *m, int r, int is_sent, MPI_Request *request) {
    MPI_Aint at[ROW_ORDER_MOST_PARTS];
    MPI_Datatype row, run;
    const struct row_order *o = m->order;
    int count = o->to_count[r], code = MPI_SUCCESS;
    for (int p = 0; p < m->n_parts && code == MPI_SUCCESS; p++)
        code = MPI_Get_address(m->rows[p] + o->to_first[r] * m->cols, &at[p]);
    if (code == MPI_SUCCESS) code = MPI_Type_contiguous((int)m->cols, MPI_FLOAT, &row);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Type_create_hindexed_block(m->n_parts, count, at, row, &run);
    MPI_Type_free(&row);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Type_commit(&run);
    if (code == MPI_SUCCESS)
        code = is_sent ? COMM_COUNTED(m->comm, count * m->n_parts * m->cols * (int64_t)sizeof(float),
                                      MPI_Isend(MPI_BOTTOM, 1, run, r, TAG_MOVED_ROWS, m->comm->handle, request))
                       : MPI_Irecv(MPI_BOTTOM, 1, run, r, TAG_MOVED_ROWS, m->comm->handle, request);
    MPI_Type_free(&run);
    return code;
}

/* The rows of this rank's block of numbers that rank r holds, in `block`. */
static int post_block(struct moved *m, int r, int is_sent, MPI_Request *request) {
    const struct row_order *o = m->order;
    MPI_Datatype row;
    int64_t width = m->n_parts * m->cols;
    float *at = o->block + o->from_first[r] * width;
    int count = o->from_count[r], code = MPI_Type_contiguous((int)width, MPI_FLOAT, &row);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Type_commit(&row);
    if (code == MPI_SUCCESS)
        code = is_sent ? COMM_COUNTED(m->comm, count * width * (int64_t)sizeof(float),
                                      MPI_Isend(at, count, row, r, TAG_MOVED_ROWS, m->comm->handle, request))
                       : MPI_Irecv(at, count, row, r, TAG_MOVED_ROWS, m->comm->handle, request);
    MPI_Type_free(&row);
    return code;
}

/* Those of this rank that lie in its own block, between the parts and `block`. */
static void copy_own(struct moved *m, int to_blocks) {
    const struct row_order *o = m->order;
    int rank = m->comm->rank;
    int64_t values = o->to_count[rank] * m->cols;
    float *at = o->block + o->from_first[rank] * m->n_parts * m->cols;
    for (int p = 0; p < m->n_parts; p++, at += values) {
        float *held = m->rows[p] + o->to_first[rank] * m->cols;
        memcpy(to_blocks ? at : held, to_blocks ? held : at, (size_t)values * sizeof *at);
    }
}

/* Held rows of the parts into `block`s, or the other way round. */
static int exchange(struct moved *m, int to_blocks) {
    const struct row_order *o = m->order;
    const int *received = to_blocks ? o->from_count : o->to_count, *sent = to_blocks ? o->to_count : o->from_count;
    int n = 0, code = MPI_SUCCESS;
    for (int r = 0; r < m->comm->size && code == MPI_SUCCESS; r++)
        if (r != m->comm->rank && received[r]) code = (to_blocks ? post_block : post_held)(m, r, 0, &o->requests[n++]);
    for (int r = 0; r < m->comm->size && code == MPI_SUCCESS; r++)
        if (r != m->comm->rank && sent[r]) code = (to_blocks ? post_held : post_block)(m, r, 1, &o->requests[n++]);
    copy_own(m, to_blocks);
    if (code == MPI_SUCCESS) code = COMM_WAITED(m->comm, MPI_Waitall(n, o->requests, MPI_STATUSES_IGNORE));
    return comm_status(code, "moving rows of a table");
}

/* Row i of this rank's block of numbers, the next of its holder's in `block`: its first part; *step: how far on the next ones are. */
static float *next_of_holder(struct moved *m, int64_t i, int64_t *step) {
    struct row_order *o = m->order;
    int size = m->comm->size;
    int64_t position = o->position[o->first + i];
    int r = (int)(position * size / o->n);
    while (row_owner_first(o->n, r + 1, size) <= position) r++;
    *step = o->from_count[r] * m->cols;
    return o->block + o->from_first[r] * m->n_parts * m->cols + o->taken[r]++ * m->cols;
}

static void copy_row(float *to, const float *from, int64_t cols) { memcpy(to, from, (size_t)cols * sizeof *to); }

int row_order_to_blocks(struct row_order *o, const struct comm *comm, int n_parts, int64_t cols, float *const *rows) {
    struct moved m = {o, comm, n_parts, cols, rows};
    int64_t step;
    memset(o->taken, 0, (size_t)comm->size * sizeof *o->taken);
    int status = exchange(&m, 1);
    for (int64_t i = 0; i < o->count; i++) {
        const float *from = next_of_holder(&m, i, &step);
        for (int p = 0; p < n_parts; p++) copy_row(rows[p] + i * cols, from + p * step, cols);
    }
    return status;
}

int row_order_from_blocks(struct row_order *o, const struct comm *comm, int n_parts, int64_t cols, float *const *rows) {
    struct moved m = {o, comm, n_parts, cols, rows};
    int64_t step;
    memset(o->taken, 0, (size_t)comm->size * sizeof *o->taken);
    for (int64_t i = 0; i < o->count; i++) {
        float *to = next_of_holder(&m, i, &step);
        for (int p = 0; p < n_parts; p++) copy_row(to + p * step, rows[p] + i * cols, cols);
    }
    return exchange(&m, 0);
}
