/* CUDA against the CPU, value by value, over more shapes and larger ones than plain loops are written for. In single
 * precision this is also what holds the gradients, since finite differences need double. The CPU reads the inputs where
 * they are: they are managed memory. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

static struct device reference;

/* An output of each of the two: on[0] of the CPU, on[1] of the device under test. */
struct pair {
    int64_t n;
    dev_real on[2];
};

/* Runs a primitive on both; in the arguments, `d` is 0 or 1. */
#define BOTH(name, ...)                                                                                                \
    do {                                                                                                               \
        for (int d = 0; d < 2; d++) {                                                                                  \
            struct device *run_on = d ? &device : &reference;                                                          \
            run_on->run->name(run_on, __VA_ARGS__);                                                                    \
        }                                                                                                              \
        primitive_ended(#name);                                                                                        \
        assert_null(device_error(&reference));                                                                         \
    } while (0)

/* The same random contents twice: what adds must not lose what was there. */
static struct pair pair(int64_t n) {
    struct pair p = {n, {values(n), zeros(n)}};
    memcpy(p.on[1].at, p.on[0].at, (size_t)n * sizeof(real));
    return p;
}

/* Compares and frees. Each side rounds by itself: twice the tolerance of one against exact loops. */
static void same(struct pair p, const char *what) {
    for (int64_t i = 0; i < p.n; i++) {
        double found = p.on[1].at[i], wanted = p.on[0].at[i];
        if (!(fabs(found - wanted) <= 2 * TOLERANCE * (1 + fabs(wanted))))
            fail_msg("%s[%lld of %lld] is %.9g, on the CPU %.9g", what, (long long)i, (long long)p.n, found, wanted);
    }
    release(2, p.on[0], p.on[1]);
}

static int32_t below(int64_t n) { return (int32_t)((uniform() + 1) / 2 * (double)n * 0.999999); }

/* n segments of 0 to `most` rows, the last one longer than all. */
static struct ragged random_segments(int64_t n, int64_t most) {
    struct ragged s = {n, 0, device_alloc_ints(&device, n + 1)};
    s.offsets.at[0] = 0;
    for (int64_t i = 0; i < n; i++)
        s.offsets.at[i + 1] = s.offsets.at[i] + (i == n - 1 ? (int32_t)(3 * most) : below(most + 1));
    s.n_rows = s.offsets.at[n];
    return s;
}

static dev_int random_ints(int64_t n, int64_t least, int64_t end) {
    dev_int x = device_alloc_ints(&device, n);
    for (int64_t i = 0; i < n; i++) x.at[i] = (int32_t)least + below(end - least);
    return x;
}

static void release_ints(int n, ...) {
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++) device_free_ints(&device, va_arg(args, dev_int));
    va_end(args);
}

static const int64_t TABLE[][2] = {{0, 4},    {1, 1},    {1, 257},    {3, 5},    {31, 32},
                                   {33, 31},  {64, 64},  {257, 100},  {1025, 1}, {1025, 64},
                                   {5, 1024}, {2, 4099}, {1500, 200}, {300, 33}, {300, 2100}};
enum { N_TABLE = sizeof TABLE / sizeof *TABLE };

/* ---- vectors ---- */
static void vectors_are_the_cpus(void **state) {
    (void)state;
    static const int64_t SIZES[] = {0, 1, 3, 31, 33, 255, 257, 1023, 1025, 70001, 300007};
    for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++) {
        int64_t n = SIZES[s];
        dev_real a = values(n), b = values(n), keep = zeros(1), now = zeros(N_ADAM_NOW);
        struct adam adam = {0.9, 0.95, 1e-6, 0.1};
        struct pair filled = pair(n), y = pair(n), blended = pair(n), one[4] = {pair(1), pair(1), pair(1), pair(1)};
        struct pair da = pair(n), dx = pair(n), p = pair(n), m = pair(n), v = pair(n);
        keep.at[0] = (real)0.9;
        adam_now(adam, 0.01, 3, 0.5, now.at);
        BOTH(fill, n, 0.7, filled.on[d]);
        BOTH(axpy, n, 0.7, a, y.on[d]);
        BOTH(blend, n, keep, a, blended.on[d]);
        BOTH(dot, n, 0.5, a, b, one[0].on[d]);
        BOTH(squared_distance, n, 0.25, a, b, one[1].on[d]);
        BOTH(norm_loss, n, 3, a, one[2].on[d], dx.on[d]);
        BOTH(count_nonfinite, n, a, one[3].on[d]);
        BOTH(squared_distance_backward, n, 0.25, a, b, da.on[d]);
        for (int64_t i = 0; i < n; i++) v.on[0].at[i] = v.on[1].at[i] = (real)fabs(v.on[0].at[i]);
        BOTH(adam, n, adam, now, a, p.on[d], m.on[d], v.on[d]);
        same(filled, "fill");
        same(y, "axpy");
        same(blended, "blend");
        same(one[0], "dot");
        same(one[1], "squared distance");
        same(one[2], "norm loss");
        same(one[3], "count of nonfinite");
        same(da, "gradient of the squared distance");
        same(dx, "gradient of the norm");
        same(p, "adam");
        same(m, "m of adam");
        same(v, "v of adam");
        release(4, a, b, keep, now);
    }
}

