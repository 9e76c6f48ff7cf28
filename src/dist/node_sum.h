/* Sums over ranks through the memory of a node: each rank puts its values there, sums one part of those of all ranks of its node, and takes the parts
 * that the others have summed. However many they are, it writes its values once and reads them twice. Ranks of different nodes that have the same
 * part sum it by MPI in between, so that a node sends each value once.
 *
 *   values = node_memory_begin(&s->memory, comm);   fill values[count]
 *   node_memory_offer(&s->memory, comm, count);
 *   node_sum_finish(s, comm);                       take node_sum_part(s, k, &first, &n) for each rank k of the node
 *   node_memory_end(&s->memory);
 */
#ifndef MEDTOK_DIST_NODE_SUM_H
#define MEDTOK_DIST_NODE_SUM_H

#include "dist/node_memory.h"

struct node_sum {
    struct node_memory memory; /* n_ranks 0: the sum is not open */
    MPI_Comm across;           /* the ranks with the same part, one of each node; MPI_COMM_NULL: there is one node */
    int64_t count, most;       /* most: values of a message between nodes */
};

/* Collective. For sums of `count` values over `comm`, in messages of `most` values. It stays closed, on all ranks, where ranks of a node cannot share
 * memory, where nodes have different numbers of them, and where each is alone. per_node: 0; or so many neighbours on a node count as one, as in
 * tests. */
int node_sum_open(struct node_sum *sum, const struct comm *comm, int64_t count, int64_t most, int per_node);

/* By all ranks, or by one that fails alone and ends the job: it frees `across`, which MPI calls collective though libraries do not wait there. */
void node_sum_close(struct node_sum *sum);

/* Waits for all ranks' values, and for their sums. Fails where MPI does: between nodes, or since a rank is gone. */
int node_sum_finish(struct node_sum *sum, const struct comm *comm);

/* Part k of the sum: values first .. first + n - 1. */
const real *node_sum_part(const struct node_sum *sum, int k, int64_t *first, int64_t *n);

#endif
