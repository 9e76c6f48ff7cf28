/* Each layer: forward, then its backward, as neighbours. RUN is the device's table of primitives. */
#include "nn/layers.h"

#define RUN(tape)   ((tape)->device->run)
#define HAS_GRAD(v) ((v)->grad.at != NULL)
#define GRAD(v)     tape_grad(tape, v)

/* The gradient, for who overwrites it. */
static dev_real begin(struct tape *tape, struct var *v) {
    tape_grad_begun(tape, v);
    return v->grad;
}

/* ---- linear ---- */
struct linear_op {
    struct op op;
    struct var *x, *weight, *bias, *y;
};

static struct linear linear_map(const struct linear_op *l) {
    return (struct linear){.in = l->x->cols,
                           .out = l->y->cols,
                           .weight = l->weight->value,
                           .bias = l->bias ? l->bias->value : (dev_real){NULL}};
}

static void linear_backward(struct tape *tape, struct op *op) {
    struct linear_op *l = (struct linear_op *)op;
    struct linear map = linear_map(l);
    struct linear_gradients to = {.accumulate = HAS_GRAD(l->x) ? tape_grad_begun(tape, l->x) : 0, .dx = l->x->grad};
    if (HAS_GRAD(l->weight)) to.dweight = GRAD(l->weight);
    if (l->bias && HAS_GRAD(l->bias)) to.dbias = GRAD(l->bias);
    RUN(tape)->linear_backward(tape->device, &map, l->x->rows, l->x->value, GRAD(l->y), to);
}

struct var *nn_linear(struct tape *tape, struct var *x, struct var *weight, struct var *bias) {
    struct linear_op made = {.x = x, .weight = weight, .bias = bias, .y = tape_var(tape, x->rows, weight->rows)};
    struct linear map = linear_map(&made);
    if (tape->failed) return made.y;
    RUN(tape)->linear(tape->device, &map, x->rows, x->value, made.y->value);
    struct linear_op *l = tape_record(tape, sizeof *l, linear_backward);
    if (l) l->x = x, l->weight = weight, l->bias = bias, l->y = made.y;
    return made.y;
}

/* ---- bias, sum, relu ---- */
struct pair_op {
    struct op op;
    struct var *a, *b, *y;
};

static void add_bias_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    if (HAS_GRAD(p->b)) RUN(tape)->sum_rows(tape->device, p->a->rows, p->a->cols, GRAD(p->a), GRAD(p->b));
}

struct var *nn_add_bias(struct tape *tape, struct var *x, struct var *bias) {
    if (tape->failed) return x;
    RUN(tape)->add_bias(tape->device, x->rows, x->cols, bias->value, x->value);
    struct pair_op *p = tape_record(tape, sizeof *p, add_bias_backward);
    if (p) p->a = x, p->b = bias;
    return x;
}

static void add_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    if (HAS_GRAD(p->a))
        RUN(tape)->copy_matrix(tape->device, p->a->rows, p->a->cols, GRAD(p->b), p->a->cols, p->a->grad, p->a->cols,
                               tape_grad_begun(tape, p->a));
}

struct var *nn_add(struct tape *tape, struct var *a, struct var *b) {
    if (tape->failed) return b;
    RUN(tape)->axpy(tape->device, a->rows * a->cols, 1, a->value, b->value);
    struct pair_op *p = tape_record(tape, sizeof *p, add_backward);
    if (p) p->a = a, p->b = b;
    return b;
}

static void relu_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    if (HAS_GRAD(p->a))
        RUN(tape)->activate_backward(tape->device, ACTIVATION_RELU, p->a->rows * p->a->cols, p->a->value, GRAD(p->a),
                                     p->a->grad, 0);
}

struct var *nn_relu(struct tape *tape, struct var *x) {
    if (tape->failed) return x;
    RUN(tape)->activate(tape->device, ACTIVATION_RELU, x->rows * x->cols, x->value, x->value);
    struct pair_op *p = tape_record(tape, sizeof *p, relu_backward);
    if (p) p->a = x;
    return x;
}

/* ---- gather ---- */
struct gather_op {
    struct op op;
    struct var *table, *y;
    dev_int index;
};

static void gather_backward(struct tape *tape, struct op *op) {
    struct gather_op *g = (struct gather_op *)op;
    if (HAS_GRAD(g->table))
        RUN(tape)->scatter_add_rows(tape->device, g->y->rows, g->y->cols, GRAD(g->y), g->index, GRAD(g->table));
}

