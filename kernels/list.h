/* The list of primitives: what each one means, its cost (costs.h) and its arguments. kernels.h declares the types and says what
 * holds for all of them. From here come the fields of `struct kernels`, the prototypes and tables of both backends, the
 * counting wrappers (counted.c) and the names.
 *
 *   PRIMITIVE(name, cost, (type, argument) (type, argument) ...)
 *
 * is called device->run->name(device, argument, argument, ...); the backends' functions are cpu_name and cuda_name. There are at
 * most MOST_ARGUMENTS (counted.c): what is more stands in a struct of kernels.h. The cost may use the arguments. A new primitive is its lines here, its cost in costs.{h,c}, its functions in cpu/ and cuda/, and its
 * case in cases/. A backend that lacks it says so above its table, and a call is then an error that names both.
 *
 *   ENTRY(result, name, (parameters))
 *
 * is one that counted.c wraps by hand, since its arguments are not simply passed on.
 *
 * To use the list, define PRIMITIVE, and ENTRY if those are wanted, and include this file, which undefines both. PARAMETERS
 * makes `, type argument` and ARGUMENTS `, argument` of each argument of a primitive. */
/* clang-format off */
#ifndef PARAMETERS
/* Two macros that call each other take a sequence of any length apart: (t, x) (t, x) ... */
#define PARAMETERS(sequence) CLOSE(PARAMETER_A sequence)
#define PARAMETER_A(type, argument) , type argument PARAMETER_B
#define PARAMETER_B(type, argument) , type argument PARAMETER_A
#define PARAMETER_A_END
#define PARAMETER_B_END
#define ARGUMENTS(sequence) CLOSE(ARGUMENT_A sequence)
#define ARGUMENT_A(type, argument) , argument ARGUMENT_B
#define ARGUMENT_B(type, argument) , argument ARGUMENT_A
#define ARGUMENT_A_END
#define ARGUMENT_B_END
#define CLOSE(...) CLOSE_(__VA_ARGS__)
#define CLOSE_(...) __VA_ARGS__##_END
#endif
#ifndef ENTRY
#define ENTRY(result, name, parameters)
#endif

/* ---- vectors ---- */
/* x[n] = value */
PRIMITIVE(fill, cost_fill(n), (int64_t, n) (double, value) (dev_real, x))

/* y[n] += alpha x[n] */
PRIMITIVE(axpy, cost_axpy(n), (int64_t, n) (double, alpha) (dev_real, x) (dev_real, y))

/* y[n] = keep[0] y + (1 - keep[0]) x: one step of an exponential moving average */
PRIMITIVE(blend, cost_blend(n), (int64_t, n) (dev_real, keep) (dev_real, x) (dev_real, y))

/* out[0] += alpha sum_i a[i] b[i] */
PRIMITIVE(dot, cost_dot(n), (int64_t, n) (double, alpha) (dev_real, a) (dev_real, b) (dev_real, out))

/* out[0] += alpha sum_i (a[i] - b[i])^2 */
PRIMITIVE(squared_distance, cost_squared_distance(n),
          (int64_t, n) (double, alpha) (dev_real, a) (dev_real, b) (dev_real, out))

/* da[n] += alpha 2 (a - b); the gradient of alpha |a - b|^2 with respect to a */
PRIMITIVE(squared_distance_backward, cost_squared_distance_backward(n),
          (int64_t, n) (double, alpha) (dev_real, a) (dev_real, b) (dev_real, da))

/* loss[0] += weight |x|_2, and dx[n] = weight x / |x| (0 if |x| = 0) */
PRIMITIVE(norm_loss, cost_norm_loss(n), (int64_t, n) (double, weight) (dev_real, x) (dev_real, loss) (dev_real, dx))

/* ---- matrices ---- */
/* c[m,n] = alpha op(a) op(b) + beta c, with op(a) [m,k] and op(b) [k,n] (struct gemm) */
PRIMITIVE(gemm, cost_gemm(g->m, g->n, g->k, g->beta != 0),
          (const struct gemm *, g) (struct matrix, a) (struct matrix, b) (struct matrix, c))

/* `count` products of that kind at once: matrix i of an operand begins i * stride values after the first */
PRIMITIVE(gemm_batch, cost_gemm_batch(count, g->m, g->n, g->k, g->beta != 0),
          (int64_t, count) (const struct gemm *, g) (struct matrices, a) (struct matrices, b) (struct matrices, c))