/* ---- matrices ---- */
static void products_are_the_cpus(void **state) {
    (void)state;
    static const int64_t SIZES[][3] = {{1, 1, 1},      {1, 257, 3},     {257, 1, 64},   {64, 64, 64},
                                       {33, 257, 130}, {300, 65, 1025}, {1025, 32, 33}, {5, 7, 0}};
    for (int s = 0; s < 8; s++)
        for (int t = 0; t < 4; t++) {
            int64_t m = SIZES[s][0], n = SIZES[s][1], k = SIZES[s][2];
            int64_t lda = t & 1 ? m : k, ldb = t & 2 ? k : n;
            if (k == 0) lda += 1, ldb += 1;
            dev_real a = values((t & 1 ? k : m) * lda), b = values((t & 2 ? n : k) * ldb);
            struct pair c = pair(m * n), fresh = pair(m * n);
            memset(fresh.on[1].at, 0xff, (size_t)(m * n) * sizeof(real)); /* NaN: beta 0 does not read */
            BOTH(gemm, t & 1, t >> 1, m, n, k, 0.1, a, lda, b, ldb, 0.5, c.on[d], n);
            BOTH(gemm, t & 1, t >> 1, m, n, k, 0.1, a, lda, b, ldb, 0, fresh.on[d], n);
            same(c, "gemm");
            same(fresh, "gemm that overwrites");
            release(2, a, b);
        }
}

static void matrices_are_the_cpus(void **state) {
    (void)state;
    for (int s = 0; s < N_TABLE; s++) {
        int64_t rows = TABLE[s][0], cols = TABLE[s][1], n = rows * cols;
        dev_real x = values(n), bias = values(cols);
        struct pair y = pair(n), sum = pair(cols), rectified = pair(n), dx = pair(n), wide = pair(rows * (cols + 3)),
                    narrow = pair(n);
        BOTH(add_bias, rows, cols, bias, y.on[d]);
        BOTH(sum_rows, rows, cols, x, sum.on[d]);
        BOTH(relu, n, rectified.on[d]);
        BOTH(relu_backward, n, rectified.on[0], dx.on[d]);
        BOTH(copy_matrix, rows, cols, x, cols, wide.on[d], cols + 3, 1);
        BOTH(copy_matrix, rows, cols, wide.on[d], cols + 3, narrow.on[d], cols, 0);
        same(y, "bias");
        same(sum, "sum of rows");
        same(rectified, "relu");
        same(dx, "gradient of relu");
        same(wide, "accumulated copy");
        same(narrow, "copy");
        release(2, x, bias);
    }
}

