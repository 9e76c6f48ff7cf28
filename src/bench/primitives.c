/* One function an item: take the operands, call the primitive. See workbench.h for the passes. Long vectors are as the node
 * table, rows are nodes, tokens or codes of a batch; functions that add to an operand may do so again and again. */
#include "bench/primitives.h"

#include <math.h>

#include "lm/bert.h"

#define CALL(w, primitive, ...)                                                                                        \
    do {                                                                                                               \
        if ((w)->pass == PASS_RUN) (w)->device->run->primitive((w)->device, __VA_ARGS__);                              \
    } while (0)

typedef long long ll;

/* Small factors, so that what is added to again and again stays small. */
static const double SMALL = 1e-3;
static const struct dropout DROP_ATTENTION = {.rate = 0.1, .seed = 1, .stream = 2, .step = 3};

/* ---- vectors ---- */
static int64_t vector(struct workbench *w) {
    int64_t n = w->sizes.graph_nodes * w->sizes.node_dim;
    bench_shape(w, "%lld", (ll)n);
    return n;
}

static void fill(struct workbench *w) {
    int64_t n = vector(w);
    dev_real x = bench_reals(w, n);
    CALL(w, fill, n, 1, x);
}

static void axpy(struct workbench *w) {
    int64_t n = vector(w);
    dev_real x = bench_reals(w, n), y = bench_reals(w, n);
    CALL(w, axpy, n, SMALL, x, y);
}

static void blend(struct workbench *w) {
    int64_t n = vector(w);
    dev_real x = bench_reals(w, n), y = bench_reals(w, n);
    CALL(w, blend, n, w->keep, x, y);
}

static void dot(struct workbench *w) {
    int64_t n = vector(w);
    dev_real a = bench_reals(w, n), b = bench_reals(w, n), out = bench_reals(w, 1);
    CALL(w, dot, n, SMALL, a, b, out);
}

static void squared_distance(struct workbench *w) {
    int64_t n = vector(w);
    dev_real a = bench_reals(w, n), b = bench_reals(w, n), out = bench_reals(w, 1);
    CALL(w, squared_distance, n, SMALL, a, b, out);
}

static void squared_distance_backward(struct workbench *w) {
    int64_t n = vector(w);
    dev_real a = bench_reals(w, n), b = bench_reals(w, n), da = bench_reals(w, n);
    CALL(w, squared_distance_backward, n, SMALL, a, b, da);
}

static void norm_loss(struct workbench *w) {
    int64_t n = vector(w);
    dev_real x = bench_reals(w, n), loss = bench_reals(w, 1), dx = bench_reals(w, n);
    CALL(w, norm_loss, n, SMALL, x, loss, dx);
}

static void count_nonfinite(struct workbench *w) {
    int64_t n = vector(w);
    dev_real x = bench_reals(w, n), out = bench_reals(w, 1);
    CALL(w, count_nonfinite, n, x, out);
}

/* ---- matrices ---- */
/* The map of the text: y = x W^T. */
static void gemm(struct workbench *w) {
    int64_t m = w->texts.n_rows, n = w->sizes.dim, k = w->sizes.text_dim;
    dev_real a = bench_reals(w, m * k), b = bench_reals(w, n * k), c = bench_reals(w, m * n);
    bench_shape(w, "%lld x %lld x %lld", (ll)m, (ll)n, (ll)k);
    CALL(w, gemm, 0, 1, m, n, k, 1, a, k, b, k, 0, c, n);
}

/* The gradient of its weight: dW += dy^T x. */
static void gemm_gradient(struct workbench *w) {
    int64_t m = w->sizes.dim, n = w->sizes.text_dim, k = w->texts.n_rows;
    dev_real a = bench_reals(w, m * k), b = bench_reals(w, n * k), c = bench_reals(w, m * n);
    bench_shape(w, "%lld x %lld x %lld", (ll)m, (ll)n, (ll)k);
    CALL(w, gemm, 1, 0, m, n, k, SMALL, a, m, b, n, 1, c, n);
}

