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

/* sum over i of alpha[i] x[i], n matrices of one shape, of which none is overwritten */
struct var *nn_combine(struct tape *tape, int n, const double *alpha, struct var *const *x);

/* g a + (1 - g) b with g = 1 / (1 + exp(-s)); a, b of one shape, s [1, 1] */
struct var *nn_mix(struct tape *tape, struct var *s, struct var *a, struct var *b);

/* f(x): in place where activation_from_output(f) (kernels.h), as ReLU; x itself for ACTIVATION_NONE */
struct var *nn_activate(struct tape *tape, enum activation f, struct var *x);

/* f(gate) up, value by value; both [rows, cols]. With SiLU: SwiGLU (Shazeer, 2020) */
struct var *nn_glu(struct tape *tape, enum activation f, struct var *gate, struct var *up);

/* rows table[index[0..n)], -1 gives a zero row: [n, cols] */
struct var *nn_gather(struct tape *tape, struct var *table, dev_int index, int64_t n);

/* Bag i is the sum of its items' rows of table, times weight (a column [items, 1], or NULL: 1); `bags` has items and index, the
 * layer sets the rest: [n, cols] */
struct var *nn_bag(struct tape *tape, struct var *table, struct var *weight, struct bag bags);

/* The heads in the first rope.heads * rope.head_dim columns of x turned by their positions, in place; the layer sets rows and ld
 * of `rope`. Queries and keys side by side are turned at once, as so many heads more. */
struct var *nn_rope(struct tape *tape, struct var *x, struct rope rope);

/* mean over the rows of each segment, [n, cols]; 0 where empty */
struct var *nn_segment_mean(struct tape *tape, struct var *x, struct segments segments);

/* Each row of x as `parts` rows side by side in it, one below the other, in place: [parts * rows, cols / parts] */
struct var *nn_split_rows(struct tape *tape, struct var *x, int64_t parts);

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

/* Attention (struct attention in kernels.h): `shape` says of what shape and between which rows; its q, k, v, stats, leading
 * dimensions, bias and dots are filled in here. Heads begin at a column of the rows of q, k and v, which may be one variable; k and
 * v have as many columns. bias [heads, n_types] or NULL; dots [query rows, heads * n_types] or NULL. */
struct nn_attention {
    struct attention shape;
    struct var *q, *k, *v, *bias, *dots;
    int64_t q_column, k_column, v_column;
};

/* -> [query rows, heads * head_dim]; *sums [query rows, heads * n_types, or heads without types], unless `sums` is NULL */
struct var *nn_attention(struct tape *tape, const struct nn_attention *attention, struct var **sums);

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

/* ---- losses: they end the tape. Each adds its value to loss[0] on the device (NULL: not wanted) and its gradients to those
 * arguments that want one, when it is called ---- */
/* Softmax cross-entropy of the logits scale a b^T + bias, with a [n, dim], b [m, dim], bias [1, m] or NULL. `how` has scale,
 * weight, target and what else is wanted of struct cross_entropy; the layer sets sizes and operands. log_probability [n] of the
 * targets, or NULL. A classifier's b is its weight; with a tied table b is the table, with scale 1. */
void nn_cross_entropy(struct tape *tape, struct var *a, struct var *b, struct var *bias, struct cross_entropy how,
                      dev_real loss, dev_real log_probability);

/* weight times the divergence of the softmaxes of scale a c^T and scale b c^T, with a, b [n, dim] and the rows first .. last - 1 of c. */
void nn_softmax_divergence(struct tape *tape, struct var *a, struct var *b, struct var *c, int64_t first, int64_t last,
                           double scale, double weight, dev_real loss);

/* Cross-entropy of independent labels how.y [rows, labels], from logits x [rows, labels]; `how` has y, weight and
 * positive_weights, the layer sets the rest. */
void nn_bce(struct tape *tape, struct var *x, struct bce how, dev_real loss);

/* weight times the sum of x's values: for losses that layers make, value by value. */
void nn_sum(struct tape *tape, struct var *x, double weight, dev_real loss);

#endif
