/* Layers on the tape: each function computes its value now and records how its gradient flows back.
 *
 * Shapes stand beside each function; `[rows, cols]` of the result is that of the formula. Weights are stored as
 * PyTorch stores them, [out, in]. Constants (no gradient) may stand for any input; a layer of constants alone records
 * nothing.
 *
 * A layer that works in place writes its result over one of its inputs, whose variable is spent then: go on with what
 * the layer returns. Using a spent variable, or overwriting one whose value another layer needs in its backward, fails
 * the tape with a message that names the layer (tape_status).
 */
#ifndef MEDTOK_NN_LAYERS_H
#define MEDTOK_NN_LAYERS_H

#include "nn/tape.h"

/* Rows in segments, one per medical code; code i has the random key keys[i]. Device memory, borrowed. */
struct segments {
    struct ragged rows;
    dev_int keys;
};

/* The graphs of a batch: their nodes, and the edges between them. */
struct graphs {
    struct segments nodes;
    struct edges edges;
};

/* A linear map: trained, or frozen where its weights are packed, which is device memory of linear_pack (kernels/list.h), borrowed. */
struct linear_terms {
    struct var *weight; /* [out, in] */
    struct packed_weights *packed;
    struct var *bias; /* [1, out], or NULL */
    enum activation f;
};

/* The product of all linear maps: x [r, in] -> f(x weight^T + bias), [r, out] */
struct var *nn_linear_map(struct tape *tape, struct var *x, struct linear_terms map);

/* The trained one: x [r, in], weight [out, in], bias [1, out] or NULL -> x weight^T + bias, [r, out] */
struct var *nn_linear(struct tape *tape, struct var *x, struct var *weight, struct var *bias);

/* x + bias in each row, in place of x */
struct var *nn_add_bias(struct tape *tape, struct var *x, struct var *bias);

/* a + b, in place of b */
struct var *nn_add(struct tape *tape, struct var *a, struct var *b);

/* f(x): in place where activation_from_output(f) (kernels.h), as ReLU; x itself for ACTIVATION_NONE */
struct var *nn_activate(struct tape *tape, enum activation f, struct var *x);

/* f(gate) up, value by value; both [rows, cols]. With SiLU: SwiGLU (Shazeer, 2020) */
struct var *nn_glu(struct tape *tape, enum activation f, struct var *gate, struct var *up);

/* rows table[index[0..n)], -1 gives a zero row: [n, cols] */
struct var *nn_gather(struct tape *tape, struct var *table, dev_int index, int64_t n);

/* mean over the rows of each segment, [n, cols]; 0 where empty */
struct var *nn_segment_mean(struct tape *tape, struct var *x, struct segments segments);

/* x with elements dropped (kernels.h), in place; x itself if the rate is 0 or the tape is evaluating */
struct var *nn_dropout(struct tape *tape, struct var *x, struct segments segments, struct dropout dropout);

/* D^-1/2 (A + I) D^-1/2 x for each graph, with A's rows the incoming edges (Kipf and Welling, 2017) */
struct var *nn_gcn_aggregate(struct tape *tape, struct var *x, struct graphs graphs);

/* x [rows, heads * cols] times a [1, heads * cols], head by head -> [rows, heads] */
struct var *nn_head_dots(struct tape *tape, struct var *x, struct var *a, int64_t heads);

/* Graph attention: x [nodes, heads * cols] averaged over each node and its incoming edges by the softmax of
 * LeakyReLU(source[u] + target[v]), head by head; source, target [nodes, heads] (Velickovic et al., 2018) */
struct var *nn_graph_attention(struct tape *tape, struct var *x, struct var *source, struct var *target,
                               struct graphs graphs);

/* (x - mean) / sqrt(mean square + epsilon) * gain + bias, per row (struct norm): gain, bias [1, cols], or NULL; center 1 is
 * layer norm, 0, with which mean is 0, RMS norm */
struct norm_terms {
    struct var *gain, *bias;
    double epsilon;
    int center;
};
struct var *nn_norm(struct tape *tape, struct var *x, struct norm_terms terms);

/* The norm of a + b, which stands in place of b: post-norm blocks use the result, pre-norm ones *sum too (sum NULL: not asked
 * for) */
struct var *nn_add_norm(struct tape *tape, struct var *a, struct var *b, struct norm_terms terms, struct var **sum);

/* Multi-head attention of the query segments to the key segments: q [rows, dim], kv [rows, 2 dim], pairs as in
 * kernels.h; queries.keys key the dropout on the probabilities. -> [query rows, dim] */
struct var *nn_attention(struct tape *tape, struct var *q, struct segments queries, struct var *kv,
                         struct segments keys, struct attention_pairs pairs, int64_t heads, struct dropout dropout);

/* One query row a segment, with rows x [rows, dim] that are key and value of every head (kernels.h): q [n, heads * dim]
 * -> [n, heads * dim]; *sums [n, heads]. keys.keys key the dropout. */
struct var *nn_shared_attention(struct tape *tape, struct var *q, struct var *x, struct segments keys, int64_t heads,
                                double scale, struct dropout dropout, struct var **sums);

/* Head by head: y[r, h * out ..] = x[r, h * in ..] weight_h^T with weight_h the rows h * out .. of weight [heads * out,
 * in]: x [rows, heads * in] -> [rows, heads * out] */
struct var *nn_head_linear(struct tape *tape, struct var *x, struct var *weight, int64_t heads);

/* The way back: y[r, h * in ..] = x[r, h * out ..] weight_h: x [rows, heads * out] -> [rows, heads * in] */
struct var *nn_head_linear_transposed(struct tape *tape, struct var *x, struct var *weight, int64_t heads);

/* x + scale[r, h] bias[h * cols ..] in head h of row r, in place of x; x [rows, heads * cols], scale [rows, heads],
 * bias [1, heads * cols] */
struct var *nn_add_scaled_bias(struct tape *tape, struct var *x, struct var *scale, struct var *bias);

/* x / |x| per row */
struct var *nn_l2_normalize(struct tape *tape, struct var *x);

/* [a ; b] side by side, [rows, a.cols + b.cols] */
struct var *nn_concat(struct tape *tape, struct var *a, struct var *b);

#endif