struct var *nn_gather(struct tape *tape, struct var *table, dev_int index, int64_t n) {
    struct var *y = HAS_GRAD(table) ? tape_var(tape, n, table->cols) : tape_constant(tape, n, table->cols);
    if (tape->failed) return y;
    RUN(tape)->gather_rows(tape->device, n, table->cols, table->value, index, y->value);
    struct gather_op *g = tape_record(tape, sizeof *g, gather_backward);
    if (g) g->table = table, g->y = y, g->index = index;
    return y;
}

/* ---- segments ---- */
struct segment_op {
    struct op op;
    struct var *x, *y;
    struct segments segments;
    struct dropout dropout;
};

static void segment_mean_backward(struct tape *tape, struct op *op) {
    struct segment_op *s = (struct segment_op *)op;
    if (HAS_GRAD(s->x))
        RUN(tape)->segment_mean_backward(tape->device, s->segments.rows, s->x->cols, GRAD(s->y), s->x->grad,
                                         tape_grad_begun(tape, s->x));
}

struct var *nn_segment_mean(struct tape *tape, struct var *x, struct segments segments) {
    struct var *y = tape_var(tape, segments.rows.n, x->cols);
    if (tape->failed) return y;
    RUN(tape)->segment_mean(tape->device, segments.rows, x->cols, x->value, y->value);
    struct segment_op *s = tape_record(tape, sizeof *s, segment_mean_backward);
    if (s) s->x = x, s->y = y, s->segments = segments;
    return y;
}

static void dropout_backward(struct tape *tape, struct op *op) {
    struct segment_op *s = (struct segment_op *)op;
    if (HAS_GRAD(s->x))
        RUN(tape)->dropout(tape->device, s->segments.rows, s->x->cols, s->segments.keys, s->dropout, GRAD(s->x),
                           s->x->grad, 0);
}

struct var *nn_dropout(struct tape *tape, struct var *x, struct segments segments, struct dropout dropout) {
    if (tape->evaluating || tape->failed || dropout.rate == 0) return x;
    RUN(tape)->dropout(tape->device, segments.rows, x->cols, segments.keys, dropout, x->value, x->value, 0);
    struct segment_op *s = tape_record(tape, sizeof *s, dropout_backward);
    if (s) s->x = x, s->segments = segments, s->dropout = dropout;
    return x;
}

/* ---- graph convolution's aggregation ---- */
struct gcn_op {
    struct op op;
    struct var *x, *y;
    struct graphs graphs;
    dev_real scale;
};

static void gcn_backward(struct tape *tape, struct op *op) {
    struct gcn_op *g = (struct gcn_op *)op;
    if (HAS_GRAD(g->x))
        RUN(tape)->gcn_aggregate_backward(tape->device, g->graphs.nodes.rows, g->graphs.edges, g->x->cols, g->scale,
                                          GRAD(g->y), g->x->grad, tape_grad_begun(tape, g->x));
}

struct var *nn_gcn_aggregate(struct tape *tape, struct var *x, struct graphs graphs) {
    struct var *y = tape_var(tape, x->rows, x->cols);
    dev_real scale = tape_reals(tape, graphs.nodes.rows.n_rows);
    if (tape->failed) return y;
    RUN(tape)->gcn_scale(tape->device, graphs.nodes.rows.n_rows, graphs.edges.offsets, scale);
    RUN(tape)->gcn_aggregate(tape->device, graphs.nodes.rows, graphs.edges, x->cols, scale, x->value, y->value);
    struct gcn_op *g = tape_record(tape, sizeof *g, gcn_backward);
    if (g) g->x = x, g->y = y, g->graphs = graphs, g->scale = scale;
    return y;
}

/* ---- graph attention ---- */
static void head_dots_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    int64_t heads = p->y->cols;
    if (HAS_GRAD(p->a))
        RUN(tape)->head_dots_backward(tape->device, p->a->rows, heads, p->a->cols / heads, p->a->value, p->b->value,
                                      GRAD(p->y), GRAD(p->a), GRAD(p->b));
}

struct var *nn_head_dots(struct tape *tape, struct var *x, struct var *a, int64_t heads) {
    struct var *y = tape_var(tape, x->rows, heads);
    if (tape->failed) return y;
    RUN(tape)->head_dots(tape->device, x->rows, heads, x->cols / heads, x->value, a->value, y->value);
    struct pair_op *p = tape_record(tape, sizeof *p, head_dots_backward);
    if (p) p->a = x, p->b = a, p->y = y;
    return y;
}

