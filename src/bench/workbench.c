/* Making operands. All numbers are functions of their keys, so that a run can be repeated. */
#include "bench/workbench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

/* The sets of an item fill at least this much, or twice the last cache if that is more, and at most MOST_RING. */
static const int64_t LEAST_RING = INT64_C(128) << 20, MOST_RING = INT64_C(1) << 30;
enum { MOST_SETS = 4096, FILL_REALS = 1 << 20 };

/* ---- numbers ---- */
/* splitmix64 (Steele et al., 2014) */
static uint64_t mix(uint64_t stream, int64_t i) {
    uint64_t z = (uint64_t)i * 0x9e3779b97f4a7c15u + (stream + 1) * 0xd1b54a32d192ed03u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int64_t bench_pick(int64_t n, uint64_t stream, int64_t i) { return (int64_t)(mix(stream, i) % (uint64_t)n); }

/* The sum of four numbers of 16 bits, less its mean, over its standard deviation. */
float bench_normal(uint64_t stream, int64_t i) {
    uint64_t z = mix(stream, i);
    int64_t sum = (int64_t)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48));
    return (float)((double)(sum - 2 * 65535) / 37837.2);
}

int64_t bench_length(int64_t mean, uint64_t stream, int64_t i) { return 1 + bench_pick(2 * mean - 1, stream, i); }

int64_t bench_edge_count(const struct bench_sizes *s, int64_t n) { return n * s->edges / s->nodes; }

void bench_edge(int64_t n, int64_t n_edges, int64_t e, int64_t *source, int64_t *target) {
    /* Node v has the edges from v * n_edges / n, rounded up, on; its sources spread over the graph. */
    int64_t v = e * n / n_edges, first = (v * n_edges + n - 1) / n, degree = ((v + 1) * n_edges + n - 1) / n - first;
    *target = v;
    *source = ((e - first) * n + bench_pick(n, SOURCES, e)) / (degree > 0 ? degree : 1);
}

struct bench_sizes bench_sizes(const struct config *c) {
    return (struct bench_sizes){.batch = c->train.batch,
                                .queries = c->bench.queries ? c->bench.queries : c->train.batch,
                                .nodes = c->bench.nodes,
                                .edges = c->bench.edges,
                                .tokens = c->bench.tokens,
                                .graph_nodes = c->bench.graph_nodes,
                                .node_dim = c->graph.node_dim,
                                .hidden = c->graph.hidden,
                                .graph_heads = c->graph.heads,
                                .dim = c->quantizer.dim,
                                .heads = c->attention.heads,
                                .codebook = c->quantizer.size,
                                .top_k = c->quantizer.top_k,
                                .text_dim = c->text.dim};
}

const struct adam BENCH_ADAM = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};

/* ---- what the sets share ---- */
static int send_ints(struct workbench *w, const int32_t *host, int64_t n, dev_int *out) {
    *out = device_alloc_ints(w->device, n);
    device_upload_ints(w->device, *out, host, n);
    return device_error(w->device) ? status_set(STATUS_FAILED, "%s", device_error(w->device)) : STATUS_OK;
}

static int make_lengths(struct workbench *w, int64_t mean, uint64_t stream, int32_t *host, struct ragged *out) {
    host[0] = 0;
    for (int64_t i = 0; i < w->sizes.batch; i++) host[i + 1] = host[i] + (int32_t)bench_length(mean, stream, i);
    out->n = w->sizes.batch;
    out->n_rows = host[w->sizes.batch];
    return send_ints(w, host, w->sizes.batch + 1, &out->offsets);
}

static int make_edges(struct workbench *w, const int32_t *graphs, int32_t *offsets, int32_t *sources) {
    int64_t node = 0, edge = 0;
    for (int64_t i = 0; i < w->sizes.batch; i++) {
        int64_t n = graphs[i + 1] - graphs[i], n_edges = bench_edge_count(&w->sizes, n), source, target, next = 0;
        for (int64_t e = 0; e < n_edges; e++) {
            bench_edge(n, n_edges, e, &source, &target);
            while (next <= target) offsets[node + next++] = (int32_t)(edge + e);
            sources[edge + e] = (int32_t)(node + source);
        }
        while (next < n) offsets[node + next++] = (int32_t)(edge + n_edges);
        node += n;
        edge += n_edges;
    }
    offsets[node] = (int32_t)edge;
    w->edges.n = edge;
    TRY(send_ints(w, offsets, node + 1, &w->edges.offsets));
    return send_ints(w, sources, edge, &w->edges.sources);
}

