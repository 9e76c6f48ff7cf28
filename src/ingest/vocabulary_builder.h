/* The vocabulary from foreign files: code tables and the knowledge graph, each code with its description and its subgraph. Each rank makes
 * the codes of its share, which follow those of the ranks before it; it says in the log what was found. */
#ifndef MEDTOK_INGEST_VOCABULARY_BUILDER_H
#define MEDTOK_INGEST_VOCABULARY_BUILDER_H

#include "ingest/code_table.h"
#include "ingest/hierarchy.h"
#include "ingest/options.h"
#include "store/vocabulary.h"

struct vocabulary_builder {
    /* borrowed, set by the caller, all else zero */
    const struct comm *comm;
    const struct subgraph_options *subgraphs;
    const struct description_options *descriptions;
    const struct string_list *code_tables;
    const char *graph_path; /* "" : no graph, so no code may have nodes */
    int threads;            /* that grow subgraphs; 0 is 1 */
    const char
        *known_path; /* new codes: the vocabulary that their model was trained on, for graph.hierarchy; NULL: none */
    /* what is built, for vocabulary_write: this rank's codes, and on every rank what is not of codes. Take it with its memory, or leave it
     * to vocabulary_builder_free. Names of nodes are on rank 0 alone */
    struct vocabulary vocabulary;
    /* private */
    struct code_table codes;
    struct knowledge_graph graph;
    struct removed_edges removed;
    struct hierarchy hierarchy;
    struct vocabulary known;
    int64_t *first; /* [ranks + 1] codes of each rank */
    int64_t n_cut;  /* codes whose lists were cut, of this rank */
};

/* The three steps, in this order, collective. Errors, of all ranks: what knowledge_graph.h, code_table.h and subgraph.h say;
 * STATUS_INTERRUPTED if a signal comes while subgraphs are grown. Free in any case. */
int vocabulary_builder_read_graph(struct vocabulary_builder *builder);
int vocabulary_builder_read_codes(struct vocabulary_builder *builder);
int vocabulary_builder_grow_subgraphs(struct vocabulary_builder *builder);
void vocabulary_builder_free(struct vocabulary_builder *builder);

#endif
