/* What each primitive of list.h costs, by formula: floating-point operations and bytes of memory traffic, from the sizes
 * of one call. They are the work of the method, not of an implementation: the same on every backend.
 *
 * Operations: each addition, subtraction, multiplication, division, root, exponential, tanh or erf is one; comparisons and
 * integer work are none. Bytes are the compulsory ones: each operand is read or written once, one that is added to is read and
 * written, and rows picked by an index count once for each pick; single numbers are left out. So a share of the machine's
 * ceiling computed from them never flatters a kernel that moves data twice.
 *
 * Names and order are those of list.h. `dropped`, `classes` and the like are 0 or 1: whether that operand takes part.
 */
#ifndef MEDTOK_KERNELS_COSTS_H
#define MEDTOK_KERNELS_COSTS_H

#include "kernels.h"

/* ---- vectors ---- */
struct work cost_fill(int64_t n);
struct work cost_axpy(int64_t n);
struct work cost_blend(int64_t n);
struct work cost_dot(int64_t n);
struct work cost_squared_distance(int64_t n);
struct work cost_squared_distance_backward(int64_t n);
struct work cost_norm_loss(int64_t n);

/* ---- matrices ---- */
struct work cost_gemm_batch(int64_t count, int64_t m, int64_t n, int64_t k, int accumulate);
struct work cost_gemm(int64_t m, int64_t n, int64_t k, int accumulate); /* accumulate: beta is not 0 */
struct work cost_add_bias(int64_t rows, int64_t cols);
struct work cost_sum_rows(int64_t rows, int64_t cols);
struct work cost_activate(enum activation f, int64_t n);
struct work cost_activate_backward(enum activation f, int64_t n, int accumulate);
struct work cost_glu(const struct glu *g);
struct work cost_glu_backward(const struct glu *g, struct glu_gradients to);
struct work cost_linear(const struct linear *map, int64_t rows);
struct work cost_linear_backward(const struct linear *map, int64_t rows, struct linear_gradients to);
struct work cost_copy_matrix(int64_t rows, int64_t cols, int accumulate);
struct work cost_l2_normalize(int64_t rows, int64_t cols);
struct work cost_l2_normalize_backward(int64_t rows, int64_t cols);
struct work cost_norm(const struct norm *n);
struct work cost_norm_backward(const struct norm *n, struct norm_gradients to);

/* ---- rows and segments ---- */
struct work cost_gather_rows(int64_t n, int64_t cols);
struct work cost_gather_halves(int64_t n, int64_t cols);
struct work cost_scatter_add_rows(int64_t n, int64_t cols);
struct work cost_bag(const struct bag *b, int accumulate);
struct work cost_bag_backward(const struct bag *b, int of_table, int of_weight); /* gradients wanted */
struct work cost_rope(const struct rope *r);
struct work cost_segment_mean(struct ragged rows, int64_t cols);
struct work cost_segment_mean_backward(struct ragged rows, int64_t cols, int accumulate);
struct work cost_dropout(struct ragged rows, int64_t cols, int accumulate);

/* ---- graphs ---- */
struct work cost_gcn_scale(int64_t n_nodes);
struct work cost_gcn_aggregate(struct ragged nodes, struct edges edges, int64_t cols);
struct work cost_gcn_aggregate_backward(struct ragged nodes, struct edges edges, int64_t cols, int accumulate);
struct work cost_head_dots(int64_t rows, int64_t heads, int64_t cols);
struct work cost_head_dots_backward(int64_t rows, int64_t heads, int64_t cols);
struct work cost_graph_attention(struct ragged nodes, struct edges edges, int64_t heads, int64_t cols);
struct work cost_graph_attention_backward(struct ragged nodes, struct edges edges, int64_t heads, int64_t cols);

/* ---- attention; of pairs: n_pairs, or as many as there are if segments have equal lengths, of which a causal mask leaves half ---- */
struct work cost_attention(const struct attention *a, int with_sums);
struct work cost_attention_backward(const struct attention *a, const struct attention_gradients *g);

/* ---- quantiser; candidates = last - first ---- */
struct work cost_quantize(int64_t n, int64_t dim, int64_t candidates, int64_t top_k);
struct work cost_quantize_backward(int64_t n, int64_t dim, int64_t top_k, int codebook); /* codebook: dc is not NULL */
struct work cost_quantize_residual(int64_t n, int64_t dim, int64_t candidates, int64_t top_k);
struct work cost_quantize_residual_backward(int64_t n, int64_t dim, int64_t top_k, int codebook);
struct work cost_quantize_sparse(int64_t n, int64_t dim, int64_t candidates, int64_t top_k);
struct work cost_quantize_sparse_backward(int64_t n, int64_t dim, int64_t top_k, int codebook);
struct work cost_rotate_backward(int64_t n, int64_t dim);
struct work cost_sum_picks(int64_t n, int64_t dim, int64_t top_k);
struct work cost_ema_rows(int64_t size, int64_t dim); /* as if every row had been picked */

/* ---- losses, optimiser ---- */
struct work cost_cross_entropy(const struct cross_entropy *c, int of_a, int of_b, int of_bias); /* gradients wanted */
struct work cost_softmax_divergence(const struct softmax_divergence *d, struct softmax_divergence_gradients to);
struct work cost_bce(const struct bce *b, int gradient);
struct work cost_adam(int64_t n, int decay); /* decay: the weight decay is not 0 */

#endif
