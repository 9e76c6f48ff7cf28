/* What a node of the knowledge graph is, whatever its index in a release of the graph: a hash of its type, source and id (columns x_type,
 * x_source, x_id and those of y), or, of a graph without ids, of its index. A model that goes on with a new graph knows its nodes again by it.
 * And what it is called: its name (x_name, y_name), or its id if it has none.
 */
#ifndef MEDTOK_INGEST_NODE_IDENTITY_H
#define MEDTOK_INGEST_NODE_IDENTITY_H

#include "ingest/delimited.h"

struct node_name {
    int64_t at, size; /* bytes of node_identities.names */
};

struct node_identities {
    uint64_t *of;           /* [n] by index; 0: not known. Owned */
    struct node_name *name; /* [n] by index; size 0: neither name nor id. Owned */
    long long n, capacity, name_capacity;
    char *names; /* [n_name_bytes] as they were first seen, owned */
    long long n_name_bytes, names_capacity;
    struct identified_node { /* [n_late] seen while their indices looked too large; owned */
        int64_t node;
        uint64_t identity;
        struct node_name name;
    } * late;
    long long n_late, late_capacity;
    int columns[2][4]; /* type, source, id, name of x and y; -1: not there */
};

/* Looks for the columns, behind delimited_open. */
void node_identities_begin(struct node_identities *identities, const struct delimited *reader);

/* Notes identity and name of `node`, end 0 (x) or 1 (y) of the row in hand, if it is not known yet. One whose index is not below `most` is set
 * aside: memory is not to grow with a wrong index. */
int node_identities_take(struct node_identities *identities, const struct delimited *reader, int end, int64_t node,
                         int64_t most);

/* Behind the last row, when no index was wrong: notes those that were set aside. n_nodes: 1 + the largest index. */
int node_identities_finish(struct node_identities *identities, int64_t n_nodes);

void node_identities_free(struct node_identities *identities);

#endif
