/* The sentence features of the names of the graph's nodes, of a text.h5 that was made with text.nodes: yes (store/text_features.h). Some
 * nodes are read at a time, so that a rank holds what it asks for. */
#ifndef MEDTOK_STORE_NODE_FEATURES_H
#define MEDTOK_STORE_NODE_FEATURES_H

#include <stdint.h>

#include "store/h5file.h"

struct node_features {
    struct h5file *file;
    enum h5type type;
    int64_t n_nodes, n_rows, dim;
    /* memory of a reading */
    int32_t *row;       /* of the nodes from the first asked for to the last */
    struct node_at *at; /* [n] by row */
    uint16_t *halves;   /* a window of rows in half precision */
    float *window;      /* or in single */
    long long row_capacity, at_capacity;
};

/* Fails if the file was made from another vocabulary than is at vocabulary_path, or without names of nodes. Close in any case. */
int node_features_open(struct node_features *features, const char *path, const char *vocabulary_path);
void node_features_close(struct node_features *features);

/* Of nodes[n], ascending: rows [n, dim], and named [n], whether a node has a name; the row of one without is 0. Fails if a value is not
 * finite. Memory for n rows, and 4 bytes for each node between the first and the last. */
int node_features_read(struct node_features *features, int64_t n, const int64_t *nodes, float *rows,
                       unsigned char *named);

/* *differ: whether the names of two nodes have features that differ by more than float32 rounds by. Reads until there are two. */
int node_features_differ(struct node_features *features, int *differ);

#endif
