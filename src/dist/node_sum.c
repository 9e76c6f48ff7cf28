/* Each part is summed by one rank, so that the sum has the same bits on all. */
#include "dist/node_sum.h"

#include "base/status.h"

enum { BLOCK = 2048 /* values: the sum of a block stays in a core's cache */ };

/* ---- open and close ---- */
/* The ranks of this node, and those of other nodes that have the same number in theirs. */
static int find_ranks(struct node_sum *s, const struct comm *comm, int per_node, MPI_Comm *node) {
    MPI_Comm all;
    int rank, n_nodes;
    TRY(comm_status(MPI_Comm_split_type(comm->handle, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &all),
                    "finding the node"));
    MPI_Comm_rank(all, &rank);
    int code = MPI_Comm_split(all, per_node ? rank / per_node : 0, comm->rank, node);
    MPI_Comm_free(&all);
    if (code != MPI_SUCCESS) *node = MPI_COMM_NULL;
    TRY(comm_status(code, "finding the node"));
    MPI_Comm_rank(*node, &rank);
    code = MPI_Comm_split(comm->handle, rank, comm->rank, &s->across);
    if (code != MPI_SUCCESS) s->across = MPI_COMM_NULL;
    TRY(comm_status(code, "finding ranks of other nodes"));
    MPI_Comm_set_errhandler(s->across, MPI_ERRORS_RETURN);
    MPI_Comm_size(s->across, &n_nodes);
    if (n_nodes == 1) MPI_Comm_free(&s->across);
    return STATUS_OK;
}

/* Collective. Whether all nodes have the same number of ranks, and several. */
static int compare_nodes(const struct comm *comm, MPI_Comm node, int *alike) {
    int n;
    MPI_Comm_size(node, &n);
    int64_t most[2] = {n, -n};
    TRY(comm_max_int64(comm, most, 2));
    *alike = n > 1 && most[0] == -most[1];
    if (most[0] != -most[1])
        node_memory_say_apart("nodes have %lld to %lld ranks, not all as many", (long long)-most[1],
                              (long long)most[0]);
    return STATUS_OK;
}

int node_sum_open(struct node_sum *s, const struct comm *comm, int64_t count, int64_t most, int per_node) {
    MPI_Comm node = MPI_COMM_NULL;
    int alike = 0;
    *s = (struct node_sum){.count = count, .most = most, .across = MPI_COMM_NULL};
    if (comm->size == 1) return STATUS_OK;
    int status = comm_agree(comm, find_ranks(s, comm, per_node, &node));
    if (status == STATUS_OK) status = compare_nodes(comm, node, &alike);
    if (status == STATUS_OK && alike) status = node_memory_open(&s->memory, comm, node, count);
    if (node != MPI_COMM_NULL) MPI_Comm_free(&node);
    if (!s->memory.n_ranks && s->across != MPI_COMM_NULL) MPI_Comm_free(&s->across);
    return status;
}

void node_sum_close(struct node_sum *s) {
    if (!s->memory.n_ranks) return;
    if (s->across != MPI_COMM_NULL) MPI_Comm_free(&s->across);
    node_memory_close(&s->memory);
}

/* ---- a sum ---- */
static int64_t part_first(const struct node_sum *s, int k) { return s->count * k / s->memory.n_ranks; }

/* Adds what the others have to this rank's part. */
static void sum_part(const struct node_sum *s) {
    const struct node_memory *m = &s->memory;
    real *own = node_memory_values(m, m->rank);
    int64_t end = part_first(s, m->rank + 1);
    for (int64_t at = part_first(s, m->rank); at < end; at += BLOCK) {
        int64_t n = end - at < BLOCK ? end - at : BLOCK;
        for (int r = 0; r < m->n_ranks; r++) {
            const real *other = node_memory_values(m, r) + at;
            if (r == m->rank) continue;
            for (int64_t i = 0; i < n; i++) own[at + i] += other[i];
        }
    }
}

static int sum_across(const struct node_sum *s, const struct comm *comm) {
    int rank = s->memory.rank;
    int64_t end = part_first(s, rank + 1);
    if (s->across == MPI_COMM_NULL) return STATUS_OK;
    for (int64_t at = part_first(s, rank); at < end; at += s->most) {
        int n = (int)(end - at < s->most ? end - at : s->most);
        real *values = node_memory_values(&s->memory, rank) + at;
        int code = COMM_COUNTED(comm, n * (int64_t)sizeof(real),
                                MPI_Allreduce(MPI_IN_PLACE, values, n, COMM_REAL, MPI_SUM, s->across));
        TRY(comm_status(code, "summing between nodes"));
    }
    return STATUS_OK;
}

int node_sum_finish(struct node_sum *s, const struct comm *comm) {
    TRY(node_memory_wait(&s->memory, comm));
    sum_part(s);
    int status = sum_across(s, comm);
    node_memory_reach(&s->memory, NODE_SUMMED);
    TRY(node_memory_await(&s->memory, comm, NODE_SUMMED));
    return status;
}

const real *node_sum_part(const struct node_sum *s, int k, int64_t *first, int64_t *n) {
    *first = part_first(s, k);
    *n = part_first(s, k + 1) - *first;
    return node_memory_values(&s->memory, k) + *first;
}