/* y[rows,cols] += bias[cols] in each row */
PRIMITIVE(add_bias, cost_add_bias(rows, cols), (int64_t, rows) (int64_t, cols) (dev_real, bias) (dev_real, y))

/* out[cols] += sum over rows of x[rows,cols] */
PRIMITIVE(sum_rows, cost_sum_rows(rows, cols), (int64_t, rows) (int64_t, cols) (dev_real, x) (dev_real, out))

/* y[n] = f(x[n]); y may be x. Backward: dx = f'(x) dy, or += with accumulate, from v: y where activation_from_output(f), else
 * x; dx may be dy. */
PRIMITIVE(activate, cost_activate(f, n), (enum activation, f) (int64_t, n) (dev_real, x) (dev_real, y))
PRIMITIVE(activate_backward, cost_activate_backward(f, n, accumulate),
          (enum activation, f) (int64_t, n) (dev_real, v) (dev_real, dy) (dev_real, dx) (int, accumulate))

/* y[n] = f(gate) up (struct glu), and the gradients of gate and up from dy. y may be gate or up if there is no backward. */
PRIMITIVE(glu, cost_glu(g), (const struct glu *, g) (dev_real, y))
PRIMITIVE(glu_backward, cost_glu_backward(g, to), (const struct glu *, g) (dev_real, dy) (struct glu_gradients, to))

/* y[rows,out] = f(x[rows,in] W^T + b) (struct linear). Packed weights (of linear_pack): a row's result does not depend on the other rows or
 * on its position. Backward takes dy, the gradient before f (after activate_backward), and of packed weights gives dx alone. */
PRIMITIVE(linear, cost_linear(map, rows), (const struct linear *, map) (int64_t, rows) (dev_real, x) (dev_real, y))
PRIMITIVE(linear_backward, cost_linear_backward(map, rows, to),
          (const struct linear *, map) (int64_t, rows) (dev_real, x) (dev_real, dy) (struct linear_gradients, to))

/* Packs weight [out,in], in host memory, read once; products are then made in `precision`, float32 or tf32 from bf16 weights too,
 * which stay bf16 in device memory. NULL if memory is out or the precision is not there (the device's error says so). Free
 * with linear_free; NULL is allowed. */
ENTRY(struct packed_weights *, linear_pack,
      (struct device *, int64_t in, int64_t out, const void *weight, enum storage, enum precision_of_products))

/* The same without a copy where the backend can multiply from `weight` as it lies (the CPU; bf16 products from bf16 weights alone):
 * then it must stay until linear_free, and be aligned for its type. Processes that map one file so share the weights. A row's
 * result depends on the other rows by rounding. */
ENTRY(struct packed_weights *, linear_borrow,
      (struct device *, int64_t in, int64_t out, const void *weight, enum storage, enum precision_of_products))
ENTRY(void, linear_free, (struct device *, struct packed_weights *))

/* y[rows,cols] = x[rows,cols]; accumulate: += */
PRIMITIVE(copy_matrix, cost_copy_matrix(rows, cols, accumulate),
          (int64_t, rows) (int64_t, cols) (struct matrix, x) (struct matrix, y) (int, accumulate))

/* y[r] = x[r] / norm[r], norm[r] = max(|x[r]|_2, 1e-12); y may be x;  dx += (dy - y (y.dy)) / norm */
PRIMITIVE(l2_normalize, cost_l2_normalize(rows, cols),
          (int64_t, rows) (int64_t, cols) (dev_real, x) (dev_real, y) (dev_real, norm))
PRIMITIVE(l2_normalize_backward, cost_l2_normalize_backward(rows, cols),
          (int64_t, rows) (int64_t, cols) (dev_real, y) (dev_real, norm) (dev_real, dy) (dev_real, dx))

/* y[rows,cols] = rows of x, or of x + residual, normalised (struct norm); y may be x or residual if there is no backward. */
PRIMITIVE(norm, cost_norm(n), (const struct norm *, n) (dev_real, y))
PRIMITIVE(norm_backward, cost_norm_backward(n, to),
          (const struct norm *, n) (dev_real, dy) (struct norm_gradients, to))