static void norms_are_the_cpus(void **state) {
    (void)state;
    for (int s = 0; s < N_TABLE; s++) {
        int64_t rows = TABLE[s][0], cols = TABLE[s][1], n = rows * cols;
        dev_real x = values(n), gain = values(cols), bias = values(cols), dy = values(n), residual = values(n);
        struct pair y = pair(n), norm = pair(rows), dx = pair(n), z = pair(n), mean = pair(rows), rstd = pair(rows),
                    dz = pair(n), dgain = pair(cols), dbias = pair(cols), over = pair(n),
                    more[2] = {pair(cols), pair(cols)}, with = pair(n), without = pair(n);
        BOTH(l2_normalize, rows, cols, x, y.on[d], norm.on[d]);
        BOTH(l2_normalize_backward, rows, cols, y.on[0], norm.on[0], dy, dx.on[d]);
        BOTH(layer_norm, rows, cols, x, gain, bias, z.on[d], mean.on[d], rstd.on[d]);
        BOTH(layer_norm_backward, rows, cols, x, gain, mean.on[0], rstd.on[0], dy, dz.on[d], dgain.on[d], dbias.on[d],
             1);
        BOTH(layer_norm_backward, rows, cols, x, gain, mean.on[0], rstd.on[0], dy, over.on[d], more[0].on[d],
             more[1].on[d], 0);
        BOTH(add_layer_norm, rows, cols, x, residual, gain, bias, 1e-3, with.on[d]);
        BOTH(add_layer_norm, rows, cols, without.on[d], (dev_real){NULL}, gain, bias, 1e-3, without.on[d]);
        same(y, "l2 norm");
        same(norm, "length");
        same(dx, "gradient of the l2 norm");
        same(z, "layer norm");
        same(over, "gradient of the layer norm, overwritten");
        same(more[0], "gradient of the gain");
        same(more[1], "gradient of the bias");
        same(mean, "mean");
        same(rstd, "rstd");
        same(dz, "gradient of layer norm");
        same(dgain, "gradient of the gain");
        same(dbias, "gradient of the bias");
        same(with, "norm with residual");
        same(without, "norm in place");
        release(5, x, gain, bias, dy, residual);
    }
}

/* ---- rows and segments ---- */
static void rows_are_the_cpus(void **state) {
    (void)state;
    static const int64_t COLS[] = {1, 5, 64, 257};
    static const int64_t ROWS[] = {0, 1, 33, 1025};
    for (int s = 0; s < 16; s++) {
        int64_t n = ROWS[s / 4], cols = COLS[s % 4], size = n / 3 + 1;
        dev_real table = values(size * cols), x = values(n * cols);
        dev_int index = random_ints(n, -1, size);
        struct pair out = pair(n * cols), sum = pair(size * cols);
        BOTH(gather_rows, n, cols, table, index, out.on[d]);
        BOTH(scatter_add_rows, n, cols, x, index, sum.on[d]);
        same(out, "gathered rows");
        same(sum, "scattered rows");
        release_ints(1, index);
        release(2, table, x);
    }
}

static void segments_are_the_cpus(void **state) {
    (void)state;
    static const int64_t COLS[] = {1, 5, 64, 257};
    static const int64_t COUNTS[][2] = {{0, 0}, {1, 0}, {1, 1}, {40, 9}, {150, 20}, {3, 300}};
    for (int s = 0; s < 24; s++) {
        int64_t cols = COLS[s % 4], n = COUNTS[s / 4][0];
        struct ragged rows = random_segments(n, COUNTS[s / 4][1]);
        dev_int keys = random_ints(n, 0, 1000000);
        dev_real x = values(rows.n_rows * cols), dy = values(n * cols);
        struct pair y = pair(n * cols), dx = pair(rows.n_rows * cols), over = pair(rows.n_rows * cols),
                    dropped = pair(rows.n_rows * cols), added = pair(rows.n_rows * cols),
                    all = pair(rows.n_rows * cols);
        struct dropout dropout = {0.25, 5, 6, 7};
        BOTH(segment_mean, rows, cols, x, y.on[d]);
        BOTH(segment_mean_backward, rows, cols, dy, dx.on[d], 1);
        BOTH(segment_mean_backward, rows, cols, dy, over.on[d], 0);
        same(over, "gradient of the segment mean, overwritten");
        BOTH(dropout, rows, cols, keys, dropout, dropped.on[d], dropped.on[d], 0);
        BOTH(dropout, rows, cols, keys, dropout, x, added.on[d], 1);
        BOTH(dropout, rows, cols, keys, (struct dropout){0}, x, all.on[d], 1);
        same(y, "segment mean");
        same(dx, "gradient of the segment mean");
        same(dropped, "dropout in place");
        same(added, "dropout that adds");
        same(all, "dropout of nothing");
        release_ints(2, rows.offsets, keys);
        release(2, x, dy);
    }
}

/* ---- graphs: of random edges, some listed twice; node 0 of each graph is a hub ---- */
static struct edges random_edges(struct ragged nodes, int64_t most) {
    struct edges e = {0, device_alloc_ints(&device, nodes.n_rows + 1), {NULL}};
    e.offsets.at[0] = 0;
    for (int64_t g = 0; g < nodes.n; g++)
        for (int32_t v = nodes.offsets.at[g]; v < nodes.offsets.at[g + 1]; v++)
            e.offsets.at[v + 1] = e.offsets.at[v] + (v == nodes.offsets.at[g] ? (int32_t)(20 * most) : below(most + 1));
    e.n = e.offsets.at[nodes.n_rows];
    e.sources = device_alloc_ints(&device, e.n);
    for (int64_t g = 0; g < nodes.n; g++) {
        int32_t first = nodes.offsets.at[g], n = nodes.offsets.at[g + 1] - first;
        for (int32_t k = n > 0 ? e.offsets.at[first] : 0; n > 0 && k < e.offsets.at[first + n]; k++)
            e.sources.at[k] = first + below(n);
    }
    return e;
}