/* A projection head by head. */
static void gemm_batch(struct workbench *w) {
    int64_t heads = w->sizes.heads, m = w->sizes.batch, k = w->sizes.dim, n = k / heads;
    dev_real a = bench_reals(w, m * heads * k), b = bench_reals(w, heads * n * k), c = bench_reals(w, m * heads * n);
    bench_shape(w, "%lld of %lld x %lld x %lld", (ll)heads, (ll)m, (ll)n, (ll)k);
    CALL(w, gemm_batch, heads, 0, 1, m, n, k, 1, ((struct matrices){a, heads * k, k}), ((struct matrices){b, k, n * k}),
         0, ((struct matrices){c, heads * n, n}));
}

static int64_t node_rows(struct workbench *w, int64_t cols) {
    bench_shape(w, "%lld x %lld", (ll)w->graphs.n_rows, (ll)cols);
    return w->graphs.n_rows;
}

static void add_bias(struct workbench *w) {
    int64_t cols = w->sizes.hidden, rows = node_rows(w, cols);
    dev_real bias = bench_reals(w, cols), y = bench_reals(w, rows * cols);
    CALL(w, add_bias, rows, cols, bias, y);
}

static void sum_rows(struct workbench *w) {
    int64_t cols = w->sizes.hidden, rows = node_rows(w, cols);
    dev_real x = bench_reals(w, rows * cols), out = bench_reals(w, cols);
    CALL(w, sum_rows, rows, cols, x, out);
}

static void relu(struct workbench *w) {
    int64_t n = node_rows(w, w->sizes.hidden) * w->sizes.hidden;
    dev_real y = bench_reals(w, n);
    CALL(w, relu, n, y);
}

static void relu_backward(struct workbench *w) {
    int64_t n = node_rows(w, w->sizes.hidden) * w->sizes.hidden;
    dev_real y = bench_reals(w, n), dy = bench_reals(w, n);
    CALL(w, relu_backward, n, y, dy);
}

/* As in putting two vectors of a code side by side. */
static void copy_matrix(struct workbench *w) {
    int64_t cols = w->sizes.dim, rows = node_rows(w, cols);
    dev_real x = bench_reals(w, rows * cols), y = bench_reals(w, rows * 2 * cols);
    CALL(w, copy_matrix, rows, cols, x, cols, y, 2 * cols, 0);
}

static int64_t codebook_rows(struct workbench *w) {
    bench_shape(w, "%lld x %lld", (ll)w->sizes.codebook, (ll)w->sizes.dim);
    return w->sizes.codebook;
}

static void l2_normalize(struct workbench *w) {
    int64_t rows = codebook_rows(w), cols = w->sizes.dim;
    dev_real x = bench_reals(w, rows * cols), y = bench_reals(w, rows * cols), norm = bench_reals(w, rows);
    CALL(w, l2_normalize, rows, cols, x, y, norm);
}

static void l2_normalize_backward(struct workbench *w) {
    int64_t rows = codebook_rows(w), cols = w->sizes.dim;
    dev_real y = bench_unit_rows(w, rows, cols), norm = bench_positive(w, rows);
    dev_real dy = bench_reals(w, rows * cols), dx = bench_reals(w, rows * cols);
    CALL(w, l2_normalize_backward, rows, cols, y, norm, dy, dx);
}

static void layer_norm(struct workbench *w) {
    int64_t cols = w->sizes.dim, rows = node_rows(w, cols);
    dev_real x = bench_reals(w, rows * cols), gain = bench_reals(w, cols), bias = bench_reals(w, cols);
    dev_real y = bench_reals(w, rows * cols), mean = bench_reals(w, rows), rstd = bench_reals(w, rows);
    CALL(w, layer_norm, rows, cols, x, gain, bias, y, mean, rstd);
}