/* ---- rows and segments ---- */
/* out[i] = table[index[i]], [n,cols]; index -1 gives a zero row. gather_halves: of a table in half precision, widened. */
PRIMITIVE(gather_rows, cost_gather_rows(n, cols),
          (int64_t, n) (int64_t, cols) (dev_real, table) (dev_int, index) (dev_real, out))
PRIMITIVE(gather_halves, cost_gather_halves(n, cols),
          (int64_t, n) (int64_t, cols) (dev_half, table) (dev_int, index) (dev_real, out))

/* table[index[i]] += x[i]; -1 is passed over. */
PRIMITIVE(scatter_add_rows, cost_scatter_add_rows(n, cols),
          (int64_t, n) (int64_t, cols) (dev_real, x) (dev_int, index) (dev_real, table))

/* y[i] = (accumulate: +=) sum over the items p of bag i of weight[p] table[index[p]], [n,cols]: 0 for an empty bag */
PRIMITIVE(bag, cost_bag(b, accumulate), (const struct bag *, b) (dev_real, table) (dev_real, y) (int, accumulate))

/* dtable[index[p]] += weight[p] dy[i] and dweight[p] += table[index[p]].dy[i] for the items p of bag i; that which is NULL is not
 * wanted. table is read for dweight alone. */
PRIMITIVE(bag_backward, cost_bag_backward(b, dtable.at != NULL, dweight.at != NULL),
          (const struct bag *, b) (dev_real, table) (dev_real, dy) (dev_real, dtable) (dev_real, dweight))

/* y[i] = mean of the rows of segment i of x, [n,cols]; an empty segment gives 0 */
PRIMITIVE(segment_mean, cost_segment_mean(rows, cols),
          (struct ragged, rows) (int64_t, cols) (dev_real, x) (dev_real, y))
PRIMITIVE(segment_mean_backward, cost_segment_mean_backward(rows, cols, accumulate),
          (struct ragged, rows) (int64_t, cols) (dev_real, dy) (dev_real, dx) (int, accumulate))

/* y = dropout(x), or y += with accumulate; x,y [n_rows, cols] (struct dropout_rows). Its own backward. y may be x. */
PRIMITIVE(dropout, cost_dropout(d->rows, d->cols, accumulate),
          (const struct dropout_rows *, d) (dev_real, x) (dev_real, y) (int, accumulate))

/* In place, for each head of each row and each pair c < head_dim / 2, with the angle t = sign position[r] frequency[c]:
 *   (x[c], x[c + head_dim/2]) = (x[c] cos t - x[c + head_dim/2] sin t, x[c + head_dim/2] cos t + x[c] sin t).
 * sign 1; with -1 its inverse, which is also its backward: dx from dy. */
PRIMITIVE(rope, cost_rope(r), (const struct rope *, r) (double, sign) (dev_real, x))

/* ---- graphs: segment i of `nodes` is graph i; `edges` are numbered through the batch ---- */
/* scale[v] = 1 / sqrt(1 + number of incoming edges), for n_nodes nodes */
PRIMITIVE(gcn_scale, cost_gcn_scale(n_nodes), (int64_t, n_nodes) (dev_int, edge_offsets) (dev_real, scale))

/* y[v] = scale[v] (scale[v] x[v] + sum over incoming edges of scale[u] x[u]): D^-1/2 (A + I) D^-1/2 X; x, y [n_nodes, cols] */
PRIMITIVE(gcn_aggregate, cost_gcn_aggregate(g->nodes, g->edges, g->cols),
          (const struct gcn *, g) (dev_real, x) (dev_real, y))

/* dx += transpose of the above applied to dy */
PRIMITIVE(gcn_aggregate_backward, cost_gcn_aggregate_backward(g->nodes, g->edges, g->cols, accumulate),
          (const struct gcn *, g) (dev_real, dy) (dev_real, dx) (int, accumulate))

/* out[rows,heads] = sum over c of x[r,h,c] a[h,c] (struct head_dots) */
PRIMITIVE(head_dots, cost_head_dots(d->rows, d->heads, d->cols), (const struct head_dots *, d) (dev_real, out))

/* dx[r,h,c] += dout[r,h] a[h,c] and da[h,c] += sum over rows of dout[r,h] x[r,h,c] */
PRIMITIVE(head_dots_backward, cost_head_dots_backward(d->rows, d->heads, d->cols),
          (const struct head_dots *, d) (dev_real, dout) (dev_real, dx) (dev_real, da))

