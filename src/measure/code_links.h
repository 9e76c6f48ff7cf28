/* Which codes are linked by the knowledge graph: those that list the same node, or nodes that an edge joins.
 *
 * Edges are those of the codes' subgraphs (store/vocabulary.h), so with graph.hops 0 only edges between two listed nodes of
 * one code are known. Two limits keep popular nodes from linking everything with everything: a node that more than
 * LINK_MOST_CODES codes list links none of them, and an edge links nothing if one of its ends has edges to more than
 * LINK_MOST_NEIGHBOURS other listed nodes.
 */
#ifndef MEDTOK_MEASURE_CODE_LINKS_H
#define MEDTOK_MEASURE_CODE_LINKS_H

#include "store/vocabulary.h"

enum { LINK_MOST_CODES = 256, LINK_MOST_NEIGHBOURS = 64 };

struct code_links {
    int64_t n_codes, n_nodes;
    int64_t *listed_offsets; /* [n_codes + 1] */
    int32_t *listed;         /* nodes that each code lists */
    int64_t *code_offsets;   /* [n_nodes + 1] */
    int32_t *codes;          /* codes that list each node, ascending; none for a popular node */
    uint64_t *edges;         /* [n_edges] (a << 32 | b), both ways, ascending: joined listed nodes */
    int64_t *edge_offsets;   /* [n_nodes + 1] */
    int64_t n_edges;
    long long listed_capacity, edge_capacity, n_sorted; /* while being made */
};

/* For n_codes codes and n_nodes nodes: of the graph, not of the hierarchy behind it. */
int code_links_make(struct code_links *links, int64_t n_codes, int64_t n_nodes);
void code_links_free(struct code_links *links);

/* Adds the next codes, first to last, from a vocabulary with graphs; then code_links_finish. */
int code_links_add(struct code_links *links, const struct vocabulary *vocabulary);
int code_links_finish(struct code_links *links);

/* Writes code + 1 to mark[j] of each code j that is linked to `code`, itself left out; returns how many those are. mark
 * [n_codes]: zero before the first use, then used for one code after the other. */
int64_t code_links_mark(const struct code_links *links, int64_t code, int64_t *mark);

/* The same of those that list a node which `code` lists, with a `mark` of its own; what else code_links_mark marks is joined by an
 * edge alone. */
int64_t code_links_mark_same_node(const struct code_links *links, int64_t code, int64_t *mark);

/* Whether two codes list a node in common, however popular. */
int code_links_share_a_node(const struct code_links *links, int64_t a, int64_t b);

/* Whether an edge joins a node of the one to a node of the other, however popular. */
int code_links_join(const struct code_links *links, int64_t a, int64_t b);

/* Whether `code` is linked to any other. */
int code_links_any(const struct code_links *links, int64_t code);

#endif
