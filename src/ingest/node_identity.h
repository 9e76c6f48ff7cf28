/* What a node of the knowledge graph is, whatever its index in a release of the graph: a hash of its type, source and id (columns x_type,
 * x_source, x_id and those of y), or, of a graph without ids, of its index. A model that goes on with a new graph knows its nodes again by it.
 * What the first row says that names a node counts, whatever rank reads it.
 */
#ifndef MEDTOK_INGEST_NODE_IDENTITY_H
#define MEDTOK_INGEST_NODE_IDENTITY_H

#include "dist/comm.h"
#include "ingest/row_scan.h"

struct node_identities {
    uint64_t *of;  /* [n] by index; 0: no row names it. Owned */
    int64_t *line; /* [n] of the first row that does; NULL when finished */
    long long n, capacity, line_capacity;
    struct identified_node { /* [n_late] seen while their indices looked too large; owned */
        int64_t node, line;
        uint64_t identity;
    } * late;
    long long n_late, late_capacity;
    int with_ids[2]; /* set by the caller: whether x and y have ids */
};

/* Notes that of `node`, end 0 (x) or 1 (y) of a row, if no row before has. what: its type, source and id, empty where the graph has none. One
 * whose index is not below `most` is set aside: memory is not to grow with a wrong index. */
int node_identities_take(struct node_identities *identities, int end, const struct field what[3], int64_t node,
                         int64_t line, int64_t most);

/* Collective, behind the last row, when no index was wrong: those of all ranks' rows, on every rank. n_nodes: 1 + the largest index. */
int node_identities_finish(struct node_identities *identities, const struct comm *comm, int64_t n_nodes);

void node_identities_free(struct node_identities *identities);

#endif
