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
/* Of one value: mean; subtract, square, sum; subtract, divide, gain, bias. */
enum { LAYER_NORM = 8 };

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
EACH_VALUE(count_nonfinite, 0, 1)
EACH_VALUE(relu, 0, 2)
EACH_VALUE(relu_backward, 0, 3)

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

struct work cost_layer_norm(int64_t rows, int64_t cols) {
    double n = product(rows, cols);
    return work(LAYER_NORM * n, 2 * n + 2.0 * rows + 2.0 * cols, 0);
}

struct work cost_layer_norm_backward(int64_t rows, int64_t cols, int accumulate) {
    double n = product(rows, cols);
    /* (x - mean) rstd: 2; dy gain: 1; the means of it and of its product with x: 3; dx: 5; dgain: 2; dbias: 1. Operands: x,
     * dy, dx (twice to add to it); the gain, dgain and dbias twice. */
    return work((accumulate ? 14 : 13) * n, (accumulate ? 4 : 3) * n + 2.0 * rows + 5.0 * cols, 0);
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
    /* A pair's logit is a sum and the slope of LeakyReLU in the place of softmax's scale. */
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

struct work cost_attention(const struct attention *a, int with_sums) {
    double rows = product(a->queries.n_rows, a->heads);
    double of_pair =
        4.0 * (double)a->head_dim + SOFTMAX + (a->dropout.rate > 0) + (a->types.bias.at != NULL) + with_sums;
    return work(attention_pairs(a) * of_pair,
                2 * query_values(a) + key_values(a) + rows * ((a->stats.at ? 2 : 0) + with_sums), attention_ints(a));
}

/* Products: the logits once more, dout.v, dq, dk, dv. What is added to counts twice. */
struct work cost_attention_backward(const struct attention *a, const struct attention_gradients *g) {
    double rows = product(a->queries.n_rows, a->heads), with_sums = g->dsums.at != NULL;
    double products = 2 + (g->dq.at != NULL) + (g->dk.at != NULL) + (g->dv.at != NULL);
    double of_pair = 2 * products * (double)a->head_dim + SOFTMAX + SOFTMAX_BACKWARD + 2 * (a->dropout.rate > 0) +
                     (a->types.bias.at != NULL) + with_sums;
    double dq = g->dq.at ? 1 + g->add_q : 0, dkv = g->dk.at || g->dv.at ? 1 + g->add_kv : 0;
    return work(attention_pairs(a) * of_pair,
                (3 + dq) * query_values(a) + (1 + dkv) * key_values(a) + rows * (2 + 2 * with_sums), attention_ints(a));
}

/* ---- a frozen transformer ---- */
/* x/2 (1 + erf(x/sqrt 2)) and x/2 (1 + tanh(a (x + b x^3))). */
static double activation_flops(enum activation f) {
    return f == ACTIVATION_GELU ? 5 : f == ACTIVATION_GELU_TANH ? 9 : 0;
}

struct work cost_linear(int64_t rows, int64_t in, int64_t out, enum activation f,
                        enum precision_of_products precision) {
    struct work w = work(2 * product(rows, in) * out + product(rows, out) * (1 + activation_flops(f)),
                         product(rows, in) + product(rows, out) + out, 0);
    w.bytes += product(in, out) * (precision == PRODUCTS_BF16 ? 2 : (double)sizeof(real));
    return w;
}

struct work cost_embed_tokens(int64_t n, int64_t cols) {
    return work(product(n, cols), 3 * product(n, cols), 2.0 * n);
}

struct work cost_add_layer_norm(int64_t rows, int64_t cols, int residual) {
    double n = product(rows, cols);
    return work((LAYER_NORM + (residual ? 1 : 0)) * n, (residual ? 3 : 2) * n + 2.0 * cols, 0);
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
struct work cost_nce(int64_t n, int64_t m, int64_t dim, int classes) {
    /* Logits and two gradients; operands: a, da twice; b, db twice. */
    return work(product(n, m) * (6.0 * dim + SOFTMAX), 3 * product(n + m, dim), classes ? n + m : 0);
}

struct work cost_adam(int64_t n, int decay) {
    /* The scaled gradient 1, m 3, v 4; corrections 2, root, epsilon, ratio, rate, step 5; decay 2. */
    return work((decay ? 17.0 : 15.0) * n, 7.0 * n, 0);
}
