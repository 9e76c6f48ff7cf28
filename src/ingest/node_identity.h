/* What a node of the knowledge graph is, whatever its index in a release of the graph: a hash of its type, source and id (columns x_type,
 * x_source, x_id and those of y), or, of a graph without ids, of its index. A model that goes on with a new graph knows its nodes again by it.
 * And what it is called: its name (x_name, y_name), or its id if it has none. What the first row says that names a node counts, whatever rank
 * reads it.
 */
#ifndef MEDTOK_INGEST_NODE_IDENTITY_H
#define MEDTOK_INGEST_NODE_IDENTITY_H

#include "dist/comm.h"
#include "ingest/row_scan.h"

/* What the graph says of a node: empty where it has no such column. */
struct node_fields {
    struct field type, source, id, name;
};

struct node_name {
    int64_t at, size; /* bytes of node_identities.names */
};

struct node_identities {
    uint64_t *of;           /* [n] by index; 0: no row names it. Owned */
    int64_t *line;          /* [n] of the first row that does; NULL when finished */
    struct node_name *name; /* [n]; size 0: neither name nor id. Owned */
    long long n, capacity, line_capacity, name_capacity;
    char *names; /* [n_name_bytes], owned */
    long long n_name_bytes, names_capacity;
    struct identified_node { /* [n_late] seen while their indices looked too large; owned */
        int64_t node, line;
        uint64_t identity;
        struct node_name name;
    } * late;
    long long n_late, late_capacity;
    int with_ids[2]; /* set by the caller: whether x and y have ids */
};

/* Notes that of `node`, end 0 (x) or 1 (y) of a row, if no row before has. One whose index is not below `most`
 * is set aside: memory is not to grow with a wrong index. */
int node_identities_take(struct node_identities *identities, int end, const struct node_fields *what, int64_t node,
                         int64_t line, int64_t most);

/* Collective, behind the last row, when no index was wrong: those of all ranks' rows, on every rank. n_nodes: 1 + the largest index. */
int node_identities_finish(struct node_identities *identities, const struct comm *comm, int64_t n_nodes);

void node_identities_free(struct node_identities *identities);

#endif
