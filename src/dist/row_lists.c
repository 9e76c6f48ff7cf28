/* In messages the values of a rank stand together, list by list; on the device those of a list, rank by rank. `own` is this rank's part
 * of a message, `all` those of all ranks, `lists` the same values list by list, `round` what of a long message travels at once. In the memory of a node a rank's values stand as it has
 * them: its part of a message, or all lists. */
#include "dist/row_lists.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { MOST_LISTS = 16 };
static const int64_t LONGEST_MESSAGE = (int64_t)1 << 28; /* values: MPI's counts and offsets are int */

/* ---- shares ---- */
int row_shares_make(struct row_shares *shares, int size) {
    *shares = (struct row_shares){0};
    TRY(mem_alloc(&shares->n, size, sizeof(int)));
    return mem_alloc(&shares->first, size, sizeof(int));
}

void row_shares_free(struct row_shares *shares) {
    free(shares->n);
    free(shares->first);
    *shares = (struct row_shares){0};
}

void row_shares_set(struct row_shares *shares, int size, const int64_t *n) {
    shares->total = 0;
    for (int r = 0; r < size; r++) {
        shares->n[r] = (int)n[r];
        shares->first[r] = shares->total;
        shares->total += (int)n[r];
    }
}

/* ---- memory ---- */
int row_lists_make(struct row_lists *x, const struct comm *comm, struct device *device, int64_t most_own,
                   int64_t most_all, int64_t most_summed, int64_t most_message) {
    *x = (struct row_lists){.comm = comm, .device = device, .most_own = most_own, .most_all = most_all};
    x->most_summed = most_summed;
    x->most_message = most_message ? most_message : LONGEST_MESSAGE;
    if (x->most_message < comm->size) x->most_message = comm->size;
    if (comm->size == 1) return STATUS_OK;
    TRY(mem_alloc(&x->own, most_own, sizeof *x->own));
    TRY(mem_alloc(&x->all, most_all, sizeof *x->all));
    TRY(mem_alloc(&x->lists, most_all, sizeof *x->lists));
    if (most_all > x->most_message) TRY(mem_alloc(&x->round, x->most_message, sizeof *x->round));
    TRY(mem_alloc(&x->counts, comm->size, sizeof *x->counts));
    TRY(mem_alloc(&x->displacements, comm->size, sizeof *x->displacements));
    return mem_alloc(&x->first, comm->size + 1, sizeof *x->first);
}

int row_lists_share(struct row_lists *x) {
    int64_t most = x->most_summed > x->most_own ? x->most_summed : x->most_own;
    TRY(comm_max_int64(x->comm, &most, 1)); /* each rank's part of the memory is as long */
    TRY(node_memory_open_all(&x->node, x->comm, most));
    if (!x->node.n_ranks) return STATUS_OK;
    free(x->all);
    free(x->round);
    x->all = x->round = NULL;
    return STATUS_OK;
}

void row_lists_free(struct row_lists *x) {
    node_memory_close(&x->node);
    free(x->own);
    free(x->all);
    free(x->lists);
    free(x->round);
    free(x->counts);
    free(x->displacements);
    free(x->first);
    *x = (struct row_lists){0};
}

/* ---- the order of values ---- */
/* A list of rows or of integers, an integer taking the room of a value. */
struct list {
    const struct row_shares *shares;
    int64_t cols;
};

static struct list list_at(int i, int n, const struct row_list *rows, const struct int_list *ints) {
    return i < n ? (struct list){rows[i].shares, rows[i].cols} : (struct list){ints[i - n].shares, 1};
}

/* Where each rank's values begin; of all together there are at most `most`. An exchange for which there is no memory is the same on all ranks. */
static int lay_out(struct row_lists *x, int n, const struct list *lists, int64_t most) {
    int64_t at = 0;
    for (int r = 0; r < x->comm->size; r++) {
        x->first[r] = at;
        for (int i = 0; i < n; i++) at += lists[i].shares->n[r] * lists[i].cols;
    }
    x->first[x->comm->size] = at;
    int64_t own = x->first[x->comm->rank + 1] - x->first[x->comm->rank];
    if (own > x->most_own)
        return status_alone(status_set(STATUS_FAILED, "%lld values are to be sent, but there is memory for %lld",
                                       (long long)own, (long long)x->most_own));
    if (at <= most) return STATUS_OK;
    return status_set(STATUS_FAILED, "%lld values are to be exchanged, but there is memory for %lld: too many rows",
                      (long long)at, (long long)most);
}

