/* The rows of PrimeKG's kg.csv, read by all ranks at once (ingest/table_reader.h): each rank has some of them, in the file's order, and
 * what all rows say together is the same on every rank, as if one had read them all. */
#ifndef MEDTOK_INGEST_GRAPH_ROWS_H
#define MEDTOK_INGEST_GRAPH_ROWS_H

#include "dist/comm.h"
#include "ingest/node_identity.h"
#include "ingest/removed_edges.h"

enum { KG_MAX_RELATIONS = 255, KG_RELATION_BYTES = 64 };

struct graph_row { /* 12 bytes */
    int32_t source, target;
    uint8_t relation;
};

struct graph_relation {
    char name[KG_RELATION_BYTES];
    int64_t line; /* of the first row that has it */
};

struct graph_rows {
    const char *path;              /* borrowed */
    struct removed_edges *removed; /* borrowed; NULL: none are */
    struct graph_row *items;       /* [n] of this rank, owned; a removed one is a self loop */
    long long n, capacity;
    /* of all ranks */
    int64_t n_all, n_self_loops, n_nodes; /* n_nodes: 1 + largest index */
    struct node_identities identities;    /* owned */
    struct graph_relation relations[KG_MAX_RELATIONS + 1];
    int32_t n_relations;
    /* private */
    int last;             /* relation of the row before */
    int64_t largest_line; /* where the largest index stands */
    int largest_column;   /* 0: x_index, 1: y_index */
};

/* Collective. removed: begun by the caller. Errors, of all ranks: what knowledge_graph.h says; of several faulty rows the first. Free in any
 * case. */
int graph_rows_read(struct graph_rows *rows, const struct comm *comm, const char *path, struct removed_edges *removed);
void graph_rows_free(struct graph_rows *rows);

#endif