struct graph_attention_op {
    struct op op;
    struct var *x, *source, *target, *y;
    struct graphs graphs;
    dev_real probs;
};

static void graph_attention_backward(struct tape *tape, struct op *op) {
    struct graph_attention_op *a = (struct graph_attention_op *)op;
    const struct graphs *g = &a->graphs;
    int64_t heads = a->source->cols;
    if (HAS_GRAD(a->x))
        RUN(tape)->graph_attention_backward(tape->device, g->nodes.rows, g->edges, heads, a->x->cols / heads,
                                            a->source->value, a->target->value, a->x->value, a->probs, GRAD(a->y),
                                            GRAD(a->source), GRAD(a->target), GRAD(a->x));
}

struct var *nn_graph_attention(struct tape *tape, struct var *x, struct var *source, struct var *target,
                               struct graphs graphs) {
    struct var *y = tape_var(tape, x->rows, x->cols);
    int64_t heads = source->cols;
    dev_real probs = tape_reals(tape, (graphs.nodes.rows.n_rows + graphs.edges.n) * heads);
    if (tape->failed) return y;
    RUN(tape)->graph_attention(tape->device, graphs.nodes.rows, graphs.edges, heads, x->cols / heads, source->value,
                               target->value, x->value, probs, y->value);
    struct graph_attention_op *a = tape_record(tape, sizeof *a, graph_attention_backward);
    if (a) a->x = x, a->source = source, a->target = target, a->y = y, a->graphs = graphs, a->probs = probs;
    return y;
}

/* ---- layer norm ---- */
struct layer_norm_op {
    struct op op;
    struct var *x, *gain, *bias, *y;
    struct norm norm;
};

static void layer_norm_backward(struct tape *tape, struct op *op) {
    struct layer_norm_op *l = (struct layer_norm_op *)op;
    struct norm_gradients to = {.accumulate = HAS_GRAD(l->x) ? tape_grad_begun(tape, l->x) : 0, .dx = l->x->grad};
    if (HAS_GRAD(l->gain)) to.dgain = GRAD(l->gain);
    if (HAS_GRAD(l->bias)) to.dbias = GRAD(l->bias);
    RUN(tape)->norm_backward(tape->device, &l->norm, GRAD(l->y), to);
}

struct var *nn_layer_norm(struct tape *tape, struct var *x, struct var *gain, struct var *bias) {
    struct var *y = tape_var(tape, x->rows, x->cols);
    struct norm norm = {.rows = x->rows, .cols = x->cols, .center = 1, .epsilon = 1e-5, .x = x->value};
    norm.gain = gain->value, norm.bias = bias->value;
    norm.mean = tape_reals(tape, x->rows), norm.rstd = tape_reals(tape, x->rows);
    if (tape->failed) return y;
    RUN(tape)->norm(tape->device, &norm, y->value);
    struct layer_norm_op *l = tape_record(tape, sizeof *l, layer_norm_backward);
    if (l) l->x = x, l->gain = gain, l->bias = bias, l->y = y, l->norm = norm;
    return y;
}

/* ---- attention ---- */
struct attention_op {
    struct op op;
    struct var *q, *kv, *y;
    struct segments queries, keys;
    struct attention_pairs pairs;
    dev_real probs;
    int64_t heads;
    struct dropout dropout;
};

static void attention_backward(struct tape *tape, struct op *op) {
    struct attention_op *a = (struct attention_op *)op;
    int accumulate = a->q->begun || a->kv->begun; /* then both begin as zero */
    if (accumulate) GRAD(a->q), GRAD(a->kv);
    RUN(tape)->attention_backward(tape->device, a->queries.rows, a->keys.rows, a->pairs, a->heads, a->q->cols,
                                  a->queries.keys, a->dropout, a->q->value, a->kv->value, a->probs, GRAD(a->y),
                                  begin(tape, a->q), begin(tape, a->kv), accumulate);
}

struct var *nn_attention(struct tape *tape, struct var *q, struct segments queries, struct var *kv,
                         struct segments keys, struct attention_pairs pairs, int64_t heads, struct dropout dropout) {
    struct var *y = tape_var(tape, q->rows, q->cols);
    dev_real probs = tape_reals(tape, pairs.n * heads);
    if (tape->failed) return y;
    if (tape->evaluating) dropout.rate = 0;
    RUN(tape)->attention(tape->device, queries.rows, keys.rows, pairs, heads, q->cols, queries.keys, dropout, q->value,
                         kv->value, probs, y->value);
    struct attention_op *a = tape_record(tape, sizeof *a, attention_backward);
    if (a) {
        a->q = q, a->kv = kv, a->y = y, a->queries = queries, a->keys = keys;
        a->pairs = pairs, a->probs = probs, a->heads = heads, a->dropout = dropout;
    }
    return y;
}

