/* Graphs. Sizes: graphs; mean of their nodes; edges of so many nodes; columns, for each head; heads; accumulate. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

struct graphs {
    struct call_segments nodes;
    struct call_edges edges;
    int64_t n, n_edges, cols, heads;
};

static struct graphs graphs(struct call *c) {
    struct graphs g = {
        .nodes = call_segments(c, c->size[0], c->size[1], GRAPH_LENGTHS), .cols = c->size[3], .heads = c->size[4]};
    g.edges = call_edges(c, g.nodes, c->size[1], c->size[2]);
    g.n = g.nodes.rows.n_rows;
    g.n_edges = g.edges.edges.n;
    return g;
}

/* ---- GCN ---- */
/* No graph; one node; the last two: blocks share the tiles of a graph, and more nodes, edges and columns than one pass of a
 * transposed sum takes. */
static const int64_t GCN[][CASE_SIZES] = {{0, 1, 0, 4, 1},        {1, 1, 0, 1, 1},       {2, 2, 2, 5, 1, 1},
                                          {3, 4, 5, 15, 1},       {12, 8, 12, 64, 1, 1}, {5, 32, 64, 33, 1},
                                          {3, 10, 45, 258, 1, 1}, {4, 250, 375, 10, 1},  {3, 100, 300, 66, 1, 1}};

static void scales(const struct graphs *g, double *scale) {
    for (int64_t v = 0; v < g->n; v++) scale[v] = 1 / sqrt(1.0 + g->edges.offsets[v + 1] - g->edges.offsets[v]);
}

static void gcn_shape(struct call *c, const struct graphs *g, int64_t cols) {
    call_shape(c, "%lld nodes, %lld edges x %lld", (ll)g->n, (ll)g->n_edges, (ll)cols);
}

static void gcn_scale(struct call *c) {
    struct graphs g = graphs(c);
    struct operand scale = call_out(c, g.n);
    gcn_shape(c, &g, 1);
    CALL(c, gcn_scale, g.n, g.edges.edges.offsets, scale.real);
    REFERENCE(c) scales(&g, scale.host);
}

/* y = D^-1/2 (A + I) D^-1/2 x, entry by entry */
static void aggregate(const struct graphs *g, const double *scale, const double *x, double *y) {
    for (int64_t v = 0; v < g->n; v++)
        for (int64_t j = 0; j < g->cols; j++) {
            double sum = scale[v] * scale[v] * x[v * g->cols + j];
            for (int32_t e = g->edges.offsets[v]; e < g->edges.offsets[v + 1]; e++)
                sum += scale[v] * scale[g->edges.sources[e]] * x[g->edges.sources[e] * g->cols + j];
            y[v * g->cols + j] = sum;
        }
}

static void gcn_aggregate(struct call *c) {
    struct graphs g = graphs(c);
    struct operand scale = call_in(c, g.n, POSITIVE), x = call_in(c, g.n * g.cols, NUMBERS),
                   y = call_out(c, g.n * g.cols);
    gcn_shape(c, &g, g.cols);
    struct gcn gcn = {g.nodes.rows, g.edges.edges, g.cols, scale.real};
    CALL(c, gcn_aggregate, &gcn, x.real, y.real);
    REFERENCE(c) aggregate(&g, scale.host, x.host, y.host);
}

static void gcn_aggregate_backward(struct call *c) {
    struct graphs g = graphs(c);
    int accumulate = (int)c->size[5];
    struct operand scale = call_in(c, g.n, POSITIVE), x = call_point(c, g.n * g.cols, NUMBERS);
    struct operand y = call_value(c, g.n * g.cols), dy = call_cotangent(c, y), dx = call_gradient(c, x, accumulate);
    gcn_shape(c, &g, g.cols);
    struct gcn gcn = {g.nodes.rows, g.edges.edges, g.cols, scale.real};
    CALL(c, gcn_aggregate_backward, &gcn, dy.real, dx.real, accumulate);
    REFERENCE(c) aggregate(&g, scale.host, x.host, y.host);
}

static void graphs_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = step->nodes;
    size[2] = step->edges;
    size[3] = step->hidden;
    size[4] = step->graph_heads;
}

/* ---- graph attention ---- */
static const int64_t HEADS[][CASE_SIZES] = {{0, 1, 0, 4, 1},      {1, 1, 0, 1, 1},    {2, 2, 2, 5, 3},
                                            {3, 3, 4, 3, 4},      {12, 8, 12, 64, 1}, {5, 32, 64, 16, 4},
                                            {3, 10, 45, 129, 2},  {9, 5, 5, 3, 8},    {4, 250, 375, 5, 2},
                                            {3, 100, 300, 33, 2}, {100, 2, 4, 40, 2}};

static void heads_shape(struct call *c, const struct graphs *g) {
    call_shape(c, "%lld nodes, %lld edges x %lld x %lld", (ll)g->n, (ll)g->n_edges, (ll)g->heads, (ll)g->cols);
}

static void dots(const struct graphs *g, const double *x, const double *a, double *out) {
    for (int64_t i = 0; i < g->n * g->heads; i++) {
        out[i] = 0;
        for (int64_t j = 0; j < g->cols; j++) out[i] += x[i * g->cols + j] * a[i % g->heads * g->cols + j];
    }
}