/* y [n_nodes, heads * cols], and a->probs (struct graph_attention) */
PRIMITIVE(graph_attention, cost_graph_attention(a->nodes, a->edges, a->heads, a->cols),
          (const struct graph_attention *, a) (dev_real, y))

/* dsource, dtarget, dx += the gradients of the above, from dy */
PRIMITIVE(graph_attention_backward, cost_graph_attention_backward(a->nodes, a->edges, a->heads, a->cols),
          (const struct graph_attention *, a) (dev_real, dy) (dev_real, dsource) (dev_real, dtarget) (dev_real, dx))

/* ---- attention: see struct attention. Nothing that grows with queries times keys is stored. ---- */
/* out [query rows, heads * head_dim]; sums [query rows, heads, n_types, or 1 without types], NULL: not wanted */
PRIMITIVE(attention, cost_attention(a, sums.at != NULL),
          (const struct attention *, a) (dev_real, out) (dev_real, sums))

/* See struct attention_gradients. Segments may share key rows only by a key index; then add_kv is taken for 1. */
PRIMITIVE(attention_backward, cost_attention_backward(a, gradients),
          (const struct attention *, a) (const struct attention_gradients *, gradients))

/* ---- quantiser (src/medtok/METHOD.md section 3): struct quantize and struct picks ---- */
/* index[n,top_k]: the rows of c nearest to u by |u|^2+|c|^2-2u.c, nearest first, ties to the smaller index;
 * weight[n,top_k] = softmax(-distance); q[n,dim] = sum_k weight c[index]. The distance matrix is never stored. */
PRIMITIVE(quantize, cost_quantize(z->n, z->dim, z->last - z->first, z->top_k),
          (const struct quantize *, z) (struct picks, picks) (dev_real, q))

/* From dq: du += and dc[index] += the gradients through the weights and the code vectors themselves. dc may be NULL. */
PRIMITIVE(quantize_backward, cost_quantize_backward(z->n, z->dim, z->top_k, dc.at != NULL),
          (const struct quantize *, z) (struct picks, picks) (dev_real, dq) (dev_real, du) (dev_real, dc))

/* Residual quantisation (METHOD.md section 3). The candidates are cut into top_k levels, one behind the other
 * (residual_level_first in kernels.h). With r_0 = u, token k is the row c_j of level k with the largest r_k . c_j, ties to
 * the smaller index, its weight w_k = max(0, r_k . c_j), and r_(k+1) = r_k - w_k c_j: index[n,top_k], weight[n,top_k],
 * before[n,top_k,dim] = r_k, q[n,dim] = u - r_top_k = sum_k w_k c. u need not have norm 1. */
PRIMITIVE(quantize_residual, cost_quantize_residual(z->n, z->dim, z->last - z->first, z->top_k),
          (const struct quantize *, z) (struct picks, picks) (dev_real, q))

/* From dq: du += and dc[index] += the gradients through the weights and the code vectors, the picks as they are. dc may be
 * NULL; z->u is not read. */
PRIMITIVE(quantize_residual_backward, cost_quantize_residual_backward(z->n, z->dim, z->top_k, dc.at != NULL),
          (const struct quantize *, z) (struct picks, picks) (dev_real, dq) (dev_real, du) (dev_real, dc))

/* Sparse coding (METHOD.md section 3) by backward elimination. The candidates' SPARSE_ROWS rows that are nearest to u (all, where there are
 * fewer) get the weights w that minimise |u - sum_m w_m c_m|^2 + SPARSE_RIDGE sum_m w_m^2; the row of the lowest weight, the nearest of
 * equals, goes, and the others get theirs anew, until top_k are left: the picks. While one has a weight below 0, the lowest is given 0 in the same
 * way. index[n,top_k] and weight[n,top_k], heaviest first, ties to the nearer row; q[n,dim] = sum_k w_k c. */
PRIMITIVE(quantize_sparse, cost_quantize_sparse(z->n, z->dim, z->last - z->first, z->top_k),
          (const struct quantize *, z) (struct picks, picks) (dev_real, q))

/* From dq: du += and dc[index] += the gradients through the weights and the code vectors, the picks and those of weight 0 as they are.
 * With A the rows of weight above 0, s = (A^T A + ridge I)^-1 A^T dq: du += A s, dc_k += w_k (dq - A s) + s_k (u - q). dc may be NULL. */
