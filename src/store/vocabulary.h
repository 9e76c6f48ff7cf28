/* vocabulary.h5: the codes in input order, each with its description and its subgraph of the knowledge graph.
 *
 * Datasets (n codes):
 *   code        text [n]            as in the input, e.g. "E11.9"
 *   system      text [n]            e.g. "ICD10CM"
 *   description_offsets i64 [n+1], description_bytes u8: UTF-8, ragged; empty: the code's text is absent
 *   node_offsets i64 [n+1], nodes i32: node numbers of each subgraph; the first n_listed[i] are those of the KG that are listed in
 *               the input (or, graph.hierarchy: inherit, that a code above lists), the last those of the hierarchy
 *   n_listed    i32 [n]
 *   edge_offsets i64 [n+1], edge_source u16, edge_target u16, edge_relation u8: directed edges between two nodes of the
 *               subgraph, ends as indices in its node list, sorted by (target, source, relation)
 *   relation    text [n_relations]  relation names by number (display_relation, by order of first appearance; then those of the hierarchy)
 *   hierarchy   text [n_hierarchy]  SYSTEM/FORM or class of each of the last n_hierarchy nodes: what stands above codes in their
 *               terminologies (graph.hierarchy); not there if there are none
 *   node_identity u64 [nodes of the KG]  hash of what each node is, whatever its number (ingest/node_identity.h); 0: not known. Of new
 *               codes, whose nodes are those of the model's vocabulary, it may have no rows
 *   node_name_offsets i64 [n_nodes+1], node_name_bytes u8: UTF-8, ragged: what each node is called, by its name in the graph or its id; a
 *               node of the hierarchy by the description of its code, or its name. Empty: not known. No rows for new codes
 * Root attributes: n_codes, n_nodes (of the KG, 1 + largest node index, and of the hierarchy), n_hierarchy, n_relations, graph_hops,
 * graph_max_nodes.
 */
#ifndef MEDTOK_STORE_VOCABULARY_H
#define MEDTOK_STORE_VOCABULARY_H

#include <stdint.h>

#include "store/h5file.h"

/* Codes first .. first+n-1 of a vocabulary in host memory. All arrays are owned; free with vocabulary_free. Offsets start at 0 for the
 * first code held. Parts that were not asked for are NULL. */
struct vocabulary {
    int64_t first, n_codes; /* codes held here */
    int64_t n_codes_total;
    int64_t n_nodes, n_hierarchy; /* of the whole KG and the hierarchy; of these, the last, those of the hierarchy */
    int32_t n_relations;
    int64_t code_bytes, system_bytes, relation_bytes,
        hierarchy_bytes;          /* fixed string lengths, each at least one zero byte at the end */
    char *code;                   /* [n_codes, code_bytes] */
    char *system;                 /* [n_codes, system_bytes] */
    char *relation;               /* [n_relations, relation_bytes] */
    char *hierarchy;              /* [n_hierarchy, hierarchy_bytes] names of nodes */
    int64_t *description_offsets; /* [n_codes + 1] */
    char *description;
    int32_t *n_listed;
    int64_t *node_offsets; /* [n_codes + 1] */
    int32_t *nodes;
    int64_t *edge_offsets; /* [n_codes + 1] */
    uint16_t *edge_source, *edge_target;
    uint8_t *edge_relation;
    uint64_t *node_identity; /* [n_identities] to write; vocabulary_read_identities reads them */
    int64_t n_identities;
    int64_t *node_name_offsets; /* [n_nodes + 1], or NULL; to write: on rank 0 */
    char *node_name;
    int32_t graph_hops, graph_max_nodes;
    char removed_sha256[65]; /* to write: of the file with the edges that were removed from the graph; "": none were */
};

/* Parts to read. With the graphs come description_offsets, which say what codes have a text. */
enum vocabulary_part {
    VOCABULARY_NAMES = 1,
    VOCABULARY_DESCRIPTIONS = 2,
    VOCABULARY_GRAPHS = 4,
    VOCABULARY_HIERARCHY = 8
};

/* Collective. Each rank passes the codes that it holds, those of rank r behind those of the ranks before it, with names of the same lengths
 * (code_bytes, system_bytes) on all ranks; NULL: none. What is not of codes is rank 0's: relations, hierarchy, identities, numbers of nodes.
 * Writes atomically to `path`; the file is the same however the codes are dealt out. Datasets are contiguous, in the order of the schema. */
int vocabulary_write(const struct comm *comm, const char *path, const struct vocabulary *vocabulary,
                     const struct provenance *provenance);

/* Reads the asked parts of codes first .. first+count-1 (count -1: to the end). Checks that offsets ascend and indices
 * are in range, so that a damaged file is an error here and not a crash later. */
int vocabulary_read(const char *path, int64_t first, int64_t count, unsigned parts, struct vocabulary *vocabulary);

/* Whether the subgraphs that were read are in range, for who reads them otherwise; codes [n_codes]: their numbers, NULL: those from `first` on. */
int vocabulary_check_graphs(const struct h5file *file, const struct vocabulary *vocabulary, const int64_t *codes);

/* The sizes, and the names of nodes first .. first + count - 1: node_name_offsets [count + 1] from 0. STATUS_FAILED if they are not there. */
int vocabulary_read_node_names(const char *path, int64_t first, int64_t count, struct vocabulary *vocabulary);

/* The sizes alone: n_codes_total, n_nodes, n_hierarchy, n_relations, graph settings; arrays NULL. */
int vocabulary_read_sizes(const char *path, struct vocabulary *vocabulary);

/* Of n_shares runs of codes with about as many bytes of descriptions each, the one of number `share`: codes *first .. *first + *count - 1. Little of
 * the file is read. */
int vocabulary_share_descriptions(const char *path, int share, int n_shares, int64_t *first, int64_t *count);

/* Fails if the vocabulary was made from a graph without other edges than those in the file `removed`. One whose graph lost none
 * goes with any file. */
int vocabulary_check_removed(const char *path, const char *removed);

/* Whether it holds the names of nodes; one of an older release does not. */
int vocabulary_has_node_names(const char *path);

/* The identities of all nodes, *identity [*n_nodes]: those of the hierarchy by their names. 0: not known. The caller frees them. */
int vocabulary_read_identities(const char *path, uint64_t **identity, int64_t *n_nodes);

void vocabulary_free(struct vocabulary *vocabulary);

/* `SYSTEM:CODE` of one code, for messages; `code number N` if the file cannot be read. */
void vocabulary_name(const char *path, int64_t code, char *text, size_t size);

static inline const char *vocabulary_code(const struct vocabulary *v, int64_t i) { return v->code + i * v->code_bytes; }
static inline const char *vocabulary_system(const struct vocabulary *v, int64_t i) {
    return v->system + i * v->system_bytes;
}

/* Nodes of the knowledge graph alone: 0 .. that - 1. */
static inline int64_t vocabulary_graph_nodes(const struct vocabulary *v) { return v->n_nodes - v->n_hierarchy; }

/* Whether code i (of those held) has a side: a description that is not empty, and nodes. Of a vocabulary whose descriptions
 * were not looked at, every code counts as having one. */
static inline int vocabulary_has_text(const struct vocabulary *v, int64_t i) {
    return !v->description_offsets || v->description_offsets[i + 1] > v->description_offsets[i];
}
static inline int vocabulary_has_graph(const struct vocabulary *v, int64_t i) {
    return v->node_offsets[i + 1] > v->node_offsets[i];
}

#endif
