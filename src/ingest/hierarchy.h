/* What stands above codes in their terminologies, as nodes and edges beside the knowledge graph: settings graph.hierarchy,
 * graph.parents.
 *
 * Names are those of terms/code_map.h, SYSTEM/FORM. Above a name stand what its own string tells (ICD-10-CM, ICD-9-CM, their
 * procedures, ATC, NDC's products: code_name_above), what a map of graph.parents gives it (NDC to ATC), and its class in a table
 * of classes (chapter, CCS group; of names whose string tells one above with the same class, the uppermost alone); above those the same
 * again, all the way up.
 *
 * A node is made of each name that stands above another, so that all codes below it share the node; a code that nothing stands
 * below has none of its own, for what is known of one code alone tells nothing. Nodes are numbered behind those of the graph, in
 * the order of code table, then upwards. A code's subgraph gets, behind the nodes of the graph, its own node if it has one and those of all
 * names above it, the nearest first; and edges, both ways as in PrimeKG: "is a" between a name and one next above it, "refers to"
 * between the node of a code and the nodes of the graph that the code lists.
 *
 * graph.hierarchy: inherit gives a code that lists no nodes those of the nearest code above it that lists any, as if it listed
 * them.
 *
 * New codes of a trained model can have no other nodes than the model: `known` names them, by number, and the codes of the
 * vocabulary that the model was trained on.
 */
#ifndef MEDTOK_INGEST_HIERARCHY_H
#define MEDTOK_INGEST_HIERARCHY_H

#include "ingest/code_table.h"
#include "ingest/options.h"
#include "ingest/subgraph.h"
#include "store/vocabulary.h"
#include "terms/code_map.h"

enum { HIERARCHY_RELATIONS = 2 };

struct hierarchy_edge {
    int32_t below, above; /* names */
};

struct hierarchy {
    int64_t n_nodes, first_node; /* nodes first_node .. first_node + n_nodes - 1 */
    int32_t first_relation;
    struct dictionary names;      /* code i of the table has name i */
    int32_t *above;               /* [names.n] what a name's string tells, or -1 */
    int64_t *offsets;             /* [names.n + 1] in `edges`, which are sorted by `below` */
    struct hierarchy_edge *edges; /* */
    long long n_edges, above_capacity, edge_capacity;
    int32_t *node;   /* [names.n] node of the name, or -1 */
    int32_t *source; /* [codes] name whose listed nodes the code has: its own (also if it has none), or one above it */
    int64_t n_above; /* codes with a node of the hierarchy */
    int64_t n_inherited;            /* codes whose source is another */
    const struct vocabulary *known; /* borrowed; NULL: none */
    int32_t *known_code;            /* [names.n] code of `known` with this name, or -1; NULL without `known` */
};

/* Scratch for ways up, one for each thread; zero it before use. */
struct hierarchy_walk {
    int32_t *found;    /* names on the way up */
    int32_t *index;    /* [names.n] index of a name's node in the subgraph in hand, or -1 */
    uint8_t *is_found; /* [names.n] */
    long long n_found, found_capacity;
};
int hierarchy_walk_make(struct hierarchy_walk *walk, const struct hierarchy *hierarchy);
void hierarchy_walk_free(struct hierarchy_walk *walk);

/* For the codes of a table. files: graph.parents. first_node, first_relation: behind those of the graph; known: NULL, or with names
 * and hierarchy, and to inherit with graphs. Errors: what code_map_files.h and code_class_files.h say; more relations or nodes than have numbers. Free in
 * any case. */
int hierarchy_make(struct hierarchy *hierarchy, const struct code_table *codes, enum graph_hierarchy mode,
                   const struct string_list *files, int64_t first_node, int32_t first_relation,
                   const struct vocabulary *known);
void hierarchy_free(struct hierarchy *hierarchy);

/* The nodes that a code lists or inherits, in the table's memory; of what is inherited of `known`, none. */
struct code_nodes {
    const int32_t *nodes;
    int64_t n;
};
struct code_nodes hierarchy_list(const struct hierarchy *hierarchy, const struct code_table *codes, int64_t i);

/* The names of the nodes [n_nodes, *bytes]; the caller frees. */
int hierarchy_node_names(const struct hierarchy *hierarchy, int64_t *bytes, char **names);

/* Name of a relation by its number behind first_relation. */
const char *hierarchy_relation(int relation);

/* Adds nodes and edges to the subgraph of code `i`, which has those of the graph. */
int hierarchy_extend(const struct hierarchy *hierarchy, struct hierarchy_walk *walk, int64_t i,
                     struct subgraph *subgraph);

#endif