static void layer_norm_backward(struct workbench *w) {
    int64_t cols = w->sizes.dim, rows = node_rows(w, cols);
    dev_real x = bench_reals(w, rows * cols), gain = bench_reals(w, cols), mean = bench_reals(w, rows);
    dev_real rstd = bench_positive(w, rows), dy = bench_reals(w, rows * cols), dx = bench_reals(w, rows * cols);
    dev_real dgain = bench_reals(w, cols), dbias = bench_reals(w, cols);
    CALL(w, layer_norm_backward, rows, cols, x, gain, mean, rstd, dy, dx, dgain, dbias, 0);
}

/* ---- rows and segments ---- */
static void gather_rows(struct workbench *w) {
    int64_t cols = w->sizes.node_dim, n = node_rows(w, cols);
    dev_real table = bench_reals(w, w->sizes.graph_nodes * cols), out = bench_reals(w, n * cols);
    CALL(w, gather_rows, n, cols, table, w->node, out);
}

/* The text features of a batch, from those of all texts on a device; any bits will do. */
static void gather_halves(struct workbench *w) {
    int64_t cols = w->sizes.text_dim, n = w->texts.n_rows;
    dev_half table = {(uint16_t *)bench_reals(w, (BENCH_WORDS * cols + 1) / 2).at};
    dev_real out = bench_reals(w, n * cols);
    bench_shape(w, "%lld x %lld", (ll)n, (ll)cols);
    CALL(w, gather_halves, n, cols, table, w->word, out);
}

static void scatter_add_rows(struct workbench *w) {
    int64_t cols = w->sizes.node_dim, n = node_rows(w, cols);
    dev_real x = bench_reals(w, n * cols), table = bench_reals(w, w->sizes.graph_nodes * cols);
    CALL(w, scatter_add_rows, n, cols, x, w->node, table);
}

static void segment_mean(struct workbench *w) {
    int64_t cols = w->sizes.dim, rows = node_rows(w, cols);
    dev_real x = bench_reals(w, rows * cols), y = bench_reals(w, w->graphs.n * cols);
    CALL(w, segment_mean, w->graphs, cols, x, y);
}

static void segment_mean_backward(struct workbench *w) {
    int64_t cols = w->sizes.dim, rows = node_rows(w, cols);
    dev_real dy = bench_reals(w, w->graphs.n * cols), dx = bench_reals(w, rows * cols);
    CALL(w, segment_mean_backward, w->graphs, cols, dy, dx, 0);
}

static void dropout(struct workbench *w) {
    int64_t cols = w->sizes.dim, rows = node_rows(w, cols);
    dev_real x = bench_reals(w, rows * cols), y = bench_reals(w, rows * cols);
    CALL(w, dropout, w->graphs, cols, w->keys, DROP_ATTENTION, x, y, 0);
}

/* ---- graphs ---- */
static int64_t graph_rows(struct workbench *w, int64_t cols) {
    bench_shape(w, "%lld nodes, %lld edges x %lld", (ll)w->graphs.n_rows, (ll)w->edges.n, (ll)cols);
    return w->graphs.n_rows;
}

static void gcn_scale(struct workbench *w) {
    int64_t rows = graph_rows(w, 1);
    dev_real scale = bench_reals(w, rows);
    CALL(w, gcn_scale, rows, w->edges.offsets, scale);
}

static void gcn_aggregate(struct workbench *w) {
    int64_t cols = w->sizes.hidden, rows = graph_rows(w, cols);
    dev_real scale = bench_positive(w, rows), x = bench_reals(w, rows * cols), y = bench_reals(w, rows * cols);
    CALL(w, gcn_aggregate, w->graphs, w->edges, cols, scale, x, y);
}

static void gcn_aggregate_backward(struct workbench *w) {
    int64_t cols = w->sizes.hidden, rows = graph_rows(w, cols);
    dev_real scale = bench_positive(w, rows), dy = bench_reals(w, rows * cols), dx = bench_reals(w, rows * cols);
    CALL(w, gcn_aggregate_backward, w->graphs, w->edges, cols, scale, dy, dx, 0);
}

static int64_t head_rows(struct workbench *w) {
    bench_shape(w, "%lld nodes, %lld edges x %lld x %lld", (ll)w->graphs.n_rows, (ll)w->edges.n,
                (ll)w->sizes.graph_heads, (ll)w->sizes.hidden);
    return w->graphs.n_rows;
}