/* ---- attention of one query row, keys and values shared by the heads ---- */
struct shared_attention_op {
    struct op op;
    struct var *q, *x, *y, *sums;
    struct segments keys;
    dev_real probs;
    int64_t heads;
    double scale;
    struct dropout dropout;
};

static void shared_attention_backward(struct tape *tape, struct op *op) {
    struct shared_attention_op *a = (struct shared_attention_op *)op;
    RUN(tape)->shared_attention_backward(tape->device, a->keys.rows, a->heads, a->x->cols, a->scale, a->keys.keys,
                                         a->dropout, a->q->value, a->x->value, a->probs, GRAD(a->y), GRAD(a->sums),
                                         GRAD(a->q), GRAD(a->x));
}

struct var *nn_shared_attention(struct tape *tape, struct var *q, struct var *x, struct segments keys, int64_t heads,
                                double scale, struct dropout dropout, struct var **sums) {
    struct var *y = tape_var(tape, q->rows, q->cols);
    dev_real probs = tape_reals(tape, keys.rows.n_rows * heads);
    *sums = tape_var(tape, q->rows, heads);
    if (tape->failed) return y;
    if (tape->evaluating) dropout.rate = 0;
    RUN(tape)->shared_attention(tape->device, keys.rows, heads, x->cols, scale, keys.keys, dropout, q->value, x->value,
                                probs, y->value, (*sums)->value);
    struct shared_attention_op *a = tape_record(tape, sizeof *a, shared_attention_backward);
    if (a) {
        a->q = q, a->x = x, a->y = y, a->sums = *sums, a->keys = keys, a->probs = probs;
        a->heads = heads, a->scale = scale, a->dropout = dropout;
    }
    return y;
}

/* ---- linear maps head by head ---- */
struct head_linear_op {
    struct op op;
    struct var *x, *weight, *y;
    int64_t heads;
};

/* Head h of an operand with the heads side by side in its rows, and of one with them one below the other. */
static struct matrices beside(dev_real x, int64_t heads, int64_t cols) {
    return (struct matrices){x, heads * cols, cols};
}

static struct matrices below(dev_real x, int64_t rows, int64_t cols) { return (struct matrices){x, cols, rows * cols}; }

static void head_linear_backward(struct tape *tape, struct op *op) {
    struct head_linear_op *l = (struct head_linear_op *)op;
    int64_t heads = l->heads, rows = l->x->rows, in = l->weight->cols, out = l->weight->rows / heads;
    int begun = tape_grad_begun(tape, l->x);
    struct matrices dy = beside(GRAD(l->y), heads, out);
    RUN(tape)->gemm_batch(tape->device, heads, 0, 0, rows, in, out, 1, dy, below(l->weight->value, out, in), begun,
                          beside(l->x->grad, heads, in));
    RUN(tape)->gemm_batch(tape->device, heads, 1, 0, out, in, rows, 1, dy, beside(l->x->value, heads, in), 1,
                          below(GRAD(l->weight), out, in));
}

struct var *nn_head_linear(struct tape *tape, struct var *x, struct var *weight, int64_t heads) {
    int64_t in = weight->cols, out = weight->rows / heads;
    struct var *y = tape_var(tape, x->rows, weight->rows);
    if (tape->failed) return y;
    RUN(tape)->gemm_batch(tape->device, heads, 0, 1, x->rows, out, in, 1, beside(x->value, heads, in),
                          below(weight->value, out, in), 0, beside(y->value, heads, out));
    struct head_linear_op *l = tape_record(tape, sizeof *l, head_linear_backward);
    if (l) l->x = x, l->weight = weight, l->y = y, l->heads = heads;
    return y;
}

static void head_linear_transposed_backward(struct tape *tape, struct op *op) {
    struct head_linear_op *l = (struct head_linear_op *)op;
    int64_t heads = l->heads, rows = l->x->rows, in = l->weight->cols, out = l->weight->rows / heads;
    int begun = tape_grad_begun(tape, l->x);
    struct matrices dy = beside(GRAD(l->y), heads, in);
    RUN(tape)->gemm_batch(tape->device, heads, 0, 1, rows, out, in, 1, dy, below(l->weight->value, out, in), begun,
                          beside(l->x->grad, heads, out));
    RUN(tape)->gemm_batch(tape->device, heads, 1, 0, out, in, rows, 1, beside(l->x->value, heads, out), dy, 1,
                          below(GRAD(l->weight), out, in));
}

