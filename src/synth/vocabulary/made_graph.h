/* A made-up knowledge graph with the counts of PrimeKG: 129,375 nodes of ten kinds, 8,100,498 rows of 30 relations (each edge both ways).
 *
 * Nodes of a kind are numbered behind each other, and cut into topics, equal shares of each kind; topic t of one kind belongs to topic t of the
 * others. Six of ten edges of a node go to its topic (until half of the topic's nodes are used), the others anywhere, to hubs first. How many
 * edges a node has in a relation follows 1 / sqrt(rank), and the node that an edge anywhere leads to 1 / rank^(2/3), by one order of hubs for all
 * relations: degrees have heavy tails. No edge stands twice. A node begins edges to at most half of the nodes
 * there are, and all of a kind together half of what that allows, so that at small scales a dense relation has fewer than its share.
 */
#ifndef MEDTOK_SYNTH_VOCABULARY_MADE_GRAPH_H
#define MEDTOK_SYNTH_VOCABULARY_MADE_GRAPH_H

#include <stdint.h>

#include "synth/rows.h"
#include "synth/vocabulary/terminology.h"

/* In the order of PrimeKG's counts. */
enum node_kind {
    NODE_PROCESS,
    NODE_GENE,
    NODE_DISEASE,
    NODE_PHENOTYPE,
    NODE_ANATOMY,
    NODE_FUNCTION,
    NODE_DRUG,
    NODE_COMPONENT,
    NODE_PATHWAY,
    NODE_EXPOSURE,
    N_NODE_KINDS
};
enum { N_MADE_RELATIONS = 33 }; /* drug_protein's four ways to be shown count apart */

struct made_graph {
    uint64_t seed;
    int64_t first[N_NODE_KINDS + 1]; /* nodes of a kind are first[kind] .. first[kind + 1] - 1 */
    int64_t n_topics;
    int32_t *hub; /* [nodes] hub[first[kind] + r] is the node of rank r among those of its kind, from 0 */
    int32_t *degree[N_MADE_RELATIONS]; /* [nodes of the first kind] edges that a node begins */
    int64_t n_edges[N_MADE_RELATIONS]; /* half as many as rows */
    char *about;                       /* id,type,name,source of each node, ended by a zero byte */
    int64_t *about_at;                 /* [nodes] */
};

/* Fails for want of memory. Free in any case. */
int made_graph_make(struct made_graph *graph, double scale, uint64_t seed);
void made_graph_free(struct made_graph *graph);

/* How many nodes of a kind there are at a scale, and the kind that stands for the concepts of a domain. */
int64_t node_kind_count(enum node_kind kind, double scale);
enum node_kind domain_nodes(enum made_domain domain);
const char *node_kind_name(enum node_kind kind);

/* As in PrimeKG's column relation, and the kind of the nodes that begin its edges. */
const char *made_relation_name(int relation);
enum node_kind made_relation_from(int relation);

int64_t made_topic(const struct made_graph *graph, int64_t node,
                   int64_t n); /* of node number `node` of the n of its kind */

/* Rows of kg.csv: the header; the edges that the first .. end - 1 of a relation's first kind begin, both ways. scratch: [nodes] zeros at
 * the first call. Rows that fail for want of memory say so in rows->status. */
extern const char MADE_GRAPH_HEADER[];
void made_graph_put(const struct made_graph *graph, int relation, int64_t first, int64_t end, int64_t *scratch,
                    struct rows *rows);

/* The nodes that a code lists: that of its concept, and often one or two more of its topic; of 3 codes in 100 none. Into
 * nodes[MADE_MOST_LISTED]; returns how many. */
enum { MADE_MOST_LISTED = 3 };
int made_graph_list(const struct made_graph *graph, const struct terminology *terminology, int64_t position,
                    int64_t nodes[MADE_MOST_LISTED]);

#endif