static void head_dots(struct workbench *w) {
    int64_t heads = w->sizes.graph_heads, cols = w->sizes.hidden, rows = head_rows(w);
    dev_real x = bench_reals(w, rows * heads * cols), a = bench_reals(w, heads * cols);
    dev_real out = bench_reals(w, rows * heads);
    CALL(w, head_dots, rows, heads, cols, x, a, out);
}

static void head_dots_backward(struct workbench *w) {
    int64_t heads = w->sizes.graph_heads, cols = w->sizes.hidden, rows = head_rows(w);
    dev_real x = bench_reals(w, rows * heads * cols), a = bench_reals(w, heads * cols);
    dev_real dout = bench_reals(w, rows * heads), dx = bench_reals(w, rows * heads * cols);
    dev_real da = bench_reals(w, heads * cols);
    CALL(w, head_dots_backward, rows, heads, cols, x, a, dout, dx, da);
}

static void graph_attention(struct workbench *w) {
    int64_t heads = w->sizes.graph_heads, cols = w->sizes.hidden, rows = head_rows(w);
    dev_real source = bench_reals(w, rows * heads), target = bench_reals(w, rows * heads);
    dev_real x = bench_reals(w, rows * heads * cols), probs = bench_reals(w, (rows + w->edges.n) * heads);
    dev_real y = bench_reals(w, rows * heads * cols);
    CALL(w, graph_attention, w->graphs, w->edges, heads, cols, source, target, x, probs, y);
}

static void graph_attention_backward(struct workbench *w) {
    int64_t heads = w->sizes.graph_heads, cols = w->sizes.hidden, rows = head_rows(w);
    dev_real source = bench_reals(w, rows * heads), target = bench_reals(w, rows * heads);
    dev_real x = bench_reals(w, rows * heads * cols), probs = bench_positive(w, (rows + w->edges.n) * heads);
    dev_real dy = bench_reals(w, rows * heads * cols), dsource = bench_reals(w, rows * heads);
    dev_real dtarget = bench_reals(w, rows * heads), dx = bench_reals(w, rows * heads * cols);
    CALL(w, graph_attention_backward, w->graphs, w->edges, heads, cols, source, target, x, probs, dy, dsource, dtarget,
         dx);
}

/* ---- attention ---- */
static int64_t graph_asks(struct workbench *w) {
    bench_shape(w, "%lld nodes to %lld tokens, %lld heads x %lld", (ll)w->graphs.n_rows, (ll)w->texts.n_rows,
                (ll)w->sizes.heads, (ll)w->sizes.dim / w->sizes.heads);
    return w->sizes.heads;
}

static void attention(struct workbench *w) {
    int64_t heads = graph_asks(w), dim = w->sizes.dim, rows = w->graphs.n_rows;
    dev_real q = bench_reals(w, rows * dim), kv = bench_reals(w, w->texts.n_rows * 2 * dim);
    dev_real probs = bench_reals(w, heads * w->pairs.n), out = bench_reals(w, rows * dim);
    CALL(w, attention, w->graphs, w->texts, w->pairs, heads, dim, w->keys, DROP_ATTENTION, q, kv, probs, out);
}

/* BERT's: each token asks those of its text; no gradient follows. */
static void attention_self(struct workbench *w) {
    int64_t dim = w->sizes.text_dim, heads = dim % 64 ? dim / 32 : dim / 64, rows = w->texts.n_rows;
    struct attention_pairs pairs = {0};
    dev_real q = bench_reals(w, rows * dim), kv = bench_reals(w, rows * 2 * dim), none = {NULL};
    dev_real out = bench_reals(w, rows * dim);
    for (int64_t i = 0; i < w->sizes.batch; i++) {
        int64_t n = bench_length(w->sizes.tokens, TEXT_LENGTHS, i);
        pairs.n += n * n;
    }
    bench_shape(w, "%lld tokens to their texts, %lld heads x %lld", (ll)rows, (ll)heads, (ll)(dim / heads));
    CALL(w, attention, w->texts, w->texts, pairs, heads, dim, w->keys, (struct dropout){0}, q, kv, none, out);
}

