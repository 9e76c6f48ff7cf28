/* Edges that are taken out of the knowledge graph before anything is made of it, so that probe can ask whether the tokens tell of them:
 * settings graph.remove, graph.remove_share, graph.remove_seed, and the file graph.removed.
 *
 * Of each pair of nodes that a row of a named relation joins, a number drawn by (seed, nodes) says whether it is removed; then all rows of
 * the named relations between the two are, in both directions. A relation is named as in either column, relation (drug_protein, which
 * may be shown in several ways) or display_relation.
 *
 * The file is TSV, each pair once in the direction that came first, ascending by nodes: relation, x_index, y_index, x_type, y_type
 * (the types empty where the graph has no such columns).
 */
#ifndef MEDTOK_INGEST_REMOVED_EDGES_H
#define MEDTOK_INGEST_REMOVED_EDGES_H

#include "base/dictionary.h"
#include "ingest/delimited.h"

enum { REMOVED_MOST_RELATIONS = 32 };

struct removed_edge {
    int32_t relation, x, y, x_type, y_type; /* relation: number in `relations`; types: in `types` */
};

struct removed_edges {
    struct dictionary relations, types; /* of the list, in its order; as they come */
    double share;
    uint64_t seed;
    int column[4]; /* relation, display_relation, x_type, y_type of the graph; -1: it has none */
    int64_t found[REMOVED_MOST_RELATIONS]; /* rows of each relation */
    int64_t n_rows;                        /* that were removed */
    struct removed_edge *edges;
    long long n, capacity;
};

/* Nothing is removed of an empty list. relations: names with commas between. Free in any case. */
int removed_edges_begin(struct removed_edges *removed, const char *relations, double share, uint64_t seed);
void removed_edges_free(struct removed_edges *removed);

/* For who reads the graph: once behind its header; whether the row in hand is removed; and at the end: a relation that no row has is an
 * error, repeats are dropped, and the log says how many there are. */
void removed_edges_columns(struct removed_edges *removed, const struct delimited *graph);
int removed_edges_take(struct removed_edges *removed, const struct delimited *graph, int64_t x, int64_t y, int *taken);
int removed_edges_finish(struct removed_edges *removed, const char *graph_path);

int removed_edges_write(const struct removed_edges *removed, const char *path);
int removed_edges_read(struct removed_edges *removed, const char *path);

/* Copies a name of one of the dictionaries, cut at the room. */
void removed_edges_name(const struct dictionary *names, int32_t number, char *name, int64_t size);

#endif
