/* The part of the knowledge graph around one code.
 *
 * Nodes: the listed ones, in the order listed; then, hop by hop, for each node of the hop before (in its order) the nodes that
 * an edge joins to it, in ascending index, if not yet there; until there are max_nodes. A list longer than max_nodes is cut to
 * its first. hops 0 keeps the list as given, uncut (at most 65,535). Edges: every edge of the graph between two of the nodes,
 * as indices in the node list, sorted by (target, source, relation).
 */
#ifndef MEDTOK_INGEST_SUBGRAPH_H
#define MEDTOK_INGEST_SUBGRAPH_H

#include "ingest/knowledge_graph.h"

struct local_edge {
    uint16_t source, target;
    uint8_t relation;
};

struct subgraph {
    int64_t n_nodes, n_listed, n_edges; /* n_listed: of the nodes, those listed */
    int32_t *nodes;
    struct local_edge *edges;
    long long node_capacity, edge_capacity;
};

/* Scratch for many subgraphs of one graph. */
struct subgraph_grower {
    const struct knowledge_graph *graph;
    struct knowledge_graph reverse; /* edges by target, so that one-way edges join both ways */
    int64_t hops, max_nodes;
    int32_t *index; /* [n_nodes] index in the subgraph in hand, or -1 */
};

int subgraph_grower_make(struct subgraph_grower *grower, const struct knowledge_graph *graph, int64_t hops,
                         int64_t max_nodes);
void subgraph_grower_free(struct subgraph_grower *grower);

/* Grows from listed[n]; `out` keeps its memory from call to call (free with subgraph_free). */
int subgraph_grow(struct subgraph_grower *grower, const int32_t *listed, int64_t n, struct subgraph *out);
void subgraph_free(struct subgraph *subgraph);

#endif
