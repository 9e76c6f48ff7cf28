/* The codes that this rank works on, in host memory: their subgraphs and text features, whether the codes are neighbours or lie all over
 * the vocabulary. */
#ifndef MEDTOK_MEDTOK_DATASET_H
#define MEDTOK_MEDTOK_DATASET_H

#include "medtok/options.h"
#include "store/text_features.h"
#include "store/vocabulary.h"
#include "text/text_source.h"

struct dataset {
    int64_t n_codes;
    int64_t *codes;               /* [n_codes] global code indices, ascending */
    struct vocabulary vocabulary; /* their subgraphs, in this order */
    uint16_t *edge_ends;          /* see dataset_pack_edges; NULL: the vocabulary has the edges */
    struct text_source *source;   /* borrowed */
    struct text_features text;    /* cached: in this order */
    struct text_ids ids;          /* online: the same */
    struct device *device;        /* where `resident` is; borrowed */
    dev_real resident;        /* cached: [text.n_rows, text.dim] on the device, see dataset_keep_on_device; or NULL */
    dev_half resident_halves; /* the same, of features in half precision; or NULL */
    int32_t *sibling_class;   /* [n_codes] see dataset_find_siblings; NULL: not asked for */
    enum sides sides;         /* which sides are looked at */
    const int32_t
        *node_position; /* that of graph.nodes (struct parameter), which batches fetch from; borrowed; NULL: none */
};

/* Whether all text features are on the device. */
static inline int dataset_is_resident(const struct dataset *d) { return d->resident.at || d->resident_halves.at; }

/* The index in `codes` of global code `code`, which is there. */
int64_t dataset_index(const struct dataset *dataset, int64_t code);

/* Whether a side of global code `code` is there, and looked at. */
static inline int dataset_has_text(const struct dataset *d, int64_t code) {
    return d->sides != SIDES_GRAPH && vocabulary_has_text(&d->vocabulary, dataset_index(d, code));
}
static inline int dataset_has_graph(const struct dataset *d, int64_t code) {
    return d->sides != SIDES_TEXT && vocabulary_has_graph(&d->vocabulary, dataset_index(d, code));
}

/* A code's data; an absent side has no tokens, or no nodes and edges. */
struct code_view {
    const int32_t *tokens, *nodes;          /* tokens: feature rows (cached) or token ids (online) */
    const uint16_t *ends, *source, *target; /* of edges: `ends` if there are some, or the two others */
    int64_t n_tokens, n_nodes, n_edges;
};

/* The ends of edge e, as numbers of the code's nodes. */
static inline int32_t code_edge_source(const struct code_view *c, int64_t e) {
    return c->ends ? c->ends[e] & 0xff : c->source[e];
}
static inline int32_t code_edge_target(const struct code_view *c, int64_t e) {
    return c->ends ? c->ends[e] >> 8 : c->target[e];
}

/* Of global code `code`, which the dataset holds. */
struct code_view dataset_view(const struct dataset *dataset, int64_t code);

/* Collective (store/row_fetch.h), every rank with codes of its own choice; for this process alone with comm_self(). Reads what codes[n_codes] (copied; in any
 * order, each once) need; their text from `source` (borrowed). A rank reads its share of the files and holds what its codes need. `status`: what failed on this rank on the way here, which becomes every
 * rank's. */
int dataset_read(struct dataset *dataset, const struct comm *comm, const char *vocabulary_path,
                 struct text_source *source, enum sides sides, const int64_t *codes, int64_t n_codes, int status);

/* Keeps of the subgraphs what batches are made of, as dataset_read does: neither what nodes are listed nor what edges mean, and, where no
 * subgraph has more than 256 nodes, both ends of an edge in the 16 bits of its source, which then are edge_ends. */
void dataset_pack_edges(struct dataset *dataset);
/* uses [nodes of the KG]: in how many of its codes' subgraphs each node is, on the sides that are looked at. The caller frees them. */
int dataset_count_nodes(const struct dataset *dataset, int64_t **uses);
void dataset_free(struct dataset *dataset);

/* Copies the text features, in the precision of their file, to a device that has memory of its own, if they take no more than half
 * of what is free there; else, and on the CPU, nothing happens, and batches bring their rows. */
int dataset_keep_on_device(struct dataset *dataset, struct device *device);

/* Collective. Fills sibling_class: codes with the same parent in the same system (terms/code_hierarchy.h) have the same class; -1: no
 * parent is known. A class is the low 31 bits of XXH3-64 of "SYSTEM:PARENT", so that it is the same on every rank; of
 * two parents in one batch, one pair in 2^31 shares a class by chance, and lacks a negative. `status` as above. */
int dataset_find_siblings(struct dataset *dataset, const struct comm *comm, const char *vocabulary_path, int status);

/* Expected work of every code of the vocabulary, in units of one node: cost[n_codes] (caller frees). */
int dataset_costs(const char *vocabulary_path, enum sides sides, double **cost, int64_t *n_codes);

#endif