static void head_dots(struct call *c) {
    struct graphs g = graphs(c);
    int64_t width = g.heads * g.cols;
    struct operand x = call_in(c, g.n * width, NUMBERS), a = call_in(c, width, NUMBERS),
                   out = call_out(c, g.n * g.heads);
    heads_shape(c, &g);
    struct head_dots d = {g.n, g.heads, g.cols, x.real, a.real};
    CALL(c, head_dots, &d, out.real);
    REFERENCE(c) dots(&g, x.host, a.host, out.host);
}

static void head_dots_backward(struct call *c) {
    struct graphs g = graphs(c);
    int64_t width = g.heads * g.cols;
    struct operand x = call_in(c, g.n * width, NUMBERS), a = call_in(c, width, NUMBERS),
                   out = call_value(c, g.n * g.heads);
    struct operand dout = call_cotangent(c, out), dx = call_gradient(c, x, 1), da = call_gradient(c, a, 1);
    heads_shape(c, &g);
    struct head_dots d = {g.n, g.heads, g.cols, x.real, a.real};
    CALL(c, head_dots_backward, &d, dout.real, dx.real, da.real);
    REFERENCE(c) dots(&g, x.host, a.host, out.host);
}

struct attended {
    const double *source, *target, *x;
    double *probs, *y;
};

/* One head of one node: over itself (k = -1) and its edges. */
static void attend_node(const struct graphs *g, const struct attended *a, int64_t v, int64_t h) {
    int32_t first = g->edges.offsets[v], n = g->edges.offsets[v + 1] - first;
    double total = 0, *probs = a->probs + (first + v) * g->heads + h;
    for (int32_t k = -1; k < n; k++) {
        int64_t u = k < 0 ? v : g->edges.sources[first + k];
        double logit = a->source[u * g->heads + h] + a->target[v * g->heads + h];
        total += probs[(k + 1) * g->heads] = exp(logit > 0 ? logit : 0.2 * logit);
    }
    for (int32_t k = 0; k <= n; k++) probs[k * g->heads] /= total;
    for (int64_t j = h * g->cols; j < (h + 1) * g->cols; j++) {
        double sum = 0;
        for (int32_t k = -1; k < n; k++) {
            int64_t u = k < 0 ? v : g->edges.sources[first + k];
            sum += probs[(k + 1) * g->heads] * a->x[u * g->heads * g->cols + j];
        }
        a->y[v * g->heads * g->cols + j] = sum;
    }
}

static void attend(const struct graphs *g, const struct attended *a) {
    for (int64_t i = 0; i < g->n * g->heads; i++) attend_node(g, a, i / g->heads, i % g->heads);
}

static struct graph_attention attention_of(const struct graphs *g, struct operand source, struct operand target,
                                           struct operand x, struct operand probs) {
    return (struct graph_attention){.nodes = g->nodes.rows,
                                    .edges = g->edges.edges,
                                    .heads = g->heads,
                                    .cols = g->cols,
                                    .source = source.real,
                                    .target = target.real,
                                    .x = x.real,
                                    .probs = probs.real};
}

static void graph_attention(struct call *c) {
    struct graphs g = graphs(c);
    int64_t width = g.heads * g.cols;
    struct operand source = call_in(c, g.n * g.heads, NUMBERS), target = call_in(c, g.n * g.heads, NUMBERS);
    struct operand x = call_in(c, g.n * width, NUMBERS), probs = call_out(c, (g.n + g.n_edges) * g.heads);
    struct operand y = call_out(c, g.n * width);
    heads_shape(c, &g);
    struct graph_attention a = attention_of(&g, source, target, x, probs);
    CALL(c, graph_attention, &a, y.real);
    REFERENCE(c) attend(&g, &(struct attended){source.host, target.host, x.host, probs.host, y.host});
}

static void graph_attention_backward(struct call *c) {
    struct graphs g = graphs(c);
    int64_t width = g.heads * g.cols;
    struct operand source = call_in(c, g.n * g.heads, NUMBERS), target = call_in(c, g.n * g.heads, NUMBERS);
    struct operand x = call_in(c, g.n * width, NUMBERS), probs = call_made(c, (g.n + g.n_edges) * g.heads);
    struct operand y = call_made(c, g.n * width), dy = call_cotangent(c, y), dsource = call_gradient(c, source, 1);
    struct operand dtarget = call_gradient(c, target, 1), dx = call_gradient(c, x, 1);
    heads_shape(c, &g);
    struct graph_attention a = attention_of(&g, source, target, x, probs);
    PREPARE(c, graph_attention, &a, y.real);
    CALL(c, graph_attention_backward, &a, dy.real, dsource.real, dtarget.real, dx.real);
    REFERENCE(c) attend(&g, &(struct attended){source.host, target.host, x.host, probs.host, y.host});
}

const struct kernel_case GRAPH_CASES[] = {
    {"gcn_scale", gcn_scale, SHAPES(GCN), graphs_of_a_step},
    {"gcn_aggregate", gcn_aggregate, SHAPES(GCN), graphs_of_a_step},
    {"gcn_aggregate_backward", gcn_aggregate_backward, SHAPES(GCN), graphs_of_a_step},
    {"head_dots", head_dots, SHAPES(HEADS), graphs_of_a_step},
    {"head_dots_backward", head_dots_backward, SHAPES(HEADS), graphs_of_a_step},
    {"graph_attention", graph_attention, SHAPES(HEADS), graphs_of_a_step},
    {"graph_attention_backward", graph_attention_backward, SHAPES(HEADS), graphs_of_a_step},
};
END_OF_FAMILY(GRAPH_CASES);
