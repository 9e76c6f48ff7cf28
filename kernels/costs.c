/* The formulas of costs.h. Where a number stands before a size, a comment says which operations or operands it counts. */
#include "costs.h"

static struct work work(double flops, double reals, double ints) {
    return (struct work){
        .flops = flops, .bytes = reals * (double)sizeof(real) + ints * (double)sizeof(int32_t), .calls = 1};
}

static double product(int64_t a, int64_t b) { return (double)a * (double)b; }

/* Softmax of one logit: times the scale, minus the largest, exponential, sum, over the sum. */
enum { SOFTMAX = 5 };
/* Its backward, from dp: the mean p.dp, then p (dp - mean), times the scale. */
enum { SOFTMAX_BACKWARD = 5 };

/* ---- vectors: operations, and operands read or written, for each value ---- */
#define EACH_VALUE(name, flops, operands)                                                                              \
    struct work cost_##name(int64_t n) {                                                                               \
        return work((double)(flops)*n, (double)(operands)*n, 0);                                                       \
    }
EACH_VALUE(fill, 0, 1)
EACH_VALUE(axpy, 2, 3)
EACH_VALUE(blend, 3, 3)
EACH_VALUE(dot, 2, 2)
EACH_VALUE(squared_distance, 3, 2)
EACH_VALUE(squared_distance_backward, 3, 4)
EACH_VALUE(norm_loss, 3, 2)

/* ---- matrices ---- */
struct work cost_gemm(int64_t m, int64_t n, int64_t k, int accumulate) {
    return work(2 * product(m, n) * k, product(m, k) + product(k, n) + product(m, n) * (accumulate ? 2 : 1), 0);
}

struct work cost_gemm_batch(int64_t count, int64_t m, int64_t n, int64_t k, int accumulate) {
    struct work one = cost_gemm(m, n, k, accumulate);
    return (struct work){.flops = (double)count * one.flops, .bytes = (double)count * one.bytes, .calls = 1};
}

struct work cost_add_bias(int64_t rows, int64_t cols) {
    double n = product(rows, cols);
    return work(n, 2 * n + cols, 0);
}

struct work cost_sum_rows(int64_t rows, int64_t cols) {
    double n = product(rows, cols);
    return work(n, n + 2.0 * cols, 0);
}

struct work cost_copy_matrix(int64_t rows, int64_t cols, int accumulate) {
    double n = product(rows, cols);
    return work(accumulate ? n : 0, (accumulate ? 3 : 2) * n, 0);
}

struct work cost_l2_normalize(int64_t rows, int64_t cols) {
    double n = product(rows, cols);
    return work(3 * n, 2 * n + rows, 0);
}

struct work cost_l2_normalize_backward(int64_t rows, int64_t cols) {
    double n = product(rows, cols);
    return work(6 * n, 4 * n + rows, 0); /* y.dy; y times it, subtracted, divided, added */
}

struct work cost_norm(const struct norm *n) {
    double size = product(n->rows, n->cols);
    int residual = n->residual.at != NULL, kept = residual && n->sum.at, gain = n->gain.at != NULL;
    int bias = n->bias.at != NULL, statistics = (n->mean.at != NULL) + (n->rstd.at != NULL);
    /* The sum 1; the mean 1 and two differences from it; square, sum; times rstd; gain; bias. */
    return work((3 + residual + (n->center ? 3 : 0) + gain + bias) * size,
                (2 + residual + kept) * size + (double)statistics * n->rows + (double)(gain + bias) * n->cols, 0);
}

