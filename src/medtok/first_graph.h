/* What the graph side begins with (graph.node_start, graph.encoder_start): what the text encoder knew of the nodes, and an encoder that
 * averages it over neighbours, so that the first graph vector of a code is the smoothed text of its subgraph.
 */
#ifndef MEDTOK_MEDTOK_FIRST_GRAPH_H
#define MEDTOK_MEDTOK_FIRST_GRAPH_H

#include "medtok/model.h"
#include "train/optimiser.h"

/* Node rows from the sentence features f of the nodes' names, x = A f + b. */
struct node_start {
    const struct parameter *nodes;     /* of the model */
    const char *features, *vocabulary; /* files, borrowed */
    const struct parameter *weight,
        *bias;        /* A [node_dim, text_dim], b [1, node_dim]: frozen, and saved with the parameters; NULL: none */
    int same_as_text; /* A and b are the first text map */
};

/* graph.node_start: text: adds the map to `set`, in which the model is and which is not allocated yet. random: does nothing. `features`: text.h5. */
int node_start_make(struct node_start *start, const struct model *model, struct parameter_set *set,
                    const char *features, const char *vocabulary, int64_t text_dim);

/* The names' features are there, and as wide as a node's vector at least. One process; without graph.node_start: text nothing is asked. */
int node_start_check(const struct node_start *start);

/* Sets the rows of those nodes held here that have a name, by the map as it is now; values [nodes->count, node_dim] on the host. Sums are in
 * double precision and in the order of the features, so that a row is the same wherever it lies. One process. */
int node_start_rows(const struct node_start *start, struct device *device, real *values);

/* Collective, in a new training: makes the map, and sets the rows and their averages. The map is the first text map, if that is of principal
 * components (model.text_map) and node vectors have its width; else it is of the principal components of the names' features (feature_components.h), of all nodes that
 * have a name. A node without a name keeps its random row. Fails if the names of all nodes
 * have the same features. Does nothing without graph.node_start: text. */
int node_start_begin(const struct node_start *start, const struct model *model, const struct comm *comm,
                     struct optimiser *optimiser);

/* graph.encoder_start: mean. With r the smaller of graph.node_dim and quantizer.dim, sets the first layer to W = [I; -I] on r values and
 * the second to [I, -I], other outputs and inputs to nothing: then relu([m; -m]) keeps what the first layer averaged, m = relu(m) - relu(-m), and both
 * layers together aggregate twice. gat: the same in the first head, with logits of 0, by which all neighbours count alike. graph.specific becomes x -> x.
 * What other hidden values are made from stays random, and is read with weight 0. */
int first_encoder_make(const struct model *model, struct optimiser *optimiser);

#endif