/* Where list i begins among the values of rank r. */
static int64_t within_rank(const struct list *lists, int i, int r) {
    int64_t at = 0;
    for (int k = 0; k < i; k++) at += lists[k].shares->n[r] * lists[k].cols;
    return at;
}

/* Between the order of messages and that of lists. */
static void rearrange(const struct row_lists *x, int n, const struct list *lists, int to_lists) {
    int64_t list_begins = 0;
    for (int i = 0, size = x->comm->size; i < n; i++) {
        for (int r = 0; r < size; r++) {
            int64_t at = x->first[r] + within_rank(lists, i, r), count = lists[i].shares->n[r] * lists[i].cols;
            real *in_message = x->all + at,
                 *in_list = x->lists + list_begins + lists[i].shares->first[r] * lists[i].cols;
            if (count && to_lists) memcpy(in_list, in_message, (size_t)count * sizeof(real));
            if (count && !to_lists) memcpy(in_message, in_list, (size_t)count * sizeof(real));
        }
        list_begins += lists[i].shares->total * lists[i].cols;
    }
}

/* ---- messages ---- */
static int64_t longest(const struct row_lists *x) {
    int64_t most = 0;
    for (int r = 0; r < x->comm->size; r++)
        if (x->first[r + 1] - x->first[r] > most) most = x->first[r + 1] - x->first[r];
    return most;
}

/* Values of each rank that travel in one round; *rounds: 0 if there is nothing to say. */
static int64_t cut_rounds(const struct row_lists *x, int64_t *rounds) {
    int64_t most = longest(x),
            each = x->first[x->comm->size] <= x->most_message ? most : x->most_message / x->comm->size;
    *rounds = most ? (most + each - 1) / each : 0;
    return each;
}

/* Counts and offsets of the values `at` and on of each rank, `each` at most; returns how many they are. */
static int64_t begin_round(struct row_lists *x, int64_t at, int64_t each) {
    int64_t sum = 0;
    for (int r = 0; r < x->comm->size; r++) {
        int64_t left = x->first[r + 1] - x->first[r] - at;
        x->counts[r] = (int)(left < 0 ? 0 : left < each ? left : each);
        x->displacements[r] = (int)sum;
        sum += x->counts[r];
    }
    return sum;
}

/* Between `all` and what of it travels in a round. */
static void copy_round(const struct row_lists *x, int64_t at, int to_all) {
    for (int r = 0; r < x->comm->size; r++) {
        real *of_all = x->all + x->first[r] + at, *of_round = x->round + x->displacements[r];
        size_t bytes = (size_t)x->counts[r] * sizeof(real);
        if (bytes && to_all) memcpy(of_all, of_round, bytes);
        if (bytes && !to_all) memcpy(of_round, of_all, bytes);
    }
}

static int gather_all(struct row_lists *x) {
    const struct comm *comm = x->comm;
    int64_t rounds, each = cut_rounds(x, &rounds);
    for (int64_t k = 0; k < rounds; k++) {
        begin_round(x, k * each, each);
        int n = x->counts[comm->rank];
        int code =
            COMM_COUNTED(comm, n * (int64_t)sizeof(real),
                         MPI_Allgatherv(n ? x->own + k * each : x->own, n, COMM_REAL, rounds > 1 ? x->round : x->all,
                                        x->counts, x->displacements, COMM_REAL, comm->handle));
        TRY(comm_status(code, "gathering rows"));
        if (rounds > 1) copy_round(x, k * each, 1);
    }
    return STATUS_OK;
}