static void attention_backward(struct workbench *w) {
    int64_t heads = graph_asks(w), dim = w->sizes.dim, rows = w->graphs.n_rows, tokens = w->texts.n_rows;
    dev_real q = bench_reals(w, rows * dim), kv = bench_reals(w, tokens * 2 * dim);
    dev_real probs = bench_positive(w, heads * w->pairs.n), dout = bench_reals(w, rows * dim);
    dev_real dq = bench_reals(w, rows * dim), dkv = bench_reals(w, tokens * 2 * dim);
    CALL(w, attention_backward, w->graphs, w->texts, w->pairs, heads, dim, w->keys, DROP_ATTENTION, q, kv, probs, dout,
         dq, dkv, 0);
}

static int64_t text_asks(struct workbench *w) {
    bench_shape(w, "%lld codes to %lld nodes, %lld heads x %lld", (ll)w->graphs.n, (ll)w->graphs.n_rows,
                (ll)w->sizes.heads, (ll)w->sizes.dim);
    return w->sizes.heads;
}

static void shared_attention(struct workbench *w) {
    int64_t heads = text_asks(w), dim = w->sizes.dim, n = w->graphs.n, rows = w->graphs.n_rows;
    dev_real q = bench_reals(w, n * heads * dim), x = bench_reals(w, rows * dim), probs = bench_reals(w, heads * rows);
    dev_real out = bench_reals(w, n * heads * dim), sums = bench_reals(w, n * heads);
    CALL(w, shared_attention, w->graphs, heads, dim, 1 / sqrt((double)dim), w->keys, DROP_ATTENTION, q, x, probs, out,
         sums);
}

static void shared_attention_backward(struct workbench *w) {
    int64_t heads = text_asks(w), dim = w->sizes.dim, n = w->graphs.n, rows = w->graphs.n_rows;
    dev_real q = bench_reals(w, n * heads * dim), x = bench_reals(w, rows * dim);
    dev_real probs = bench_positive(w, heads * rows), dout = bench_reals(w, n * heads * dim);
    dev_real dsums = bench_reals(w, n * heads), dq = bench_reals(w, n * heads * dim), dx = bench_reals(w, rows * dim);
    CALL(w, shared_attention_backward, w->graphs, heads, dim, 1 / sqrt((double)dim), w->keys, DROP_ATTENTION, q, x,
         probs, dout, dsums, dq, dx);
}

/* ---- a frozen transformer ---- */
static void linear(struct workbench *w) {
    int64_t most = w->device->linear_rows, rows = w->texts.n_rows < most ? w->texts.n_rows : most;
    int64_t in = w->sizes.text_dim;
    dev_real x = bench_reals(w, rows * in), y = bench_reals(w, rows * 4 * in);
    bench_shape(w, "%lld x %lld x %lld, GELU", (ll)rows, (ll)(4 * in), (ll)in);
    CALL(w, linear, w->linear, rows, x, ACTIVATION_GELU, y);
}

static int64_t token_rows(struct workbench *w) {
    bench_shape(w, "%lld x %lld", (ll)w->texts.n_rows, (ll)w->sizes.text_dim);
    return w->texts.n_rows;
}

/* The embeddings of tokens: word and position. */
static void bag(struct workbench *w) {
    int64_t n = token_rows(w), cols = w->sizes.text_dim;
    dev_real table = bench_reals(w, (BENCH_WORDS + BENCH_POSITIONS) * cols), y = bench_reals(w, n * cols);
    struct bag tokens = {.items = {n, 2 * n, {NULL}}, .cols = cols, .index = w->token};
    CALL(w, bag, &tokens, table, y, 0);
}

