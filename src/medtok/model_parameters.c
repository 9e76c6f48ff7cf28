/* The parameters of the model, in the order that checkpoints and first values know. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "medtok/model.h"

static const struct init NORMAL = {.normal = 1}, ONE = {.constant = 1}, ZERO = {0};

/* A GCN layer, or `heads` > 0 heads of graph attention [heads * out, in], both with Glorot's first values as in PyTorch
 * Geometric. */
static struct graph_layer add_graph_layer(struct parameter_set *set, int layer, int64_t out, int64_t in,
                                          int64_t heads) {
    int64_t width = heads ? heads * out : out;
    struct graph_layer g = {0};
    char name[48];
    snprintf(name, sizeof name, "graph.layer%d", layer);
    g.map = linear_map_add(set, width, in, init_glorot_bound(in, width), 0, name);
    if (!heads) return g;
    struct init logits = {.uniform = init_glorot_bound(heads, out)};
    g.source = parameter_add(set, 1, width, logits, 0, "%s.source", name);
    g.target = parameter_add(set, 1, width, logits, 0, "%s.target", name);
    return g;
}

/* nn.MultiheadAttention: one [3d, d] input projection, Glorot-uniform, cut into query and key-value here. */
static struct attention_layer add_attention(struct parameter_set *set, int layer, int64_t d) {
    struct attention_layer a;
    char name[64];
    snprintf(name, sizeof name, "attention.%d.query", layer);
    a.query = linear_map_add(set, d, d, init_glorot_bound(d, 3 * d), 0, name);
    snprintf(name, sizeof name, "attention.%d.key_value", layer);
    a.key_value = linear_map_add(set, 2 * d, d, init_glorot_bound(d, 3 * d), 0, name);
    snprintf(name, sizeof name, "attention.%d.output", layer);
    a.output = linear_map_add(set, d, d, 1 / sqrt((double)d), 0, name);
    a.gain = parameter_add(set, 1, d, ONE, 0, "attention.%d.norm.gain", layer);
    a.bias = parameter_add(set, 1, d, ZERO, 0, "attention.%d.norm.bias", layer);
    return a;
}

int model_make(struct model *model, struct parameter_set *set, const struct model_settings *settings, int64_t text_dim,
               int64_t n_nodes) {
    const struct graph_options *graph = &settings->graph;
    int64_t d = settings->quantizer.dim, heads = graph->encoder == GRAPH_GAT ? graph->heads : 0;
    *model = (struct model){.settings = *settings};
    TRY(mem_alloc(&model->attention, settings->attention.layers, sizeof *model->attention));
    set->apart_rate = settings->quantizer.rate;
    model->codebook = parameter_add(set, settings->quantizer.size, d, NORMAL,
                                    (settings->quantizer.update == UPDATE_EMA ? PARAMETER_SELF_MOVED : 0) |
                                        (settings->quantizer.rate > 0 ? PARAMETER_APART : 0),
                                    "codebook");
    model->text = linear_map_add(set, d, text_dim, -1, 0, "text.map");
    model->graph[0] = add_graph_layer(set, 0, graph->hidden, graph->node_dim, heads);
    model->graph[1] = add_graph_layer(set, 1, d, graph->hidden * (heads ? heads : 1), heads > 0);
    for (int l = 0; l < settings->attention.layers; l++) model->attention[l] = add_attention(set, l, d);
    model->text_specific =
        linear_map_add(set, d, settings->text_specific == TEXT_SPECIFIC_FEATURE ? text_dim : d, -1, 0, "text.specific");
    model->graph_specific = linear_map_add(set, d, d, -1, 0, "graph.specific");
    model->nodes = parameter_add(set, n_nodes, graph->node_dim, NORMAL, PARAMETER_BY_ROWS, "graph.nodes");
    if (settings->loss.reconstruction > 0) {
        model->text_decoder = linear_map_add(set, text_dim, 2 * d, -1, 0, "text.decoder");
        model->graph_decoder = linear_map_add(set, d, 2 * d, -1, 0, "graph.decoder");
    }
    return set->status;
}

void model_free(struct model *model) {
    free(model->attention);
    *model = (struct model){0};
}
