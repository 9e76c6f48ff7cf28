/* MedTok's forward pass: a batch of codes in, four quantised vectors a code out (METHOD.md sections 2 to 4).
 *
 * Read model.c from bottom to top for the formulas: encode text and graph, cross-attend, quantise, compare.
 */
#ifndef MEDTOK_MEDTOK_MODEL_H
#define MEDTOK_MEDTOK_MODEL_H

#include "medtok/batch.h"
#include "medtok/losses.h"
#include "medtok/quantizer.h"
#include "nn/parameters.h"

struct model_settings {
    struct graph_options graph;
    struct attention_options attention;
    struct quantizer_options quantizer;
    struct loss_options loss;
    enum sides sides; /* of what the codes have, those that are looked at */
    enum text_map text_map;
    enum text_specific text_specific;
    double text_dropout; /* of the features, in the second view */
    uint64_t seed;       /* of first values and dropout */
};

struct model {
    struct model_settings settings;
    /* the parameters, of the set that they were added to */
    struct parameter *codebook, *nodes; /* [size, dim]; [KG nodes, node_dim] cut by rows */
    struct linear_map text, text_specific, graph_specific;
    struct linear_map text_decoder, graph_decoder; /* loss.reconstruction: of the tokens; else .weight NULL */
    struct graph_layer {
        struct linear_map map;
        struct parameter *source, *target; /* graph attention's logits; NULL: gcn */
    } graph[2];
    struct attention_layer {
        struct linear_map query, key_value, output;
        struct parameter *gain, *bias; /* of the layer norm */
    } * attention;                     /* [settings.attention.layers], owned */
};

/* Adds the model's parameters to `set`, the codebook first, since its gradient is the largest and the first to be
 * ready. text_dim: width of the text features; n_nodes: of the knowledge graph. Then allocate the set. */
int model_make(struct model *model, struct parameter_set *set, const struct model_settings *settings, int64_t text_dim,
               int64_t n_nodes);
void model_free(struct model *model);

/* The tokens of a batch. Text groups have a row for each of the codes with text, graph groups one for each of those
 * with a graph, in the order of the batch's lists. */
struct model_output {
    struct quantized groups[N_GROUPS];
};

/* Which code of the batch each row of a group belongs to. */
static inline const int32_t *group_positions(const struct batch *batch, enum token_group group) {
    return group_is_of_graph(group) ? batch->graph_position : batch->text_position;
}

/* What training adds to the forward pass. */
struct model_training {
    struct losses *losses;
    const struct row_shares *text, *graph, *both; /* rows of all ranks: codes with text, with a graph, with both */
    const struct part_rows *text_parts, *graph_parts, *both_parts; /* of these; NULL: one part */
    uint32_t step;
    int warming;        /* quantizer.warmup: vectors go on as they are, of length 1, and the codebook learns nothing */
    int codebook_fixed; /* its rows are constants */
    void (*codebook_ready)(void *context); /* called in the backward pass when the codebook's gradient is complete */
    void *context;
};

/* Puts the batch through the model. nodes [n_distinct, node_dim]: the batch's node vectors, with a gradient when
 * training. training: NULL to evaluate (no dropout, no second view, no losses). Look at tape_status afterwards. */
struct model_output model_forward(const struct model *model, struct tape *tape, const struct batch *batch,
                                  struct var *nodes, const struct model_training *training);

#endif
