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
#include "dist/comm.h"
#include "ingest/row_scan.h"

enum { REMOVED_MOST_RELATIONS = 32 };

struct removed_edge {
    int32_t relation, x, y, x_type, y_type; /* relation: number in `relations`; types: in `types` */
    int32_t rank;                           /* private: whose `types` those are */
    int64_t line;                           /* private: of its row */
};

/* What is looked at of a row of the graph: relation and display_relation; the types of x and y. Empty: the graph has no such column. */
struct removed_row {
    struct field relation[2], type[2];
};

struct removed_edges {
    struct dictionary relations, types; /* of the list, in its order; as they come */
    double share;
    uint64_t seed;
    int64_t found[REMOVED_MOST_RELATIONS]; /* rows of each relation */
    int64_t n_rows;                        /* that were removed */
    struct removed_edge *edges;
    long long n, capacity;
};

/* Nothing is removed of an empty list. relations: names with commas between. Free in any case. */
int removed_edges_begin(struct removed_edges *removed, const char *relations, double share, uint64_t seed);
void removed_edges_free(struct removed_edges *removed);

/* For who reads the graph: whether the row is removed. line: of the row. */
int removed_edges_take(struct removed_edges *removed, const struct removed_row *row, int64_t x, int64_t y, int64_t line,
                       int *taken);

/* Collective, at the end, each rank with the rows that it has read: rank 0 gets those of all, without repeats, and the log says how many there
 * are. A relation that no row has is an error. */
int removed_edges_finish(struct removed_edges *removed, const struct comm *comm, const char *graph_path);

int removed_edges_write(const struct removed_edges *removed, const char *path);
int removed_edges_read(struct removed_edges *removed, const char *path);

/* Copies a name of one of the dictionaries, cut at the room. */
void removed_edges_name(const struct dictionary *names, int32_t number, char *name, int64_t size);

#endif
