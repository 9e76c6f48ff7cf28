/* The order of the codes under train.partition: graph, along which strata and ranks are runs (train/sampler.h): codes that share nodes of
 * the knowledge graph lie near each other, so that the codes of a rank have many of their nodes in common, and few with other ranks'.
 *
 * Codes with the same list of nodes are one; these are cut into GRAPH_PIECES pieces of equal cost (dist/graph_partition.h). In the order
 * the pieces follow each other, each with its codes with a graph, by falling size of the subgraph, so that a stratum has codes of like
 * cost, and behind them a share of the codes without, in input order: all stretches are of one mixture.
 */
#ifndef MEDTOK_MEDTOK_GRAPH_ORDER_H
#define MEDTOK_MEDTOK_GRAPH_ORDER_H

#include "dist/comm.h"

enum { GRAPH_PIECES = 128 };

/* Collective: order [*n_codes], of the vocabulary's codes, the same on all ranks; rank 0 makes it, and no rank holds more of the subgraphs
 * than their distinct lists. The caller frees it, also behind a failure. STATUS_USAGE without METIS. */
int graph_order_make(const struct comm *comm, const char *vocabulary_path, int64_t **order, int64_t *n_codes);

#endif