struct work cost_norm_backward(const struct norm *n, struct norm_gradients to) {
    double size = product(n->rows, n->cols);
    int dx = to.dx.at != NULL, gain = n->gain.at != NULL, sums = (to.dgain.at != NULL) + (to.dbias.at != NULL);
    double flops = 0, operands = 2; /* s, dy */
    /* (s - mean) rstd: 1 or 2; dy gain: 1; the mean of its product with that: 2, and its own: 1; dx: 3, and 1 for that mean. */
    if (dx || to.dgain.at) flops += n->center ? 2 : 1;
    if (dx) flops += gain + (n->center ? 7 : 5) + (to.accumulate ? 1 : 0), operands += to.accumulate ? 2 : 1;
    if (to.dgain.at) flops += 2;
    if (to.dbias.at) flops += 1;
    return work(flops * size,
                operands * size + (n->center ? 2.0 : 1.0) * n->rows + (double)((dx && gain) + 2 * sums) * n->cols, 0);
}

/* ---- activations and linear maps ---- */
/* Operations of f(x). */
static double activation_flops(enum activation f) {
    switch (f) {
        case ACTIVATION_LEAKY_RELU: return 1;
        case ACTIVATION_TANH: return 1;
        case ACTIVATION_SIGMOID: return 3;
        case ACTIVATION_GELU: return 5;      /* x/2 (1 + erf(x/sqrt 2)) */
        case ACTIVATION_GELU_TANH: return 9; /* x/2 (1 + tanh(a (x + b x^3))) */
        case ACTIVATION_SILU: return 3;
        default: return 0;
    }
}

/* Operations of f'(x) dy. */
static double slope_flops(enum activation f) {
    switch (f) {
        case ACTIVATION_LEAKY_RELU: return 1;
        case ACTIVATION_TANH: return 3;
        case ACTIVATION_SIGMOID: return 3;
        case ACTIVATION_GELU: return 11;      /* 1/2 + 1/2 erf(x/sqrt 2) + x a exp(-x^2/2) */
        case ACTIVATION_GELU_TANH: return 17; /* s + x s (1 - s) u', with u and s in 8 and u' in 4 */
        case ACTIVATION_SILU: return 8;       /* s + x s (1 - s) */
        default: return 0;
    }
}

struct work cost_activate(enum activation f, int64_t n) {
    return work(activation_flops(f) * (double)n, 2.0 * n, 0);
}

struct work cost_activate_backward(enum activation f, int64_t n, int accumulate) {
    return work((slope_flops(f) + (accumulate ? 1 : 0)) * (double)n, (accumulate ? 4.0 : 3.0) * n, 0);
}

struct work cost_glu(const struct glu *g) {
    return work((activation_flops(g->f) + 1) * (double)g->n, 3.0 * g->n, 0);
}

struct work cost_glu_backward(const struct glu *g, struct glu_gradients to) {
    int dgate = to.dgate.at != NULL, dup = to.dup.at != NULL, added = to.accumulate ? 1 : 0;
    double flops = (dup ? activation_flops(g->f) + 1 + added : 0) + (dgate ? slope_flops(g->f) + 1 + added : 0);
    return work(flops * (double)g->n, (2.0 + dgate + (dgate + dup) * (1 + added)) * g->n,
                0); /* dy, gate; up for dgate */
}

static double weight_bytes(const struct linear *map) {
    return product(map->in, map->out) * (map->packed ? map->packed->weight_bytes : (double)sizeof(real));
}

struct work cost_linear(const struct linear *map, int64_t rows) {
    double y = product(rows, map->out);
    int bias = map->bias.at != NULL, added = map->accumulate ? 1 : 0;
    struct work w = work(2 * y * map->in + y * (bias + added + activation_flops(map->f)),
                         product(rows, map->in) + (1 + added) * y + (double)bias * map->out, 0);
    w.bytes += weight_bytes(map);
    return w;
}

struct work cost_linear_backward(const struct linear *map, int64_t rows, struct linear_gradients to) {
    double x = product(rows, map->in), y = product(rows, map->out), weights = product(map->in, map->out);
    struct work w = work(0, y, 0); /* dy, once for all */
    if (to.dx.at) {
        work_add(&w, 1, work(2 * y * map->in, x * (to.accumulate ? 2 : 1), 0));
        w.bytes += weight_bytes(map);
    }
    if (to.dweight.at) work_add(&w, 1, work(2 * y * map->in, x + 2 * weights, 0));
    if (to.dbias.at) work_add(&w, 1, work(y, 2.0 * map->out, 0));
    w.calls = 1;
    return w;
}