static int make_picks(struct workbench *w, int64_t n, int64_t below, uint64_t stream, int32_t *host, dev_int *out) {
    for (int64_t i = 0; i < n; i++) host[i] = (int32_t)bench_pick(below, stream, i);
    return send_ints(w, host, n, out);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static int make_ragged(struct workbench *w) {
    const struct bench_sizes *s = &w->sizes;
    int64_t most_rows = 2 * s->batch * larger(s->nodes, s->tokens) + 1;
    int64_t most =
        larger(larger(2 * most_rows, 2 * s->batch * s->edges + 1), larger(s->queries * s->top_k, s->graph_nodes));
    int32_t *host = NULL, *graphs = NULL, *sources = NULL;
    int status;
    TRY_DONE(mem_alloc(&host, most, sizeof *host));
    TRY_DONE(mem_alloc(&graphs, s->batch + 1, sizeof *graphs));
    TRY_DONE(mem_alloc(&sources, most, sizeof *sources));
    TRY_DONE(make_lengths(w, s->nodes, GRAPH_LENGTHS, graphs, &w->graphs));
    TRY_DONE(make_edges(w, graphs, host, sources));
    TRY_DONE(make_lengths(w, s->tokens, TEXT_LENGTHS, host, &w->texts));
    int32_t *pairs = sources;
    pairs[0] = 0;
    for (int64_t i = 0; i < s->batch; i++)
        pairs[i + 1] = pairs[i] + (graphs[i + 1] - graphs[i]) * (host[i + 1] - host[i]);
    w->pairs.n = pairs[s->batch];
    TRY_DONE(send_ints(w, pairs, s->batch + 1, &w->pairs.offsets));
    for (int64_t i = 0; i < s->batch; i++) host[i] = (int32_t)i;
    TRY_DONE(send_ints(w, host, s->batch, &w->keys));
    TRY_DONE(make_picks(w, w->graphs.n_rows, s->graph_nodes, NODES, host, &w->node));
    TRY_DONE(make_picks(w, w->texts.n_rows, BENCH_WORDS, WORDS, host, &w->word));
    for (int64_t i = 0; i < 2 * w->texts.n_rows; i++)
        host[i] = (int32_t)(i % 2 ? BENCH_WORDS + bench_pick(BENCH_POSITIONS, PLACES, i / 2)
                                  : bench_pick(BENCH_WORDS, WORDS, i / 2));
    TRY_DONE(send_ints(w, host, 2 * w->texts.n_rows, &w->token));
    TRY_DONE(make_picks(w, s->graph_nodes, 1, PICKS, host, &w->last)); /* zeros */
    TRY_DONE(make_picks(w, s->queries * s->top_k, s->codebook, PICKS, host, &w->index));
done:
    free(host);
    free(graphs);
    free(sources);
    return status;
}

static int pack_linear(struct workbench *w) {
    int64_t in = w->sizes.text_dim, out = 4 * in;
    real *weight = NULL, *bias;
    TRY(mem_alloc(&weight, (in + 1) * out, sizeof *weight));
    for (int64_t i = 0; i < in * out; i++) weight[i] = (real)(bench_normal(WEIGHTS, i) / sqrt((double)in));
    bias = weight + in * out;
    w->linear = w->device->run->linear_pack(w->device, in, out, weight, bias, w->precision);
    free(weight);
    return w->linear ? STATUS_OK : status_set(STATUS_FAILED, "%s", device_error(w->device));
}

static int make_scalars(struct workbench *w) {
    real now[N_ADAM_NOW], keep = (real)0.99;
    adam_now(BENCH_ADAM, 1e-3, 100, 0.5, now);
    w->now = device_alloc_reals(w->device, N_ADAM_NOW);
    w->keep = device_alloc_reals(w->device, 1);
    device_upload_reals(w->device, w->now, now, N_ADAM_NOW);
    device_upload_reals(w->device, w->keep, &keep, 1);
    return device_error(w->device) ? status_set(STATUS_FAILED, "%s", device_error(w->device)) : STATUS_OK;
}

int workbench_make(struct workbench *w, struct device *device, const struct config *config) {
    *w = (struct workbench){
        .device = device, .sizes = bench_sizes(config), .precision = (enum precision_of_products)config->text.compute};
    TRY(mem_alloc(&w->host, FILL_REALS, sizeof *w->host));
    TRY(make_ragged(w));
    TRY(make_scalars(w));
    return pack_linear(w);
}

void workbench_free(struct workbench *w) {
    if (!w->device) return;
    dev_int ints[] = {w->graphs.offsets, w->texts.offsets, w->edges.offsets, w->edges.sources,
                      w->pairs.offsets,  w->keys,          w->node,          w->word,
                      w->token,          w->index,         w->last};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) device_free_ints(w->device, ints[i]);
    device_free_reals(w->device, w->slab);
    device_free_reals(w->device, w->now);
    device_free_reals(w->device, w->keep);
    w->device->run->linear_free(w->linear);
    free(w->host);
    *w = (struct workbench){0};
}