static void check_graphs(int64_t n_graphs, int64_t most_nodes, int64_t most_edges, int64_t heads, int64_t cols) {
    struct ragged nodes = random_segments(n_graphs, most_nodes);
    struct edges edges = random_edges(nodes, most_edges);
    int64_t n = nodes.n_rows, width = heads * cols, places = n + edges.n;
    dev_real x = values(n * width), dy = values(n * width), source = values(n * heads), target = values(n * heads),
             a = values(width), dout = values(n * heads);
    struct pair over = pair(n * width), scale = pair(n), y = pair(n * width), dx = pair(n * width),
                probs = pair(places * heads), z = pair(n * width), dsource = pair(n * heads), dtarget = pair(n * heads),
                dz = pair(n * width), dots = pair(n * heads), dh = pair(n * width), da = pair(width);
    BOTH(gcn_scale, n, edges.offsets, scale.on[d]);
    BOTH(gcn_aggregate, nodes, edges, width, scale.on[0], x, y.on[d]);
    BOTH(gcn_aggregate_backward, nodes, edges, width, scale.on[0], dy, dx.on[d], 1);
    BOTH(gcn_aggregate_backward, nodes, edges, width, scale.on[0], dy, over.on[d], 0);
    same(over, "gradient of gcn, overwritten");
    BOTH(graph_attention, nodes, edges, heads, cols, source, target, x, probs.on[d], z.on[d]);
    BOTH(graph_attention_backward, nodes, edges, heads, cols, source, target, x, probs.on[0], dy, dsource.on[d],
         dtarget.on[d], dz.on[d]);
    BOTH(head_dots, n, heads, cols, x, a, dots.on[d]);
    BOTH(head_dots_backward, n, heads, cols, x, a, dout, dh.on[d], da.on[d]);
    same(scale, "gcn scale");
    same(y, "gcn");
    same(dx, "gradient of gcn");
    same(probs, "probabilities of graph attention");
    same(z, "graph attention");
    same(dsource, "gradient of the source");
    same(dtarget, "gradient of the target");
    same(dz, "gradient of graph attention");
    same(dots, "head dots");
    same(dh, "gradient of head dots");
    same(da, "gradient of the heads' vector");
    release_ints(3, nodes.offsets, edges.offsets, edges.sources);
    release(6, x, dy, source, target, a, dout);
}

static void graphs_are_the_cpus(void **state) {
    (void)state;
    check_graphs(0, 0, 0, 1, 4);
    check_graphs(1, 1, 0, 1, 1);
    check_graphs(2, 3, 1, 3, 5);
    check_graphs(12, 15, 3, 1, 64);
    check_graphs(5, 64, 4, 4, 16);
    check_graphs(3, 20, 9, 2, 129);
    check_graphs(9, 9, 2, 8, 3);
    check_graphs(4, 500, 3, 2, 5);  /* large enough that blocks share the tiles of a graph */
    check_graphs(3, 200, 6, 2, 33); /* more nodes, edges and columns than one pass of the transposed sum takes */
}