/* ---- rows and segments ---- */
struct work cost_gather_rows(int64_t n, int64_t cols) {
    return work(0, 2 * product(n, cols), n);
}
struct work cost_gather_halves(int64_t n, int64_t cols) {
    struct work half = work(0, product(n, cols), n);
    half.bytes += product(n, cols) * (double)sizeof(uint16_t);
    return half;
}
struct work cost_scatter_add_rows(int64_t n, int64_t cols) {
    return work(product(n, cols), 3 * product(n, cols), n);
}

/* Indices, weights and offsets of a bag's items. */
static struct work bag_work(const struct bag *b, double flops, double reals) {
    double items = (double)b->items.n_rows;
    return work(flops, reals + (b->weight.at ? items : 0), items + (b->items.offsets.at ? b->items.n + 1.0 : 0));
}

struct work cost_bag(const struct bag *b, int accumulate) {
    double items = product(b->items.n_rows, b->cols), sums = product(b->items.n, b->cols);
    return bag_work(b, (b->weight.at ? 2 : 1) * items, items + (accumulate ? 2 : 1) * sums);
}

struct work cost_bag_backward(const struct bag *b, int of_table, int of_weight) {
    double items = product(b->items.n_rows, b->cols), sums = product(b->items.n, b->cols);
    return bag_work(
        b, ((of_table ? (b->weight.at ? 2 : 1) : 0) + (of_weight ? 2 : 0)) * items,
        ((of_table ? 2 : 0) + (of_weight ? 1 : 0)) * items + sums + (of_weight ? 2.0 * (double)b->items.n_rows : 0));
}

struct work cost_rope(const struct rope *r) {
    double pairs = product(r->rows, r->heads) * (double)(r->head_dim / 2);
    /* Of a pair: four products, two sums; of a pair of all heads: the angle, sine and cosine. */
    return work(6 * pairs + 3 * product(r->rows, r->head_dim / 2), 4 * pairs, r->rows);
}

struct work cost_segment_mean(struct ragged rows, int64_t cols) {
    double n = product(rows.n_rows, cols) + product(rows.n, cols);
    return work(n, n, rows.n + 1);
}

struct work cost_segment_mean_backward(struct ragged rows, int64_t cols, int accumulate) {
    double in = product(rows.n, cols), out = product(rows.n_rows, cols);
    return work(in + (accumulate ? out : 0), in + (accumulate ? 2 : 1) * out, rows.n + 1);
}

struct work cost_dropout(struct ragged rows, int64_t cols, int accumulate) {
    double n = product(rows.n_rows, cols);
    return work((accumulate ? 2 : 1) * n, (accumulate ? 3 : 2) * n, 2.0 * rows.n + 1);
}

/* ---- graphs ---- */
struct work cost_gcn_scale(int64_t n_nodes) {
    return work(3.0 * n_nodes, n_nodes, n_nodes + 1);
}

static double edge_ints(struct ragged nodes, struct edges edges) { return (double)(nodes.n_rows + 1 + edges.n); }

struct work cost_gcn_aggregate(struct ragged nodes, struct edges edges, int64_t cols) {
    double n = product(nodes.n_rows, cols);
    return work(2 * product(edges.n, cols) + 2 * n, 2 * n + nodes.n_rows, edge_ints(nodes, edges));
}

struct work cost_gcn_aggregate_backward(struct ragged nodes, struct edges edges, int64_t cols, int accumulate) {
    double n = product(nodes.n_rows, cols);
    return work(2 * product(edges.n, cols) + (accumulate ? 3 : 2) * n, (accumulate ? 3 : 2) * n + nodes.n_rows,
                edge_ints(nodes, edges));
}

