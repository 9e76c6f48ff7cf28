/* The edges of a batch: those of its codes' subgraphs that survive the dropping of edges and nodes. */
#ifndef MEDTOK_MEDTOK_BATCH_EDGES_H
#define MEDTOK_MEDTOK_BATCH_EDGES_H

#include "medtok/batch.h"

/* Draws the nodes that the second view keeps, node k of a code by the random number of (seed, step, code, k), of each graph one at
 * least, the first where none would stay; declares in the builder's pack, and fills, batch->kept_nodes and kept_rows. *kept [n_nodes]:
 * whether each is kept, until the next batch; NULL: all are. */
int batch_pack_kept_nodes(struct batch *batch, struct batch_builder *builder, const struct dataset *dataset,
                          struct view_drop drop, const int32_t *first_node, uint8_t **kept);

/* Declares in the builder's pack, and fills, the incoming edges of each node of the batch. first_node [n_graph]: the
 * node of the batch at which each code with a graph begins. Edge e of a code is dropped by the random number of (seed,
 * step, code, e), or with a node that is not kept. */
int batch_pack_edges(const struct batch *batch, struct batch_builder *builder, const struct dataset *dataset,
                     struct view_drop drop, const int32_t *first_node, const uint8_t *kept, struct edges *edges);

#endif
