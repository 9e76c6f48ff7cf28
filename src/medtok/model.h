/* MedTok's forward pass: a batch of codes in, four quantised vectors a code out (METHOD.md sections 2 to 4).
 *
 * Read model.c from bottom to top for the formulas: encode text and graph, cross-attend, quantise, compare.
 */
#ifndef MEDTOK_MEDTOK_MODEL_H
#define MEDTOK_MEDTOK_MODEL_H

#include "medtok/batch.h"
#include "medtok/losses.h"
#include "medtok/parameters.h"
#include "medtok/quantizer.h"

struct model {
    const struct config *config;
    struct parameters *parameters;
};

/* The tokens of a batch. Text groups have a row for each of the codes with text, graph groups one for each of those with a
 * graph, in the order of the batch's lists. */
struct model_output {
    struct quantized groups[N_GROUPS];
};

/* What training adds to the forward pass. */
struct model_training {
    struct losses *losses;
    const struct row_shares *text, *graph, *both; /* rows of all ranks: codes with text, with a graph, with both */
    uint32_t step;
    void (*codebook_ready)(void *context); /* called in the backward pass when the codebook's gradient is complete */
    void *context;
};

/* Puts the batch through the model. nodes [n_distinct, node_dim]: the batch's node vectors, with a gradient when training.
 * training: NULL to evaluate (no dropout, no second view, no losses). Look at tape_status afterwards. */
struct model_output model_forward(const struct model *model, struct tape *tape, const struct batch *batch,
                                  struct var *nodes, const struct model_training *training);

#endif
