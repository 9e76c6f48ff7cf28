/* The part of the knowledge graph around one code.
 *
 * Nodes: the listed ones, in the order listed; then, hop by hop, the nodes that an edge joins to one of the hop before, if not yet
 * there, the most relevant first, until there are max_nodes: those joined to more nodes of the hop before, of equal ones those of
 * fewer edges in the whole graph (a hub says little of a code), of equal ones the smaller index. A list longer than max_nodes is
 * cut to its first. hops 0 keeps the list as given, uncut (at most 65,535). Edges: every edge of the graph between two of the nodes,
 * as indices in the node list, sorted by (target, source, relation).
 */
#ifndef MEDTOK_INGEST_SUBGRAPH_H
#define MEDTOK_INGEST_SUBGRAPH_H

#include "ingest/knowledge_graph.h"

enum { SUBGRAPH_MOST_NODES = 65535 };

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

/* Scratch for many subgraphs of one graph, which several may share: one for each thread. */
struct subgraph_mark {
    uint16_t number; /* of the node in the subgraph in hand, from 1; 0: it is not in it */
    uint16_t links;  /* nodes of the hop before that an edge joins to it; 0 between hops */
};
struct subgraph_neighbour {
    int32_t node, links;
    uint32_t degree; /* edges in the graph */
};
struct subgraph_grower {
    const struct knowledge_graph *graph; /* borrowed */
    int64_t hops, max_nodes;
    struct subgraph_mark *marks; /* [n_nodes] */
    int32_t *found;              /* neighbours in hand */
    long long n_found, found_capacity;
    struct subgraph_neighbour *best; /* those of them that are taken: a heap, the worst on top */
    long long best_capacity;
    uint32_t *sources; /* of the edges that reach the node in hand: index << 8 | relation */
    long long sources_capacity;
};

int subgraph_grower_make(struct subgraph_grower *grower, const struct knowledge_graph *graph, int64_t hops,
                         int64_t max_nodes);
void subgraph_grower_free(struct subgraph_grower *grower);

/* Grows from listed[n]; `out` keeps its memory from call to call (free with subgraph_free). */
int subgraph_grow(struct subgraph_grower *grower, const int32_t *listed, int64_t n, struct subgraph *out);
void subgraph_free(struct subgraph *subgraph);

/* Makes `to`, which keeps its memory, a copy. */
int subgraph_copy(const struct subgraph *from, struct subgraph *to);

/* For who adds to a subgraph: a node, which is not looked for; an edge between two of its nodes, by index; and when all are there their
 * order. */
int subgraph_add_node(struct subgraph *subgraph, int32_t node);
int subgraph_add_edge(struct subgraph *subgraph, int32_t source, int32_t target, uint8_t relation);
void subgraph_sort_edges(struct subgraph *subgraph);

#endif
