/* The subgraphs of many codes, by all threads of a rank: the graph around the nodes that a code lists or inherits (subgraph.h), and behind
 * it what stands above the code (hierarchy.h). Each distinct list of nodes is grown once. */
#ifndef MEDTOK_INGEST_SUBGRAPH_WORK_H
#define MEDTOK_INGEST_SUBGRAPH_WORK_H

#include "ingest/hierarchy.h"
#include "ingest/options.h"
#include "ingest/subgraph.h"
#include "store/vocabulary.h"

struct subgraph_work { /* all borrowed */
    const struct comm *comm;
    const struct code_table *codes;
    const struct knowledge_graph *graph;
    const struct hierarchy *hierarchy;
    const struct subgraph_options *options;
    const struct vocabulary *known; /* the one before, of which new codes inherit; zero: none */
    int threads;
};

/* Collective. Those of the codes of `vocabulary`, whose parts of the graph it makes; n_nodes and n_hierarchy are set. *n_cut: codes whose lists were
 * longer than graph.max_nodes. The result does not depend on the threads. Errors: what subgraph.h says, of the first code that has one;
 * STATUS_INTERRUPTED if a signal comes. When a rank fails the others stop soon, each with its own status, which the caller agrees on. */
int subgraph_work_do(const struct subgraph_work *work, struct vocabulary *vocabulary, int64_t *n_cut);

#endif