static void bag_backward(struct workbench *w) {
    int64_t n = token_rows(w), cols = w->sizes.text_dim, rows = BENCH_WORDS + BENCH_POSITIONS;
    dev_real table = bench_reals(w, rows * cols), dy = bench_reals(w, n * cols), dtable = bench_reals(w, rows * cols);
    struct bag tokens = {.items = {n, 2 * n, {NULL}}, .cols = cols, .index = w->token};
    CALL(w, bag_backward, &tokens, table, dy, dtable, (dev_real){NULL});
}

/* Heads of 64; any position will do. */
static void rope(struct workbench *w) {
    int64_t n = token_rows(w), cols = w->sizes.text_dim;
    dev_real x = bench_reals(w, n * cols);
    struct rope r = {.rows = n, .heads = cols / 64, .head_dim = 64, .ld = cols, .position = w->word, .base = 10000};
    CALL(w, rope, &r, 1, x);
}

static void add_layer_norm(struct workbench *w) {
    int64_t n = token_rows(w), cols = w->sizes.text_dim;
    dev_real x = bench_reals(w, n * cols), residual = bench_reals(w, n * cols), gain = bench_reals(w, cols);
    dev_real bias = bench_reals(w, cols), y = bench_reals(w, n * cols);
    CALL(w, add_layer_norm, n, cols, x, residual, gain, bias, 1e-12, y);
}

/* ---- quantiser ---- */
static void quantize(struct workbench *w) {
    const struct bench_sizes *s = &w->sizes;
    w->u = bench_unit_rows(w, s->queries, s->dim);
    w->c = bench_unit_rows(w, s->codebook, s->dim);
    dev_real weight = bench_reals(w, s->queries * s->top_k), q = bench_reals(w, s->queries * s->dim);
    bench_shape(w, "top %lld of %lld to %lld x %lld", (ll)s->top_k, (ll)s->queries, (ll)s->codebook, (ll)s->dim);
    CALL(w, quantize, s->queries, s->dim, 0, s->codebook, s->top_k, w->u, w->c, w->index, weight, q);
}

static int64_t picks(struct workbench *w) {
    bench_shape(w, "%lld x %lld rows x %lld", (ll)w->sizes.queries, (ll)w->sizes.top_k, (ll)w->sizes.dim);
    return w->sizes.queries;
}

static void quantize_backward(struct workbench *w) {
    int64_t n = picks(w), dim = w->sizes.dim, top_k = w->sizes.top_k;
    dev_real u = bench_unit_rows(w, n, dim), c = bench_unit_rows(w, w->sizes.codebook, dim);
    dev_real weight = bench_positive(w, n * top_k), dq = bench_reals(w, n * dim), du = bench_reals(w, n * dim);
    dev_real dc = bench_reals(w, w->sizes.codebook * dim);
    CALL(w, quantize_backward, n, dim, top_k, u, c, w->index, weight, dq, du, dc);
}

static void sum_picks(struct workbench *w) {
    int64_t n = picks(w), dim = w->sizes.dim, top_k = w->sizes.top_k;
    dev_real u = bench_unit_rows(w, n, dim), weight = bench_positive(w, n * top_k);
    dev_real sums = bench_reals(w, w->sizes.codebook * (dim + 1));
    CALL(w, sum_picks, n, dim, top_k, u, w->index, weight, sums);
}

static void ema_rows(struct workbench *w) {
    int64_t size = codebook_rows(w), dim = w->sizes.dim;
    dev_real sums = bench_positive(w, size * (dim + 1)), average = bench_positive(w, size * (dim + 1));
    dev_real c = bench_reals(w, size * dim);
    CALL(w, ema_rows, size, dim, 0.99, 1e-5, sums, average, c);
}

/* ---- losses, optimiser ---- */
static void cross_entropy(struct workbench *w) {
    int64_t n = w->sizes.batch, dim = 2 * w->sizes.dim;
    dev_real a = bench_unit_rows(w, n, dim), b = bench_unit_rows(w, n, dim), loss = bench_reals(w, 1);
    dev_real da = bench_reals(w, n * dim), db = bench_reals(w, n * dim);
    bench_shape(w, "%lld to %lld x %lld", (ll)n, (ll)n, (ll)dim);
    struct cross_entropy e = {
        .n = n, .m = n, .dim = dim, .scale = 1 / 0.07, .a = a, .b = b, .weight = SMALL, .exact = 1};
    e.row_class = e.column_class = w->keys;
    CALL(w, cross_entropy, &e, loss, (dev_real){NULL}, da, db, (dev_real){NULL});
}