PRIMITIVE(quantize_sparse_backward, cost_quantize_sparse_backward(z->n, z->dim, z->top_k, dc.at != NULL),
          (const struct quantize *, z) (struct picks, picks) (dev_real, dq) (dev_real, du) (dev_real, dc))

/* The rotation trick (Fifty et al., 2024): q[r] counts as |q|/|z| R z[r] with R the rotation, constant, that turns z[r] to the
 * direction of q[r]: dz[n,dim] += |q|/|z| R^T dq. With z', q' of norm 1, h = (z' + q') / |z' + q'|,
 *   R^T dq = dq - 2 h (h.dq) + 2 z' (q'.dq);
 * norms below 1e-12 count as 1e-12. */
PRIMITIVE(rotate_backward, cost_rotate_backward(n, dim),
          (int64_t, n) (int64_t, dim) (dev_real, z) (dev_real, q) (dev_real, dq) (dev_real, dz))

/* What the picks of u[n,dim] give to the rows: sums[.,dim+1] at row index[i,k] += (weight[i,k] u[i], weight[i,k]), sums of
 * the vectors and, in the last column, counts; added in the order of i, then k. */
PRIMITIVE(sum_picks, cost_sum_picks(n, dim, top_k),
          (int64_t, n) (int64_t, dim) (int64_t, top_k) (dev_real, u) (struct picks, picks) (dev_real, sums))

/* Moving averages of such sums, and the rows that they make (struct ema): for each row j of sums, average [size,dim+1],
 *   average_j = decay average_j + (1 - decay) sums_j,   and with average_j = (m_j, N_j) and N = sum_j N_j,
 *   c_j = m_j / (N (N_j + epsilon) / (N + size epsilon)) where sums_j has a count above 0;
 * other rows of c [size,dim] stay: their m_j and N_j only shrink alike. */
PRIMITIVE(ema_rows, cost_ema_rows(e->size, e->dim),
          (const struct ema *, e) (dev_real, sums) (dev_real, average) (dev_real, c))

/* ---- losses: each adds its value to loss[0], and its gradients to those of da, db, dbias, dx that are not NULL, so that it can
 *      be evaluated without, and for constants. loss may be NULL ---- */
/* With p[i] = softmax over j of s[i,j] (struct cross_entropy): loss += weight sum_i weights[i] -log p[i,target[i]];
 * log_probability[n] (may be NULL) = log p[i,target[i]], 0 of ignored rows. The logits are made for a number of rows at a
 * time, never whole. da [n,dim], db [m,dim], dbias [m]. m and dim are at least 1. */
PRIMITIVE(cross_entropy, cost_cross_entropy(c, da.at != NULL, db.at != NULL, dbias.at != NULL),
          (const struct cross_entropy *, c) (dev_real, loss) (dev_real, log_probability) (dev_real, da) (dev_real, db)
          (dev_real, dbias))

/* With p[i] and g[i] the softmax over j of either similarities (struct softmax_divergence): loss += weight sum_i sum_j p[i,j]
 * log(p[i,j] / g[i,j]), Kullback and Leibler's divergence of g from p; 0 of a row that has no columns but the one it leaves out. The
 * logits are made for a number of rows at a time, never whole. */
PRIMITIVE(softmax_divergence, cost_softmax_divergence(d, to),
          (const struct softmax_divergence *, d) (dev_real, loss) (struct softmax_divergence_gradients, to))

/* loss += weight sum over the known labels of w (max(x,0) - x y + log(1 + e^-|x|)), with w = positive_weights where y is 1,
 * else 1: the cross-entropy of y and sigmoid(x), in the form that does not overflow. dx [rows,labels]. */
PRIMITIVE(bce, cost_bce(b, dx.at != NULL), (const struct bce *, b) (dev_real, loss) (dev_real, dx))

/* ---- optimiser: Adam on n values; the state is updated in place. constants[N_ADAM_CONSTANTS]: see adam_constants ---- */
PRIMITIVE(adam, cost_adam(n, adam.weight_decay != 0),
          (int64_t, n) (struct adam, adam) (dev_real, constants) (dev_real, gradient) (struct adam_state, state))

#undef PRIMITIVE
#undef ENTRY
/* clang-format on */