struct work cost_head_dots(int64_t rows, int64_t heads, int64_t cols) {
    double width = product(heads, cols);
    return work(2 * rows * width, rows * width + width + product(rows, heads), 0);
}

struct work cost_head_dots_backward(int64_t rows, int64_t heads, int64_t cols) {
    double width = product(heads, cols);
    return work(4 * rows * width, 3 * rows * width + 3 * width + product(rows, heads), 0);
}

/* A node and its neighbours: each edge, and the node itself. */
struct work cost_graph_attention(struct ragged nodes, struct edges edges, int64_t heads, int64_t cols) {
    double pairs = product(nodes.n_rows + edges.n, heads), n = product(nodes.n_rows, heads);
    /* A pair's logit is a sum and the slope of LeakyReLU instead of softmax's scale. */
    return work(pairs * (2.0 * cols + 1 + SOFTMAX), n * (2.0 * cols + 2) + pairs, edge_ints(nodes, edges));
}

struct work cost_graph_attention_backward(struct ragged nodes, struct edges edges, int64_t heads, int64_t cols) {
    double pairs = product(nodes.n_rows + edges.n, heads), n = product(nodes.n_rows, heads);
    /* Of a pair: dy.x and dx; the logit's sign; softmax; dsource and dtarget. Of a node: x, dy, dx twice; source, target and
     * their gradients twice. */
    return work(pairs * (4.0 * cols + 1 + SOFTMAX_BACKWARD + 2), n * (4.0 * cols + 6) + pairs, edge_ints(nodes, edges));
}

/* ---- attention ---- */
/* Both ends of each segment of queries and keys, the index of the keys, kinds, and the keys of dropout. */
static double attention_ints(const struct attention *a) {
    double types = a->types.n_types > 0 ? 2.0 * a->queries.n_rows : 0;
    return 2.0 * (a->queries.n + 1) + (a->key_index.at ? a->keys.n_rows : 0) + types +
           (a->dropout.rate > 0 ? a->queries.n : 0);
}

/* Of a query and a key that it sees, head by head. */
static double attention_pairs(const struct attention *a) {
    double n = (double)a->n_pairs;
    if (n == 0 && a->queries.n > 0) {
        n = product(a->queries.n_rows, a->keys.n_rows) / (double)a->queries.n;
        if (a->causal && a->queries.n_rows > a->queries.n) n /= 2;
    }
    return n * (double)a->heads;
}

/* Values in q and its like; and in k or v. */
static double query_values(const struct attention *a) { return product(a->queries.n_rows, a->heads * a->head_dim); }
static double key_values(const struct attention *a) {
    double n = product(a->keys.n_rows, a->kv_heads * a->head_dim);
    return a->k.at == a->v.at ? n : 2 * n;
}

/* What types add to the logit of a pair, and the products that queries bring for it. */
static double type_operations(const struct attention *a) {
    return (a->types.bias.at != NULL) + 2.0 * (a->types.dots.at != NULL);
}
static double dot_values(const struct attention *a) {
    return a->types.dots.at ? product(a->queries.n_rows, a->heads * a->types.n_types) : 0;
}

struct work cost_attention(const struct attention *a, int with_sums) {
    double rows = product(a->queries.n_rows, a->heads);
    double of_pair = 4.0 * (double)a->head_dim + SOFTMAX + (a->dropout.rate > 0) + type_operations(a) + with_sums;
    return work(attention_pairs(a) * of_pair,
                2 * query_values(a) + key_values(a) + rows * ((a->stats.at ? 2 : 0) + with_sums) + dot_values(a),
                attention_ints(a));
}