/* As many labels as codes; none of them negative. */
static void bce(struct workbench *w) {
    int64_t n = w->sizes.batch, labels = w->sizes.queries * w->sizes.top_k / n;
    dev_real x = bench_reals(w, n * labels), dx = bench_reals(w, n * labels), loss = bench_reals(w, 1);
    bench_shape(w, "%lld x %lld", (ll)n, (ll)labels);
    CALL(w, bce, &((struct bce){.rows = n, .labels = labels, .x = x, .y = w->index, .weight = SMALL}), loss, dx);
}

static void adam(struct workbench *w) {
    int64_t n = vector(w);
    dev_real gradient = bench_reals(w, n), value = bench_reals(w, n), m = bench_reals(w, n), v = bench_positive(w, n);
    CALL(w, adam, n, BENCH_ADAM, w->now, gradient, value, m, v);
}

/* As many rows of the node table as there are codes in a batch. */
static void adam_rows(struct workbench *w) {
    int64_t cols = w->sizes.node_dim, size = w->sizes.graph_nodes * cols;
    int64_t n = w->sizes.batch < w->sizes.graph_nodes ? w->sizes.batch : w->sizes.graph_nodes;
    struct adam_rows a = {.n = n, .cols = cols, .adam = BENCH_ADAM, .now = w->now, .index = w->keys, .last = w->last};
    bench_shape(w, "%lld x %lld", (ll)n, (ll)cols);
    a.gradient = bench_reals(w, n * cols);
    a.value = bench_reals(w, size);
    a.m = bench_reals(w, size);
    a.v = bench_positive(w, size);
    CALL(w, adam_rows, &a);
}

#define ITEM(primitive)                                                                                                \
    { #primitive, primitive }

const struct primitive_item PRIMITIVE_ITEMS[] = {
    ITEM(fill),
    ITEM(axpy),
    ITEM(blend),
    ITEM(dot),
    ITEM(squared_distance),
    ITEM(squared_distance_backward),
    ITEM(norm_loss),
    ITEM(count_nonfinite),
    ITEM(gemm),
    {"gemm.gradient", gemm_gradient},
    ITEM(gemm_batch),
    ITEM(add_bias),
    ITEM(sum_rows),
    ITEM(relu),
    ITEM(relu_backward),
    ITEM(copy_matrix),
    ITEM(l2_normalize),
    ITEM(l2_normalize_backward),
    ITEM(layer_norm),
    ITEM(layer_norm_backward),
    ITEM(gather_rows),
    ITEM(gather_halves),
    ITEM(scatter_add_rows),
    ITEM(segment_mean),
    ITEM(segment_mean_backward),
    ITEM(dropout),
    ITEM(gcn_scale),
    ITEM(gcn_aggregate),
    ITEM(gcn_aggregate_backward),
    ITEM(head_dots),
    ITEM(head_dots_backward),
    ITEM(graph_attention),
    ITEM(graph_attention_backward),
    ITEM(attention),
    {"attention.self", attention_self},
    ITEM(attention_backward),
    ITEM(shared_attention),
    ITEM(shared_attention_backward),
    ITEM(linear),
    ITEM(bag),
    ITEM(bag_backward),
    ITEM(rope),
    ITEM(add_layer_norm),
    ITEM(quantize),
    ITEM(quantize_backward),
    ITEM(sum_picks),
    ITEM(ema_rows),
    ITEM(cross_entropy),
    ITEM(bce),
    ITEM(adam),
    ITEM(adam_rows),
};
const int N_PRIMITIVE_ITEMS = sizeof PRIMITIVE_ITEMS / sizeof *PRIMITIVE_ITEMS;