static int sum_all(struct row_lists *x) {
    const struct comm *comm = x->comm;
    int64_t rounds, each = cut_rounds(x, &rounds);
    for (int64_t k = 0; k < rounds; k++) {
        int64_t sum = begin_round(x, k * each, each);
        if (rounds > 1) copy_round(x, k * each, 0);
        real *own = x->counts[comm->rank] ? x->own + k * each : x->own;
        int code = COMM_COUNTED(
            comm, sum * (int64_t)sizeof(real),
            MPI_Reduce_scatter(rounds > 1 ? x->round : x->all, own, x->counts, COMM_REAL, MPI_SUM, comm->handle));
        TRY(comm_status(code, "summing rows"));
    }
    return STATUS_OK;
}

/* The lists of all ranks in `lists`. */
static int gather_by_messages(struct row_lists *x, int n, const struct list *lists) {
    TRY(gather_all(x));
    rearrange(x, n, lists, 1);
    return STATUS_OK;
}

/* This rank's rows of all lists in `own`, summed, of all ranks' `lists`. */
static int sum_by_messages(struct row_lists *x, int n, const struct list *lists) {
    rearrange(x, n, lists, 0);
    return sum_all(x);
}

/* ---- the same through the memory of a node ---- */
static int gather_on_node(struct row_lists *x, int n, const struct list *lists) {
    const struct comm *comm = x->comm;
    real *to = x->lists;
    node_memory_offer(&x->node, comm, x->first[comm->rank + 1] - x->first[comm->rank]);
    TRY(node_memory_wait(&x->node, comm));
    for (int i = 0; i < n; i++)
        for (int r = 0; r < comm->size; r++) {
            int64_t count = lists[i].shares->n[r] * lists[i].cols;
            memcpy(to, node_memory_values(&x->node, r) + within_rank(lists, i, r), (size_t)count * sizeof *to);
            to += count;
        }
    node_memory_end(&x->node);
    return STATUS_OK;
}

/* to[n] = the sum of values[n] of all ranks, which begin at `at`. */
static void sum_of_ranks(const struct row_lists *x, int64_t at, int64_t n, real *to) {
    for (int r = 0; r < x->comm->size; r++) {
        const real *from = node_memory_values(&x->node, r) + at;
        for (int64_t i = 0; i < n; i++) to[i] = r > 0 ? to[i] + from[i] : from[i];
    }
}

static int sum_on_node(struct row_lists *x, int n, const struct list *lists) {
    const struct comm *comm = x->comm;
    int64_t list_begins = 0;
    real *to = x->own;
    node_memory_offer(&x->node, comm, x->first[comm->size]);
    TRY(node_memory_wait(&x->node, comm));
    for (int i = 0; i < n; i++) {
        const struct row_shares *shares = lists[i].shares;
        int64_t cols = lists[i].cols, count = shares->n[comm->rank] * cols;
        sum_of_ranks(x, list_begins + shares->first[comm->rank] * cols, count, to);
        to += count;
        list_begins += shares->total * cols;
    }
    node_memory_end(&x->node);
    return STATUS_OK;
}

/* ---- the exchanges ---- */
/* To and from what a rank that has failed lacks: it sends zeros. */
static void bring(const struct row_lists *x, real *to, dev_real from, int64_t count) {
    if (from.at)
        device_download_reals(x->device, to, from, count);
    else if (count)
        memset(to, 0, (size_t)count * sizeof *to);
}

static void take(const struct row_lists *x, dev_real to, const real *from, int64_t count) {
    if (to.at) device_upload_reals(x->device, to, from, count);
}

/* Integers as they are, each in the room of a value, its first bytes: spread from the front of the same memory, or back to it. */
static void bring_ints(const struct row_lists *x, real *to, dev_int from, int64_t count) {
    memset(to, 0, (size_t)count * sizeof *to);
    if (from.at) device_download_ints(x->device, (int32_t *)(void *)to, from, count);
    for (int64_t i = count; i-- > 0 && sizeof *to > sizeof(int32_t);)
        memmove(to + i, (char *)to + (size_t)i * sizeof(int32_t), sizeof(int32_t));
}