/* Products: the logits once more, dout.v, dq, dk, dv. What is added to counts twice. */
struct work cost_attention_backward(const struct attention *a, const struct attention_gradients *g) {
    double rows = product(a->queries.n_rows, a->heads), with_sums = g->dsums.at != NULL;
    double products = 2 + (g->dq.at != NULL) + (g->dk.at != NULL) + (g->dv.at != NULL);
    double of_pair = 2 * products * (double)a->head_dim + SOFTMAX + SOFTMAX_BACKWARD + 2 * (a->dropout.rate > 0) +
                     type_operations(a) + (g->ddots.at != NULL) + with_sums;
    double dq = g->dq.at ? 1 + g->add_q : 0, dkv = g->dk.at || g->dv.at ? 1 + g->add_kv : 0;
    return work(attention_pairs(a) * of_pair,
                (3 + dq) * query_values(a) + (1 + dkv) * key_values(a) + rows * (2 + 2 * with_sums) +
                    (g->ddots.at ? 3 : 1) * dot_values(a),
                attention_ints(a));
}

/* ---- quantiser ---- */
struct work cost_quantize(int64_t n, int64_t dim, int64_t candidates, int64_t top_k) {
    double picks = product(n, top_k);
    return work(2 * product(n, candidates) * dim + picks * (2.0 * dim + SOFTMAX),
                2 * product(n, dim) + product(candidates, dim) + picks, picks);
}

struct work cost_quantize_backward(int64_t n, int64_t dim, int64_t top_k, int codebook) {
    double picks = product(n, top_k), pick_values = picks * dim;
    /* Of a pick's values: dq.c 2; du: c - u, scaled, added 3; dc: w dq + s (u - c), added 5. */
    return work(pick_values * (codebook ? 10 : 5) + picks * SOFTMAX_BACKWARD,
                4 * product(n, dim) + pick_values * (codebook ? 3 : 1) + picks, picks);
}

struct work cost_quantize_residual(int64_t n, int64_t dim, int64_t candidates, int64_t top_k) {
    double picks = product(n, top_k), pick_values = picks * dim;
    /* Of a pick's values: w c taken from r 2; the sum of q 1 a value. */
    return work(2 * product(n, candidates) / (double)top_k * dim + pick_values * 2 + product(n, dim),
                2 * product(n, dim) + product(candidates, dim) + pick_values * 2 + picks, picks);
}

struct work cost_quantize_residual_backward(int64_t n, int64_t dim, int64_t top_k, int codebook) {
    double picks = product(n, top_k), pick_values = picks * dim;
    /* Of a pick's values: g.c 2; g - s c 2; dc: s r + w g, taken off 4. */
    return work(pick_values * (codebook ? 8 : 4) + 2 * product(n, dim),
                3 * product(n, dim) + pick_values * (codebook ? 4 : 1) + picks, picks);
}

struct work cost_quantize_sparse(int64_t n, int64_t dim, int64_t candidates, int64_t top_k) {
    double picks = product(n, top_k), m = candidates < SPARSE_ROWS ? (double)candidates : SPARSE_ROWS;
    /* The products of a vector's rows with each other, their inverse, and a row taken from it at a time. */
    double solved = m * m * (double)dim + 2 * m * m * m + 2 * m * m * (m - (double)top_k);
    return work(2 * product(n, candidates) * dim + (double)n * solved + picks * 2.0 * dim,
                2 * product(n, dim) + product(candidates, dim) + picks, picks);
}

struct work cost_quantize_sparse_backward(int64_t n, int64_t dim, int64_t top_k, int codebook) {
    double k = (double)top_k, picks = product(n, top_k), pick_values = picks * dim;
    /* Of a pick's values: q, dq.c and A s 2 each, with each other k; dc: w x + s r, added 4. The solution of k equations. */
    return work(pick_values * (codebook ? 10 + k : 6 + k) + (double)n * k * k * k,
                3 * product(n, dim) + pick_values * (codebook ? 3 : 1) + picks, picks);
}