/* ---- operands of an item ---- */
static int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }

static int64_t ring_bytes(void) {
    int64_t cache = sysconf(_SC_LEVEL3_CACHE_SIZE), bytes = larger(LEAST_RING, 2 * cache);
    return bytes < MOST_RING ? bytes : MOST_RING;
}

static void begin(struct workbench *w, enum bench_pass pass, int64_t set) {
    w->pass = pass;
    w->at = set * w->set_reals;
}

int workbench_prepare(struct workbench *w, void (*item)(struct workbench *)) {
    w->set_reals = w->set = 0;
    begin(w, PASS_COUNT, 0);
    item(w);
    w->set_reals = w->at;
    int64_t n = ring_bytes() / (larger(w->set_reals, 1) * (int64_t)sizeof(real));
    w->n_sets = n < 1 ? 1 : n > MOST_SETS ? MOST_SETS : n;
    if (w->n_sets * w->set_reals > w->slab_reals) {
        device_free_reals(w->device, w->slab);
        w->slab_reals = w->n_sets * w->set_reals;
        w->slab = device_alloc_reals(w->device, w->slab_reals);
    }
    for (int64_t set = 0; set < w->n_sets && !device_error(w->device); set++) {
        begin(w, PASS_FILL, set);
        item(w);
    }
    return device_error(w->device) ? status_set(STATUS_FAILED, "%s", device_error(w->device)) : STATUS_OK;
}

void workbench_run(struct workbench *w, void (*item)(struct workbench *)) {
    begin(w, PASS_RUN, w->set);
    w->set = w->set + 1 < w->n_sets ? w->set + 1 : 0;
    item(w);
}

static dev_real take(struct workbench *w, int64_t n) {
    dev_real none = {NULL}, taken = w->pass == PASS_COUNT ? none : dev_real_at(w->slab, w->at);
    w->at += padded(n);
    return taken;
}

static void scale_rows(real *x, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        double square = 0;
        for (int64_t c = 0; c < cols; c++) square += (double)x[r * cols + c] * x[r * cols + c];
        for (int64_t c = 0; c < cols; c++) x[r * cols + c] = (real)(x[r * cols + c] / sqrt(square));
    }
}

/* Sends normal numbers, whole rows at a time. unit: rows of length 1; positive: their absolute values. */
static dev_real make(struct workbench *w, int64_t rows, int64_t cols, int unit, int positive) {
    int64_t stream = w->at, piece = larger(FILL_REALS / larger(cols, 1), 1);
    dev_real out = take(w, rows * cols);
    for (int64_t r = 0; w->pass == PASS_FILL && r < rows; r += piece) {
        int64_t n = rows - r < piece ? rows - r : piece;
        for (int64_t i = 0; i < n * cols; i++) {
            real x = bench_normal(OPERANDS + (uint64_t)stream, r * cols + i);
            w->host[i] = positive ? (real)fabs((double)x) + (real)0.05 : x;
        }
        if (unit) scale_rows(w->host, n, cols);
        device_upload_reals(w->device, dev_real_at(out, r * cols), w->host, n * cols);
    }
    return out;
}

dev_real bench_reals(struct workbench *w, int64_t n) { return make(w, n, 1, 0, 0); }
dev_real bench_positive(struct workbench *w, int64_t n) { return make(w, n, 1, 0, 1); }
dev_real bench_unit_rows(struct workbench *w, int64_t rows, int64_t cols) { return make(w, rows, cols, 1, 0); }

void bench_shape(struct workbench *w, const char *format, ...) {
    if (w->pass != PASS_COUNT) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->shape, sizeof w->shape, format, arguments);
    va_end(arguments);
}