static void take_ints(const struct row_lists *x, dev_int to, real *from, int64_t count) {
    for (int64_t i = 0; i < count && sizeof *from > sizeof(int32_t); i++)
        memmove((char *)from + (size_t)i * sizeof(int32_t), from + i, sizeof(int32_t));
    if (to.at) device_upload_ints(x->device, to, (const int32_t *)(const void *)from, count);
}

int row_lists_gather(struct row_lists *x, int n, const struct row_list *rows, int n_ints, const struct int_list *ints) {
    struct list lists[MOST_LISTS] = {0};
    int rank = x->comm->rank, shared = x->node.n_ranks > 0;
    for (int i = 0; i < n + n_ints; i++) lists[i] = list_at(i, n, rows, ints);
    TRY(lay_out(x, n + n_ints, lists, x->most_all));
    real *own = shared ? node_memory_begin(&x->node, x->comm) : x->own, *all = x->lists;
    for (int i = 0; i < n; i++) {
        int64_t count = rows[i].shares->n[rank] * rows[i].cols;
        bring(x, own, rows[i].local, count);
        own += count;
    }
    for (int i = 0; i < n_ints; i++) {
        bring_ints(x, own, ints[i].local, ints[i].shares->n[rank]);
        own += ints[i].shares->n[rank];
    }
    TRY(shared ? gather_on_node(x, n + n_ints, lists) : gather_by_messages(x, n + n_ints, lists));
    for (int i = 0; i < n; i++) {
        take(x, rows[i].all, all, rows[i].shares->total * rows[i].cols);
        all += rows[i].shares->total * rows[i].cols;
    }
    for (int i = 0; i < n_ints; i++) {
        take_ints(x, ints[i].all, all, ints[i].shares->total);
        all += ints[i].shares->total;
    }
    return STATUS_OK;
}

int row_lists_scatter_sum(struct row_lists *x, int n, const struct row_list *rows) {
    struct list lists[MOST_LISTS] = {0};
    int rank = x->comm->rank, shared = x->node.n_ranks > 0;
    for (int i = 0; i < n; i++) lists[i] = list_at(i, n, rows, NULL);
    TRY(lay_out(x, n, lists, x->most_summed));
    real *own = x->own, *local = x->lists, *all = shared ? node_memory_begin(&x->node, x->comm) : x->lists;
    for (int i = 0; i < n; i++) {
        bring(x, all, rows[i].all, rows[i].shares->total * rows[i].cols);
        all += rows[i].shares->total * rows[i].cols;
    }
    TRY(shared ? sum_on_node(x, n, lists) : sum_by_messages(x, n, lists));
    for (int i = 0; i < n; i++) {
        int64_t count = rows[i].shares->n[rank] * rows[i].cols;
        bring(x, local, rows[i].local, count);
        for (int64_t k = 0; k < count; k++) local[k] += own[k];
        take(x, rows[i].local, local, count);
        own += count;
    }
    return STATUS_OK;
}

int row_lists_sum(struct row_lists *x, dev_real values, int64_t count) {
    const struct comm *comm = x->comm;
    if (comm->size == 1) return STATUS_OK;
    if (count > x->most_summed) return status_set(STATUS_FAILED, "%lld values are too many to sum", (long long)count);
    if (x->node.n_ranks) {
        bring(x, node_memory_begin(&x->node, comm), values, count);
        node_memory_offer(&x->node, comm, count);
        TRY(node_memory_wait(&x->node, comm));
        sum_of_ranks(x, 0, count, x->lists);
        node_memory_end(&x->node);
        take(x, values, x->lists, count);
        return STATUS_OK;
    }
    bring(x, x->all, values, count);
    for (int64_t at = 0; at < count; at += x->most_message) {
        int64_t n = count - at < x->most_message ? count - at : x->most_message;
        int code = COMM_COUNTED(comm, n * (int64_t)sizeof(real),
                                MPI_Allreduce(MPI_IN_PLACE, x->all + at, (int)n, COMM_REAL, MPI_SUM, comm->handle));
        TRY(comm_status(code, "summing values"));
    }
    take(x, values, x->all, count);
    return STATUS_OK;
}