/* ---- attention ---- */
static void check_attention(int64_t n, int64_t most_queries, int64_t most_keys, int64_t heads, int64_t dim,
                            double rate) {
    struct ragged queries = random_segments(n, most_queries), keys = random_segments(n, most_keys);
    struct attention_pairs pairs = {0, device_alloc_ints(&device, n + 1)}, not_kept = {0, {NULL}};
    dev_int drop_keys = random_ints(n, 0, 1000000);
    struct dropout dropout = {rate, 3, 8, 1};
    pairs.offsets.at[0] = 0;
    for (int64_t i = 0; i < n; i++)
        pairs.offsets.at[i + 1] = pairs.offsets.at[i] + (queries.offsets.at[i + 1] - queries.offsets.at[i]) *
                                                            (keys.offsets.at[i + 1] - keys.offsets.at[i]);
    not_kept.n = pairs.n = pairs.offsets.at[n];
    dev_real q = values(queries.n_rows * dim), kv = values(keys.n_rows * 2 * dim), dout = values(queries.n_rows * dim);
    struct pair probs = pair(heads * pairs.n), out = pair(queries.n_rows * dim), again = pair(queries.n_rows * dim),
                dq = pair(queries.n_rows * dim), dkv = pair(keys.n_rows * 2 * dim), over[2];
    over[0] = pair(queries.n_rows * dim);
    over[1] = pair(keys.n_rows * 2 * dim);
    BOTH(attention, queries, keys, pairs, heads, dim, drop_keys, dropout, q, kv, probs.on[d], out.on[d]);
    BOTH(attention_backward, queries, keys, pairs, heads, dim, drop_keys, dropout, q, kv, probs.on[0], dout, dq.on[d],
         dkv.on[d], 1);
    BOTH(attention_backward, queries, keys, pairs, heads, dim, drop_keys, dropout, q, kv, probs.on[0], dout,
         over[0].on[d], over[1].on[d], 0);
    same(over[0], "gradient of the queries, overwritten");
    same(over[1], "gradient of keys and values, overwritten");
    BOTH(attention, queries, keys, not_kept, heads, dim, (dev_int){NULL}, (struct dropout){0}, q, kv, (dev_real){NULL},
         again.on[d]);
    same(probs, "probabilities of attention");
    same(out, "attention");
    same(again, "attention that keeps nothing");
    same(dq, "gradient of the queries");
    same(dkv, "gradient of keys and values");
    release_ints(4, queries.offsets, keys.offsets, pairs.offsets, drop_keys);
    release(3, q, kv, dout);
}

static void check_shared_attention(int64_t n, int64_t most, int64_t heads, int64_t dim, double rate) {
    struct ragged rows = random_segments(n, most);
    dev_int keys = random_ints(n, 0, 1000000);
    struct dropout dropout = {rate, 3, 8, 1};
    dev_real q = values(n * heads * dim), x = values(rows.n_rows * dim), dout = values(n * heads * dim),
             dsums = values(n * heads);
    struct pair probs = pair(heads * rows.n_rows), out = pair(n * heads * dim), sums = pair(n * heads),
                dq = pair(n * heads * dim), dx = pair(rows.n_rows * dim);
    double scale = 1 / sqrt((double)dim);
    BOTH(shared_attention, rows, heads, dim, scale, keys, dropout, q, x, probs.on[d], out.on[d], sums.on[d]);
    BOTH(shared_attention_backward, rows, heads, dim, scale, keys, dropout, q, x, probs.on[0], dout, dsums, dq.on[d],
         dx.on[d]);
    same(probs, "probabilities of shared attention");
    same(out, "shared attention");
    same(sums, "sums of shared attention");
    same(dq, "gradient of the shared queries");
    same(dx, "gradient of the shared rows");
    release_ints(2, rows.offsets, keys);
    release(4, q, x, dout, dsums);
}

static void attention_is_the_cpus(void **state) {
    (void)state;
    static const double RATES[] = {0, 0.1};
    for (int r = 0; r < 2; r++) {
        check_attention(0, 0, 0, 1, 4, RATES[r]);
        check_attention(1, 1, 0, 2, 8, RATES[r]);
        check_attention(3, 2, 2, 1, 1, RATES[r]);
        check_attention(20, 3, 20, 4, 64, RATES[r]);
        check_attention(6, 12, 12, 3, 96, RATES[r]);
        check_attention(3, 1, 100, 2, 10, RATES[r]);
        check_attention(2, 20, 70, 1, 130, RATES[r]);
        check_attention(4, 8, 8, 2, 128, RATES[r]);
        check_attention(2, 3, 9, 2, 1200, RATES[r]);
        check_attention(5, 60, 5, 4, 64, RATES[r]); /* more queries than a block has at once, few keys */
        check_shared_attention(0, 0, 2, 4, RATES[r]);
        check_shared_attention(1, 0, 2, 4, RATES[r]);
        check_shared_attention(2, 1, 1, 1, RATES[r]);
        check_shared_attention(20, 12, 4, 64, RATES[r]);
        check_shared_attention(5, 9, 4, 768, RATES[r]);
        check_shared_attention(3, 100, 3, 33, RATES[r]);
    }
}

