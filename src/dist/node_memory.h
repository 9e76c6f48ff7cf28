/* Memory that the ranks of a node share, and turns in which they use it: each puts values there, reads those of the others, and none writes again before
 * all have read. It saves what messages within a node copy, and the calls. A rank waits without sleeping, as MPI does, and lets MPI go on meanwhile.
 *
 *   values = node_memory_begin(m, comm);   fill values
 *   node_memory_offer(m, comm, n);
 *   node_memory_wait(m, comm);             read node_memory_values(m, r) of every rank r of the node
 *   node_memory_end(m);
 */
#ifndef MEDTOK_DIST_NODE_MEMORY_H
#define MEDTOK_DIST_NODE_MEMORY_H

#include <stddef.h>

#include "dist/comm.h"
#include "real.h"

/* How far a rank is in a turn. */
enum node_step { NODE_OFFERED, NODE_SUMMED, NODE_TAKEN, N_NODE_STEPS };

struct node_memory {
    int n_ranks, rank;        /* of the node; n_ranks 0: it is not open */
    struct node_turns *turns; /* [n_ranks] in the shared memory, as are the values */
    real *values;             /* [n_ranks, stride] */
    int64_t stride;
    size_t bytes;
    uint64_t turn; /* the one that is under way, counted from 1 */
};

/* Collective over `comm`, of which `node` holds the ranks that share memory: `count` values for each. It stays closed, on all ranks of comm,
 * where some cannot share, which rank 0 logs with the reason, or would share with nobody. */
int node_memory_open(struct node_memory *memory, const struct comm *comm, MPI_Comm node, int64_t count);
/* Says once in the log why ranks of a node do not share memory, what all ranks know. */
void node_memory_say_apart(const char *format, ...) __attribute__((format(printf, 1, 2)));
void node_memory_close(struct node_memory *memory); /* not collective: who fails alone does not wait */

/* Collective. The same for all ranks of `comm`, where they are of one node. */
int node_memory_open_all(struct node_memory *memory, const struct comm *comm, int64_t count);

/* This rank's values, once all have taken what the turn before brought. */
real *node_memory_begin(struct node_memory *memory, const struct comm *comm);

/* The first n of them are there: counted as one message. */
void node_memory_offer(struct node_memory *memory, const struct comm *comm, int64_t n);

/* Fails, here and below, where MPI says that a rank is gone: then there is nothing to read. */
int node_memory_wait(const struct node_memory *memory, const struct comm *comm);
real *node_memory_values(const struct node_memory *memory, int rank);

/* This rank reads no more. */
void node_memory_end(struct node_memory *memory);

/* For turns of more steps: this rank has done `step`; waits until all have. */
void node_memory_reach(struct node_memory *memory, enum node_step step);
int node_memory_await(const struct node_memory *memory, const struct comm *comm, enum node_step step);

#endif