struct var *nn_head_linear_transposed(struct tape *tape, struct var *x, struct var *weight, int64_t heads) {
    int64_t in = weight->cols, out = weight->rows / heads;
    struct var *y = tape_var(tape, x->rows, heads * in);
    if (tape->failed) return y;
    RUN(tape)->gemm_batch(tape->device, heads, 0, 0, x->rows, in, out, 1, beside(x->value, heads, out),
                          below(weight->value, out, in), 0, beside(y->value, heads, in));
    struct head_linear_op *l = tape_record(tape, sizeof *l, head_linear_transposed_backward);
    if (l) l->x = x, l->weight = weight, l->y = y, l->heads = heads;
    return y;
}

/* Products with one column (scale) and one row (bias). */
static void add_scaled_bias_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    int64_t rows = p->y->rows, heads = p->a->cols, cols = p->y->cols / heads;
    struct matrices dy = beside(GRAD(p->y), heads, cols);
    RUN(tape)->gemm_batch(tape->device, heads, 0, 1, rows, 1, cols, 1, dy, below(p->b->value, 1, cols), 1,
                          beside(GRAD(p->a), heads, 1));
    RUN(tape)->gemm_batch(tape->device, heads, 1, 0, 1, cols, rows, 1, beside(p->a->value, heads, 1), dy, 1,
                          below(GRAD(p->b), 1, cols));
}

struct var *nn_add_scaled_bias(struct tape *tape, struct var *y, struct var *scale, struct var *bias) {
    int64_t heads = scale->cols, cols = y->cols / heads;
    if (tape->failed) return y;
    RUN(tape)->gemm_batch(tape->device, heads, 0, 0, y->rows, cols, 1, 1, beside(scale->value, heads, 1),
                          below(bias->value, 1, cols), 1, beside(y->value, heads, cols));
    struct pair_op *p = tape_record(tape, sizeof *p, add_scaled_bias_backward);
    if (p) p->a = scale, p->b = bias, p->y = y;
    return y;
}

/* ---- l2 normalisation ---- */
struct normalize_op {
    struct op op;
    struct var *x, *y;
    dev_real norm;
};

static void normalize_backward(struct tape *tape, struct op *op) {
    struct normalize_op *n = (struct normalize_op *)op;
    if (HAS_GRAD(n->x))
        RUN(tape)->l2_normalize_backward(tape->device, n->x->rows, n->x->cols, n->y->value, n->norm, GRAD(n->y),
                                         GRAD(n->x));
}

struct var *nn_l2_normalize(struct tape *tape, struct var *x) {
    struct var *y = tape_var(tape, x->rows, x->cols);
    dev_real norm = tape_reals(tape, x->rows);
    if (tape->failed) return y;
    RUN(tape)->l2_normalize(tape->device, x->rows, x->cols, x->value, y->value, norm);
    struct normalize_op *n = tape_record(tape, sizeof *n, normalize_backward);
    if (n) n->x = x, n->y = y, n->norm = norm;
    return y;
}

/* ---- concatenation of columns ---- */
static void concat_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    int64_t rows = p->y->rows, cols = p->y->cols, left = p->a->cols;
    if (HAS_GRAD(p->a))
        RUN(tape)->copy_matrix(tape->device, rows, left, GRAD(p->y), cols, p->a->grad, left,
                               tape_grad_begun(tape, p->a));
    if (HAS_GRAD(p->b))
        RUN(tape)->copy_matrix(tape->device, rows, cols - left, dev_real_at(GRAD(p->y), left), cols, p->b->grad,
                               cols - left, tape_grad_begun(tape, p->b));
}

struct var *nn_concat(struct tape *tape, struct var *a, struct var *b) {
    int64_t left = a->cols, cols = a->cols + b->cols;
    struct var *y = tape_var(tape, a->rows, cols);
    if (tape->failed) return y;
    RUN(tape)->copy_matrix(tape->device, a->rows, left, a->value, left, y->value, cols, 0);
    RUN(tape)->copy_matrix(tape->device, a->rows, b->cols, b->value, b->cols, dev_real_at(y->value, left), cols, 0);
    struct pair_op *p = tape_record(tape, sizeof *p, concat_backward);
    if (p) p->a = a, p->b = b, p->y = y;
    return y;
}
