/* The knowledge graph of PrimeKG's kg.csv, as rows by source node.
 *
 * Columns needed: x_index, y_index, and display_relation (or relation). Relations are numbered by first appearance. Exact
 * repeats of a row and self loops are dropped (the graph encoder adds its own) and counted.
 *
 * Node indices count from 0 and may have gaps, as in a part of PrimeKG: the largest is at most 16 times the number of nodes
 * that the rows name, plus 2^18 (PrimeKG has 129,375 nodes and no gap). One beyond that is taken for a wrong number, before
 * memory by node is asked for; while rows are read, memory grows with their number alone.
 */
#ifndef MEDTOK_INGEST_KNOWLEDGE_GRAPH_H
#define MEDTOK_INGEST_KNOWLEDGE_GRAPH_H

#include <stdint.h>

#include "ingest/graph_rows.h"

/* Edges by node: those of node v are number offsets[v] .. offsets[v + 1] - 1, by (other end, relation). 5 bytes each. */
struct kg_edges {
    int64_t *offsets; /* [n_nodes + 1] */
    int32_t *node;    /* the other end */
    uint8_t *relation;
};

struct knowledge_graph {
    int64_t n_nodes;                   /* 1 + largest index */
    struct node_identities identities; /* [n_nodes]; 0 in gaps, of which no row names the node */
    int64_t n_edges;
    struct kg_edges out, in; /* edges that leave a node, and that reach it: one array if each has its reverse */
    uint32_t *degree;        /* [n_nodes] edges out and in */
    int32_t n_relations;
    char relation[KG_MAX_RELATIONS][KG_RELATION_BYTES];
    int64_t n_repeated, n_self_loops, n_one_way; /* dropped, dropped, and edges whose reverse is not there */
};

/* Collective: rows are read by all ranks, each joins the edges of some nodes, and every rank gets the whole graph, 5 bytes an edge (10 if some
 * go one way) and 32 and its name a node. Errors, of all ranks: what delimited.h says, a bad index, more than KG_MAX_RELATIONS relations, no rows, an index
 * beyond all nodes. removed: what is left out, begun by the caller, of which rank 0 gets those of all ranks; NULL: nothing. The nodes of
 * what is left out are named all the same. */
int knowledge_graph_read(struct knowledge_graph *graph, const struct comm *comm, const char *path,
                         struct removed_edges *removed);
void knowledge_graph_free(struct knowledge_graph *graph);

#endif
