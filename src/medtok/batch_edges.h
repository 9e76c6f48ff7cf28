/* The edges of a batch: those of its codes' subgraphs that survive edge dropping. */
#ifndef MEDTOK_MEDTOK_BATCH_EDGES_H
#define MEDTOK_MEDTOK_BATCH_EDGES_H

#include "medtok/batch.h"

/* Declares in the builder's pack, and fills, the incoming edges of each node of the batch. first_node [n_graph]: the
 * node of the batch at which each code with a graph begins. Edge e of a code is dropped by the random number of (seed,
 * step, code, e). */
int batch_pack_edges(const struct batch *batch, struct batch_builder *builder, const struct dataset *dataset,
                     struct edge_drop drop, const int32_t *first_node, struct edges *edges);

#endif