/* ---- the frozen transformer, the quantiser, the contrastive loss ---- */
static void linear_maps_are_the_cpus(void **state) {
    (void)state;
    static const int64_t SIZES[][3] = {{1, 1, 1}, {3, 5, 7}, {257, 64, 33}, {33, 100, 257}, {300, 384, 128}};
    for (int s = 0; s < 5; s++)
        for (int f = ACTIVATION_NONE; f <= ACTIVATION_GELU_TANH; f++) {
            int64_t rows = SIZES[s][0], in = SIZES[s][1], out = SIZES[s][2];
            dev_real w = values(out * in), b = values(out), x = values(rows * in);
            struct pair y = pair(rows * out);
            struct linear *on[2] = {reference.run->linear_pack(&reference, in, out, w.at, b.at, PRODUCTS_F32),
                                    device.run->linear_pack(&device, in, out, w.at, b.at, PRODUCTS_F32)};
            assert_non_null(on[0]);
            assert_non_null(on[1]);
            BOTH(linear, on[d], rows, x, (enum activation)f, y.on[d]);
            same(y, "linear");
            reference.run->linear_free(on[0]);
            device.run->linear_free(on[1]);
            release(3, w, b, x);
        }
}

static void check_quantizer(int64_t n, int64_t dim, int64_t size, int64_t first, int64_t last, int64_t k) {
    dev_real u = values(n * dim), c = values(size * dim), dq = values(n * dim);
    dev_int index[2] = {device_alloc_ints(&device, n * k), device_alloc_ints(&device, n * k)};
    struct pair w = pair(n * k), q = pair(n * dim), du = pair(n * dim), dc = pair(size * dim), du_alone = pair(n * dim),
                picks = pair(size * (dim + 1)), average = pair(size * (dim + 1)), moved = pair(size * dim);
    normalize_rows(u, n, dim);
    normalize_rows(c, size, dim);
    BOTH(quantize, n, dim, first, last, k, u, c, index[d], w.on[d], q.on[d]);
    /* Where float32 rounds two near distances differently, two picks change places: rare, and the weights are near. */
    int64_t others = 0;
    for (int64_t i = 0; i < n * k; i++) others += index[0].at[i] != index[1].at[i];
    assert_true(others <= 2 + n * k / 500);
    /* from here on both work with the CPU's picks */
    BOTH(quantize_backward, n, dim, k, u, c, index[0], w.on[0], dq, du.on[d], dc.on[d]);
    BOTH(quantize_backward, n, dim, k, u, c, index[0], w.on[0], dq, du_alone.on[d], (dev_real){NULL});
    for (int64_t i = 0; i < size * (dim + 1); i++)
        picks.on[0].at[i] = picks.on[1].at[i] = 0, average.on[0].at[i] = average.on[1].at[i] = (real)(2 + uniform());
    BOTH(sum_picks, n, dim, k, u, index[0], w.on[0], picks.on[d]);
    BOTH(ema_rows, size, dim, 0.9, 1e-3, picks.on[0], average.on[d], moved.on[d]);
    same(w, "weights");
    if (others == 0)
        same(q, "quantised vectors");
    else
        release(2, q.on[0], q.on[1]);
    same(du, "gradient of u");
    same(dc, "gradient of the codebook");
    same(du_alone, "gradient of u alone");
    same(picks, "picks");
    same(average, "average");
    same(moved, "moved rows");
    release_ints(2, index[0], index[1]);
    release(3, u, c, dq);
}

static void the_quantizer_is_the_cpus(void **state) {
    (void)state;
    check_quantizer(0, 4, 9, 0, 9, 3);
    check_quantizer(1, 1, 6, 2, 5, 3);
    check_quantizer(5, 3, 40, 7, 31, 5);
    check_quantizer(33, 33, 257, 0, 257, 1);
    check_quantizer(130, 64, 3001, 1000, 3001, 5);
    check_quantizer(65, 64, 700, 3, 700, 16);
    check_quantizer(40, 257, 300, 0, 300, 5);
}

int test_parity(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_the_cpus),     cmocka_unit_test(products_are_the_cpus),
        cmocka_unit_test(matrices_are_the_cpus),    cmocka_unit_test(norms_are_the_cpus),
        cmocka_unit_test(rows_are_the_cpus),        cmocka_unit_test(segments_are_the_cpus),
        cmocka_unit_test(graphs_are_the_cpus),      cmocka_unit_test(attention_is_the_cpus),
        cmocka_unit_test(linear_maps_are_the_cpus), cmocka_unit_test(the_quantizer_is_the_cpus),
    };
    if (device_open_cpu(&reference, 2)) return 1;
    int failed = cmocka_run_group_tests_name("parity with the CPU", tests, NULL, NULL);
    device_close(&reference);
    return failed;
}