struct work cost_rotate_backward(int64_t n, int64_t dim) {
    /* The norms of z, q and their sum 7; products with dq 4; the three terms and the scale 7; added 1. */
    return work(19 * product(n, dim), 5 * product(n, dim), 0);
}

struct work cost_sum_picks(int64_t n, int64_t dim, int64_t top_k) {
    double picks = product(n, top_k);
    return work(picks * (2.0 * dim + 1), product(n, dim) + picks * (2.0 * (dim + 1) + 1), picks);
}

struct work cost_ema_rows(int64_t size, int64_t dim) {
    double averages = product(size, dim + 1), rows = product(size, dim);
    return work(3 * averages + 6.0 * size + rows, 3 * averages + rows,
                0); /* N: 1; the smoothed count: 5; c: 1 a value */
}

/* ---- losses, optimiser ---- */
struct work cost_cross_entropy(const struct cross_entropy *c, int of_a, int of_b, int of_bias) {
    /* Logits and their bias; the two gradients that are wanted, added to; operands: a, b, bias. */
    double rows = product(c->n, c->dim), columns = product(c->m, c->dim), logits = product(c->n, c->m);
    double products = 2.0 * (1 + (of_a != 0) + (of_b != 0)) * (double)c->dim;
    return work(logits * (products + SOFTMAX + (c->bias.at ? 1 : 0) + (of_bias ? 1 : 0)),
                (of_a ? 3 : 1) * rows + (of_b ? 3 : 1) * columns + (c->bias.at ? c->m : 0) + (of_bias ? 2 * c->m : 0) +
                    (c->weights.at ? c->n : 0),
                (c->row_class.at ? c->n + c->m : 0) + (c->target.at ? c->n : 0));
}

/* One product for the logits, one for each gradient; each side read, a gradient read and written too. */
static void add_similarities(const struct softmax_divergence *d, const struct similarities *s, dev_real rows,
                             dev_real columns, double *flops, double *reals) {
    double of_rows = rows.at ? 1 : 0, of_columns = columns.at ? 1 : 0;
    *flops += 2.0 * (1 + of_rows + of_columns) * product(d->n, d->m) * (double)s->dim;
    *reals += (1 + 2 * of_rows) * product(d->n, s->dim) + (1 + 2 * of_columns) * product(d->m, s->dim);
}

struct work cost_softmax_divergence(const struct softmax_divergence *d, struct softmax_divergence_gradients to) {
    int gradient = to.p_rows.at || to.p_columns.at || to.g_rows.at || to.g_columns.at;
    double flops = 0, reals = 0;
    add_similarities(d, &d->p, to.p_rows, to.p_columns, &flops, &reals);
    add_similarities(d, &d->g, to.g_rows, to.g_columns, &flops, &reals);
    if (d->p.columns.at == d->g.columns.at) reals -= (to.p_columns.at ? 3 : 1) * product(d->m, d->p.dim);
    /* Of a pair of logits: two softmaxes; their log-ratio 3, times p, summed 2; of the gradients 3. */
    return work(flops + product(d->n, d->m) * (2 * SOFTMAX + 5 + (gradient ? 3 : 0)), reals, 0);
}

struct work cost_bce(const struct bce *b, int gradient) {
    double n = product(b->rows, b->labels);
    /* Exponential, 1 + e, logarithm, the three terms, sum 7; of the gradient: sigmoid, minus y, weight, added 4; the weight of
     * positives 1. */
    return work((7 + (gradient ? 4 : 0) + (b->positive_weights.at ? 1 : 0)) * n,
                (gradient ? 3 : 1) * n + (b->positive_weights.at ? b->labels : 0), n);
}

struct work cost_adam(int64_t n, int decay) {
    /* The scaled gradient 1, m 3, v 4; corrections 2, root, epsilon, ratio, rate, step 5; decay 2. */
    return work((decay ? 17.0 : 15.0) * n, 7.0 * n, 0);
}
