/* The method: settings graph.*, model.*, attention.*, quantizer.*, loss.*, tokenize.*. */
#ifndef MEDTOK_MEDTOK_OPTIONS_H
#define MEDTOK_MEDTOK_OPTIONS_H

#include <stdint.h>

enum graph_encoder { GRAPH_GCN, GRAPH_GAT };
enum sides { SIDES_BOTH, SIDES_TEXT, SIDES_GRAPH };
enum loss_space { LOSS_SPACE_RAW, LOSS_SPACE_NORMALIZED };
enum shared_region { SHARED_ALL, SHARED_MIDDLE };
enum codebook_update { UPDATE_GRADIENT, UPDATE_EMA };
enum codebook_init { INIT_NORMAL, INIT_KMEANS };
enum negatives { NEGATIVES_LOCAL, NEGATIVES_GLOBAL };
enum sibling_negatives { SIBLINGS_KEEP, SIBLINGS_LEAVE_OUT };

struct graph_options {
    int64_t hops, max_nodes, node_dim, hidden, heads;
    enum graph_encoder encoder;
    double edge_drop;
};

struct model_options {
    enum sides sides;
};

struct attention_options {
    int64_t heads, layers;
    double dropout;
};

struct quantizer_options {
    int64_t size, dim, top_k, init_sample, revive_after;
    double commit, ema_decay, ema_epsilon;
    enum loss_space loss_space;
    enum shared_region shared_region;
    enum codebook_update update;
    enum codebook_init init;
};

struct loss_options {
    double temperature, align, orthogonality;
    enum negatives negatives;
    enum sibling_negatives sibling_negatives;
};

struct tokenize_options {
    int64_t batch;
    char *codes, *append_to;
};

#endif
