/* Every primitive against plain double-precision loops, over shapes that are empty, one, odd and large; every backward against
 * central differences of its forward (in the double build, where rounding does not stand in the way).
 *
 * The same source is built against both builds of the library. Each test runs on every backend present. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dropout.h"
#include "kernels.h"
#include "philox.h"

#ifdef MEDTOK_REAL_DOUBLE
/* Sums of a few hundred terms of size 1 in double. */
static const double TOLERANCE = 1e-11;
#else
/* float32: 2^-24 relative for each of up to ~700 terms of size 1 in a sum, which add up like a random walk. */
static const double TOLERANCE = 2e-5;
#endif

static struct device device;
#define RUN(name, ...) device.run->name(&device, __VA_ARGS__)

static int open_device(void **state) {
    (void)state;
    return device_open_cpu(&device, 2);
}

static int close_device(void **state) {
    (void)state;
    device_close(&device);
    return 0;
}

/* ---- data ---- */
static uint64_t counter;

static double uniform(void) {
    uint32_t w[4];
    philox4x32(99, 1, 0, counter++, 0, w);
    return w[0] * 0x1p-31 - 1;
}

static dev_real zeros(int64_t n) {
    dev_real x = device_alloc_reals(&device, n);
    for (int64_t i = 0; i < n; i++) x.at[i] = 0;
    return x;
}

static dev_real values(int64_t n) {
    dev_real x = device_alloc_reals(&device, n);
    for (int64_t i = 0; i < n; i++) x.at[i] = (real)uniform();
    return x;
}

static dev_int ints(const int32_t *from, int64_t n) {
    dev_int x = device_alloc_ints(&device, n);
    for (int64_t i = 0; i < n; i++) x.at[i] = from[i];
    return x;
}

/* n segments */
static struct ragged segments(const int32_t *offsets, int64_t n) {
    return (struct ragged){n, offsets[n], ints(offsets, n + 1)};
}

static void release(int n, ...) {
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++) device_free_reals(&device, va_arg(args, dev_real));
    va_end(args);
}

static void close_to(double found, double wanted, const char *what, int64_t i) {
    if (!(fabs(found - wanted) <= TOLERANCE * (1 + fabs(wanted))))
        fail_msg("%s[%lld] is %.9g, not %.9g", what, (long long)i, found, wanted);
}

/* d(sum_i r_i out_i)/dx against `gradient`, by moving each x. `forward` fills out[n_out] from x. */
static void check_gradient(const char *what, dev_real x, int64_t n, dev_real gradient, const real *r, dev_real out,
                           int64_t n_out, void (*forward)(void *), void *context) {
#ifdef MEDTOK_REAL_DOUBLE
    for (int64_t i = 0; i < n; i++) {
        double old = x.at[i], step = 1e-6, sum[2] = {0, 0};
        for (int s = 0; s < 2; s++) {
            x.at[i] = old + (s ? step : -step);
            forward(context);
            for (int64_t k = 0; k < n_out; k++) sum[s] += r[k] * out.at[k];
        }
        x.at[i] = old;
        double slope = (sum[1] - sum[0]) / (2 * step);
        /* h^2 f''' / 6 and 1e-16 |f| / h are both below 1e-8 here. */
        if (!(fabs(slope - gradient.at[i]) < 1e-6 * (1 + fabs(slope))))
            fail_msg("gradient of %s[%lld] is %.9g, not %.9g", what, (long long)i, gradient.at[i], slope);
    }
#else
    (void)what, (void)x, (void)r, (void)out, (void)n_out, (void)forward, (void)context;
    for (int64_t i = 0; i < n; i++) assert_true(isfinite(gradient.at[i]));
#endif
}

static const int64_t SHAPES[][2] = {{0, 4}, {1, 1}, {3, 5}, {17, 64}, {300, 64}, {700, 33}};
enum { N_SHAPES = sizeof SHAPES / sizeof *SHAPES };

/* ---- Philox ---- */
static void philox_gives_the_known_answers(void **state) {
    (void)state;
    /* kat_vectors of the Random123 library */
    uint32_t zero[4] = {0, 0, 0, 0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
    uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    static const uint32_t ZERO[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    static const uint32_t ONES[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    static const uint32_t PI[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    philox_rounds(0, 0, zero);
    philox_rounds(~0u, ~0u, ones);
    philox_rounds(0xa4093822, 0x299f31d0, pi);
    assert_memory_equal(zero, ZERO, sizeof ZERO);
    assert_memory_equal(ones, ONES, sizeof ONES);
    assert_memory_equal(pi, PI, sizeof PI);
}

/* ---- vectors ---- */
static void vectors_agree_with_plain_loops(void **state) {
    (void)state;
    static const int64_t SIZES[] = {0, 1, 7, 1000, 100003};
    for (int s = 0; s < 5; s++) {
        int64_t n = SIZES[s];
        dev_real a = values(n), b = values(n), y = values(n), out = values(1), d = zeros(n);
        double dot = out.at[0], distance = 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            dot += 0.5 * a.at[i] * (double)b.at[i];
            distance += 2 * (a.at[i] - (double)b.at[i]) * (a.at[i] - (double)b.at[i]);
            square += a.at[i] * (double)a.at[i];
        }
        RUN(dot, n, 0.5, a, b, out);
        close_to(out.at[0], dot, "dot", 0);
        out.at[0] = 0;
        RUN(squared_distance, n, 2, a, b, out);
        close_to(out.at[0], distance, "distance", 0);
        out.at[0] = 1;
        RUN(norm_loss, n, 3, a, out, d);
        close_to(out.at[0], 1 + 3 * sqrt(square), "norm loss", 0);
        for (int64_t i = 0; i < n; i++) close_to(d.at[i], 3 * a.at[i] / sqrt(square), "norm gradient", i);
        double *wanted = malloc((size_t)(n + 1) * sizeof *wanted);
        for (int64_t i = 0; i < n; i++) wanted[i] = y.at[i] - 0.25 * a.at[i] + 2 * 0.5 * (a.at[i] - (double)b.at[i]);
        RUN(axpy, n, -0.25, a, y);
        RUN(squared_distance_backward, n, 0.5, a, b, y);
        for (int64_t i = 0; i < n; i++) close_to(y.at[i], wanted[i], "axpy", i);
        RUN(count_nonfinite, n, a, out);
        assert_true(out.at[0] == 0);
        if (n > 5) {
            a.at[1] = NAN;
            a.at[n - 1] = INFINITY;
            RUN(count_nonfinite, n, a, out);
            assert_true(out.at[0] == 2);
        }
        free(wanted);
        release(5, a, b, y, out, d);
    }
}

static void adam_follows_the_published_update(void **state) {
    (void)state;
    enum { N = 5 };
    dev_real g = values(N), p = values(N), m = zeros(N), v = zeros(N);
    double ep[N], em[N] = {0}, ev[N] = {0};
    for (int i = 0; i < N; i++) ep[i] = p.at[i];
    for (int step = 1; step <= 4; step++) {
        struct adam adam = {0.01, 0.9, 0.95, 1e-8, 0.1, step, 0.5};
        RUN(adam, N, adam, g, p, m, v);
        for (int i = 0; i < N; i++) {
            double gi = 0.5 * g.at[i];
            em[i] = 0.9 * em[i] + 0.1 * gi;
            ev[i] = 0.95 * ev[i] + 0.05 * gi * gi;
            ep[i] -= 0.01 * 0.1 * ep[i];
            ep[i] -= 0.01 * (em[i] / (1 - pow(0.9, step))) / (sqrt(ev[i] / (1 - pow(0.95, step))) + 1e-8);
            close_to(p.at[i], ep[i], "adam", i);
        }
    }
    release(4, g, p, m, v);
}

/* ---- matrices ---- */
static void gemm_agrees_with_plain_loops(void **state) {
    (void)state;
    static const int64_t SIZES[][3] = {{0, 3, 2}, {1, 1, 1}, {3, 5, 0}, {7, 5, 3}, {65, 33, 129}, {128, 200, 64}};
    for (int s = 0; s < 6; s++)
        for (int t = 0; t < 4; t++) {
            int64_t m = SIZES[s][0], n = SIZES[s][1], k = SIZES[s][2];
            int64_t lda = (t & 1 ? m : k) + 2, ldb = (t & 2 ? k : n) + 1, ldc = n + 3;
            dev_real a = values((m + k + 2) * lda), b = values((n + k + 2) * ldb), c = values((m + 1) * ldc);
            dev_real before = zeros((m + 1) * ldc);
            memcpy(before.at, c.at, (size_t)((m + 1) * ldc) * sizeof(real));
            RUN(gemm, t & 1, t >> 1, m, n, k, 0.7, a, lda, b, ldb, 0.3, c, ldc);
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < ldc; j++) {
                    double sum = 0;
                    for (int64_t l = 0; l < k; l++)
                        sum +=
                            (double)a.at[t & 1 ? l * lda + i : i * lda + l] * b.at[t & 2 ? j * ldb + l : l * ldb + j];
                    double old = before.at[i * ldc + j];
                    close_to(c.at[i * ldc + j], j < n ? 0.7 * sum + 0.3 * old : old, "gemm", i);
                }
            release(4, a, b, c, before);
        }
}

struct rows_call {
    int64_t rows, cols;
    dev_real x, gain, bias, y, mean, rstd, norm;
};

static void run_layer_norm(void *context) {
    struct rows_call *c = context;
    RUN(layer_norm, c->rows, c->cols, c->x, c->gain, c->bias, c->y, c->mean, c->rstd);
}

static void run_l2_normalize(void *context) {
    struct rows_call *c = context;
    RUN(l2_normalize, c->rows, c->cols, c->x, c->y, c->norm);
}

static void layer_norm_agrees_and_differentiates(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t rows = SHAPES[s][0], cols = SHAPES[s][1], n = rows * cols;
        struct rows_call c = {rows,     cols,        values(n),   values(cols), values(cols),
                              zeros(n), zeros(rows), zeros(rows), zeros(rows)};
        run_layer_norm(&c);
        for (int64_t r = 0; r < rows; r++) {
            double mean = 0, variance = 0;
            for (int64_t j = 0; j < cols; j++) mean += (double)c.x.at[r * cols + j] / (double)cols;
            for (int64_t j = 0; j < cols; j++) variance += pow(c.x.at[r * cols + j] - mean, 2) / (double)cols;
            for (int64_t j = 0; j < cols; j++)
                close_to(c.y.at[r * cols + j],
                         (c.x.at[r * cols + j] - mean) / sqrt(variance + 1e-5) * c.gain.at[j] + c.bias.at[j],
                         "layer norm", r);
        }
        if (n > 0 && n < 2000) {
            dev_real dy = values(n), dx = zeros(n), dg = zeros(cols), db = zeros(cols);
            RUN(layer_norm_backward, rows, cols, c.x, c.gain, c.mean, c.rstd, dy, dx, dg, db);
            check_gradient("x", c.x, n, dx, dy.at, c.y, n, run_layer_norm, &c);
            check_gradient("gain", c.gain, cols, dg, dy.at, c.y, n, run_layer_norm, &c);
            check_gradient("bias", c.bias, cols, db, dy.at, c.y, n, run_layer_norm, &c);
            release(4, dy, dx, dg, db);
        }
        release(7, c.x, c.gain, c.bias, c.y, c.mean, c.rstd, c.norm);
    }
}

static void l2_normalize_agrees_and_differentiates(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t rows = SHAPES[s][0], cols = SHAPES[s][1], n = rows * cols;
        struct rows_call c = {.rows = rows, .cols = cols, .x = values(n), .y = zeros(n), .norm = zeros(rows)};
        run_l2_normalize(&c);
        for (int64_t r = 0; r < rows; r++) {
            double square = 0;
            for (int64_t j = 0; j < cols; j++) square += pow(c.x.at[r * cols + j], 2);
            for (int64_t j = 0; j < cols; j++)
                close_to(c.y.at[r * cols + j], c.x.at[r * cols + j] / sqrt(square), "l2", r);
        }
        if (n > 1 && n < 2000) {
            dev_real dy = values(n), dx = zeros(n);
            RUN(l2_normalize_backward, rows, cols, c.y, c.norm, dy, dx);
            check_gradient("x", c.x, n, dx, dy.at, c.y, n, run_l2_normalize, &c);
            release(2, dy, dx);
        }
        release(3, c.x, c.y, c.norm);
    }
    dev_real x = zeros(3), y = values(3), norm = zeros(1);
    RUN(l2_normalize, 1, 3, x, y, norm); /* the zero vector stays zero */
    for (int i = 0; i < 3; i++) assert_true(y.at[i] == 0);
    release(3, x, y, norm);
}

static void row_sums_bias_relu_and_copies_agree(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t rows = SHAPES[s][0], cols = SHAPES[s][1], n = rows * cols;
        dev_real x = values(n), bias = values(cols), y = zeros(n), sum = zeros(cols), wide = values(rows * (cols + 2)),
                 dx = zeros(n);
        RUN(copy_matrix, rows, cols, x, cols, y, cols, 0);
        RUN(add_bias, rows, cols, bias, y);
        RUN(sum_rows, rows, cols, y, sum);
        for (int64_t j = 0; j < cols; j++) {
            double wanted = 0;
            for (int64_t r = 0; r < rows; r++) wanted += (double)x.at[r * cols + j] + bias.at[j];
            close_to(sum.at[j], wanted, "sum", j);
        }
        RUN(copy_matrix, rows, cols, x, cols, dx, cols, 0);
        RUN(relu, n, y);
        RUN(relu_backward, n, y, dx);
        for (int64_t i = 0; i < n; i++) {
            double before = (double)x.at[i] + bias.at[i % cols];
            close_to(y.at[i], before > 0 ? before : 0, "relu", i);
            close_to(dx.at[i], before > 0 ? x.at[i] : 0, "relu gradient", i);
        }
        double edge = rows ? wide.at[cols] : 0, inside = rows ? wide.at[0] : 0;
        RUN(copy_matrix, rows, cols, x, cols, wide, cols + 2, 1);
        if (rows) {
            close_to(wide.at[0], inside + x.at[0], "copy", 0);
            close_to(wide.at[cols], edge, "copy beyond the columns", 0);
        }
        release(6, x, bias, y, sum, wide, dx);
    }
}

/* ---- rows and segments ---- */
static void gather_and_scatter_are_transposes(void **state) {
    (void)state;
    static const int32_t INDEX[] = {3, 0, 3, -1, 2, 3};
    dev_int index = ints(INDEX, 6);
    dev_real table = values(4 * 5), out = values(6 * 5), sum = zeros(4 * 5);
    RUN(gather_rows, 6, 5, table, index, out);
    for (int i = 0; i < 6; i++)
        for (int c = 0; c < 5; c++)
            close_to(out.at[i * 5 + c], INDEX[i] < 0 ? 0 : table.at[INDEX[i] * 5 + c], "gather", i);
    RUN(scatter_add_rows, 6, 5, out, index, sum);
    for (int c = 0; c < 5; c++) {
        close_to(sum.at[3 * 5 + c], 3 * (double)table.at[3 * 5 + c], "scatter", c);
        close_to(sum.at[5 + c], 0, "scatter", c);
    }
    device_free_ints(&device, index);
    release(3, table, out, sum);
}

static void segment_mean_agrees_and_passes_empty_segments(void **state) {
    (void)state;
    static const int32_t OFFSETS[] = {0, 3, 3, 4, 9};
    struct ragged rows = segments(OFFSETS, 4);
    dev_real x = values(9 * 7), y = values(4 * 7), dy = values(4 * 7), dx = zeros(9 * 7);
    RUN(segment_mean, rows, 7, x, y);
    RUN(segment_mean_backward, rows, 7, dy, dx);
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < 7; c++) {
            double sum = 0;
            int n = OFFSETS[i + 1] - OFFSETS[i];
            for (int r = OFFSETS[i]; r < OFFSETS[i + 1]; r++) sum += x.at[r * 7 + c];
            close_to(y.at[i * 7 + c], n ? sum / n : 0, "mean", i);
            for (int r = OFFSETS[i]; r < OFFSETS[i + 1]; r++)
                close_to(dx.at[r * 7 + c], dy.at[i * 7 + c] / n, "gradient", r);
        }
    device_free_ints(&device, rows.offsets);
    release(4, x, y, dy, dx);
}

static void dropout_drops_its_share_by_key_and_is_its_own_backward(void **state) {
    (void)state;
    enum { COLS = 37, ROWS = 2000 };
    static const int32_t OFFSETS[] = {0, 700, 700, ROWS}, KEYS[] = {12, 5, 1000000};
    struct dropout dropout = {0.1, 42, 7, 3};
    struct ragged rows = segments(OFFSETS, 3);
    dev_int keys = ints(KEYS, 3);
    dev_real x = values(ROWS * COLS), y = zeros(ROWS * COLS), again = values(ROWS * COLS);
    memcpy(again.at, y.at, ROWS * COLS * sizeof(real));
    RUN(dropout, rows, COLS, keys, dropout, x, y, 0);
    RUN(dropout, rows, COLS, keys, dropout, x, again, 1);
    int64_t dropped = 0;
    for (int s = 0; s < 3; s++)
        for (int64_t e = 0; e < (int64_t)(OFFSETS[s + 1] - OFFSETS[s]) * COLS; e++) {
            int64_t i = (int64_t)OFFSETS[s] * COLS + e;
            int keeps = dropout_keeps(dropout, (uint64_t)KEYS[s], (uint64_t)e);
            close_to(y.at[i], keeps ? x.at[i] / 0.9 : 0, "dropout", i);
            close_to(again.at[i], y.at[i], "accumulated", i);
            dropped += !keeps;
        }
    /* 74,000 draws of probability 0.1: standard deviation 82. Five of them. */
    assert_true(fabs((double)dropped - 7400) < 410);
    dropout.step++;
    RUN(dropout, rows, COLS, keys, dropout, x, again, 0);
    int64_t same = 0;
    for (int64_t i = 0; i < ROWS * COLS; i++) same += (again.at[i] == 0) == (y.at[i] == 0);
    assert_true(same < ROWS * COLS * 9 / 10); /* another step, another mask */
    device_free_ints(&device, rows.offsets);
    device_free_ints(&device, keys);
    release(3, x, y, again);
}

/* ---- graphs: three graphs, the second empty; a node without edges; a hub ---- */
enum { NODES = 8, GCN_COLS = 5 };
static const int32_t GRAPH_OFFSETS[] = {0, 3, 3, 8}, EDGE_OFFSETS[] = {0, 2, 3, 3, 7, 8, 9, 10, 11};
static const int32_t SOURCES[] = {1, 2, 0, 4, 5, 6, 7, 3, 3, 3, 6};

struct gcn_call {
    struct ragged graphs;
    struct edges edges;
    dev_real scale, x, y;
};

static void run_gcn(void *context) {
    struct gcn_call *c = context;
    RUN(gcn_aggregate, c->graphs, c->edges, GCN_COLS, c->scale, c->x, c->y);
}

static void gcn_aggregates_as_the_dense_formula(void **state) {
    (void)state;
    struct gcn_call c = {segments(GRAPH_OFFSETS, 3), {11, ints(EDGE_OFFSETS, 9), ints(SOURCES, 11)},
                         zeros(NODES),           values(NODES * GCN_COLS), values(NODES * GCN_COLS)};
    RUN(gcn_scale, NODES, c.edges.offsets, c.scale);
    run_gcn(&c);
    double a[NODES][NODES] = {{0}}, degree[NODES];
    for (int v = 0; v < NODES; v++) {
        a[v][v] = 1;
        for (int e = EDGE_OFFSETS[v]; e < EDGE_OFFSETS[v + 1]; e++) a[v][SOURCES[e]] += 1;
        degree[v] = 1 + EDGE_OFFSETS[v + 1] - EDGE_OFFSETS[v];
    }
    for (int v = 0; v < NODES; v++)
        for (int k = 0; k < GCN_COLS; k++) {
            double sum = 0;
            for (int u = 0; u < NODES; u++) sum += a[v][u] / sqrt(degree[v] * degree[u]) * c.x.at[u * GCN_COLS + k];
            close_to(c.y.at[v * GCN_COLS + k], sum, "gcn", v);
        }
    dev_real dy = values(NODES * GCN_COLS), dx = zeros(NODES * GCN_COLS);
    RUN(gcn_aggregate_backward, c.graphs, c.edges, GCN_COLS, c.scale, dy, dx);
    check_gradient("x", c.x, NODES * GCN_COLS, dx, dy.at, c.y, NODES * GCN_COLS, run_gcn, &c);
    device_free_ints(&device, c.graphs.offsets);
    device_free_ints(&device, c.edges.offsets);
    device_free_ints(&device, c.edges.sources);
    release(5, c.scale, c.x, c.y, dy, dx);
}

/* ---- graph attention on the same graphs, one edge listed twice ---- */
enum { GAT_PLACES = NODES + 11 };
static const int32_t GAT_SOURCES[] = {1, 1, 0, 4, 5, 6, 7, 3, 3, 3, 6};

struct gat_call {
    int64_t heads, cols;
    struct ragged graphs;
    struct edges edges;
    dev_real source, target, x, probs, y;
};

static void run_gat(void *context) {
    struct gat_call *c = context;
    RUN(graph_attention, c->graphs, c->edges, c->heads, c->cols, c->source, c->target, c->x, c->probs,
        c->y);
}

/* One head of one node, from a list of its neighbours. */
static void check_gat_node(const struct gat_call *c, int v, int64_t h) {
    int from[NODES + 1] = {v}, n = 1;
    double e[NODES + 1], total = 0;
    for (int k = EDGE_OFFSETS[v]; k < EDGE_OFFSETS[v + 1]; k++) from[n++] = GAT_SOURCES[k];
    for (int k = 0; k < n; k++) {
        double logit = (double)c->source.at[from[k] * c->heads + h] + c->target.at[v * c->heads + h];
        total += e[k] = exp(logit > 0 ? logit : 0.2 * logit);
    }
    for (int k = 0; k < n; k++)
        close_to(c->probs.at[(EDGE_OFFSETS[v] + v + k) * c->heads + h], e[k] / total, "probability", v);
    for (int64_t j = h * c->cols; j < (h + 1) * c->cols; j++) {
        double sum = 0;
        for (int k = 0; k < n; k++) sum += e[k] / total * c->x.at[from[k] * c->heads * c->cols + j];
        close_to(c->y.at[v * c->heads * c->cols + j], sum, "graph attention", v);
    }
}

static void check_gat(int64_t heads, int64_t cols) {
    int64_t n = NODES * heads, values_of_x = n * cols;
    struct gat_call c = {heads,     cols,      segments(GRAPH_OFFSETS, 3), {11, ints(EDGE_OFFSETS, 9),     ints(GAT_SOURCES, 11)},
                         values(n), values(n), values(values_of_x),    zeros(GAT_PLACES * heads), values(values_of_x)};
    run_gat(&c);
    for (int v = 0; v < NODES; v++)
        for (int64_t h = 0; h < heads; h++) check_gat_node(&c, v, h);
    dev_real dy = values(values_of_x), dsource = zeros(n), dtarget = zeros(n), dx = zeros(values_of_x);
    RUN(graph_attention_backward, c.graphs, c.edges, heads, cols, c.source, c.target, c.x, c.probs, dy,
        dsource, dtarget, dx);
    check_gradient("source", c.source, n, dsource, dy.at, c.y, values_of_x, run_gat, &c);
    check_gradient("target", c.target, n, dtarget, dy.at, c.y, values_of_x, run_gat, &c);
    check_gradient("x", c.x, values_of_x, dx, dy.at, c.y, values_of_x, run_gat, &c);
    device_free_ints(&device, c.graphs.offsets);
    device_free_ints(&device, c.edges.offsets);
    device_free_ints(&device, c.edges.sources);
    release(9, c.source, c.target, c.x, c.probs, c.y, dy, dsource, dtarget, dx);
}

static void graph_attention_agrees_and_differentiates(void **state) {
    (void)state;
    check_gat(1, 5);
    check_gat(4, 3);
    struct ragged nodes = segments((const int32_t[]){0}, 0);
    struct edges edges = {0, nodes.offsets, nodes.offsets};
    dev_real nothing = zeros(1);
    RUN(graph_attention, nodes, edges, 2, 3, nothing, nothing, nothing, nothing, nothing);
    RUN(graph_attention_backward, nodes, edges, 2, 3, nothing, nothing, nothing, nothing, nothing, nothing,
        nothing, nothing);
    assert_true(nothing.at[0] == 0);
    device_free_ints(&device, nodes.offsets);
    release(1, nothing);
}

struct head_dots_call {
    int64_t rows, heads, cols;
    dev_real x, a, out;
};

static void run_head_dots(void *context) {
    struct head_dots_call *c = context;
    RUN(head_dots, c->rows, c->heads, c->cols, c->x, c->a, c->out);
}

static void check_head_dots(int64_t rows, int64_t heads, int64_t cols) {
    int64_t n = rows * heads, width = heads * cols;
    struct head_dots_call c = {rows, heads, cols, values(n * cols), values(width), values(n)};
    run_head_dots(&c);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < cols; j++) sum += (double)c.x.at[i * cols + j] * c.a.at[i % heads * cols + j];
        close_to(c.out.at[i], sum, "head dot", i);
    }
    dev_real dout = values(n), dx = zeros(n * cols), da = zeros(width);
    RUN(head_dots_backward, rows, heads, cols, c.x, c.a, dout, dx, da);
    for (int64_t j = 0; j < width; j++) {
        double sum = 0;
        for (int64_t r = 0; r < rows; r++) sum += (double)dout.at[r * heads + j / cols] * c.x.at[r * width + j];
        close_to(da.at[j], sum, "gradient of the vector", j);
    }
    if (n * cols < 400) check_gradient("x", c.x, n * cols, dx, dout.at, c.out, n, run_head_dots, &c);
    release(6, c.x, c.a, c.out, dout, dx, da);
}

static void head_dots_agree_and_differentiate(void **state) {
    (void)state;
    check_head_dots(0, 2, 3);
    check_head_dots(1, 1, 1);
    check_head_dots(7, 3, 5);
    check_head_dots(700, 4, 33);
}

/* ---- attention: segments with one, no, and many keys ---- */
enum { A_DIM = 8, A_HEADS = 2, A_Q = 6, A_K = 9, A_PAIRS = 2 * 4 + 1 * 0 + 3 * 5 };
static const int32_t Q_OFFSETS[] = {0, 2, 3, 6}, K_OFFSETS[] = {0, 4, 4, 9}, PAIR_OFFSETS[] = {0, 8, 8, 23},
                     A_KEYS[] = {4, 9, 2};

struct attention_call {
    struct ragged queries, keys;
    struct attention_pairs pairs;
    dev_int drop_keys;
    struct dropout dropout;
    dev_real q, kv, probs, out;
};

static void run_attention(void *context) {
    struct attention_call *c = context;
    RUN(attention, c->queries, c->keys, c->pairs, A_HEADS, A_DIM, c->drop_keys, c->dropout, c->q, c->kv, c->probs,
        c->out);
}

static void check_attention(double rate) {
    struct attention_call c = {segments(Q_OFFSETS, 3), segments(K_OFFSETS, 3), {A_PAIRS, ints(PAIR_OFFSETS, 4)},
                               ints(A_KEYS, 3),         {rate, 3, 8, 1},          values(A_Q * A_DIM),
                               values(A_K * 2 * A_DIM), zeros(A_PAIRS * A_HEADS), values(A_Q * A_DIM)};
    run_attention(&c);
    for (int s = 0; s < 3; s++) {
        int nk = K_OFFSETS[s + 1] - K_OFFSETS[s];
        for (int r = Q_OFFSETS[s]; r < Q_OFFSETS[s + 1]; r++)
            for (int j = 0; j < A_DIM; j++) {
                int h = j / 4;
                double e[8], total = 0, sum = 0;
                for (int k = 0; k < nk; k++) {
                    double dot = 0;
                    for (int i = h * 4; i < h * 4 + 4; i++)
                        dot += (double)c.q.at[r * A_DIM + i] * c.kv.at[(K_OFFSETS[s] + k) * 2 * A_DIM + i];
                    total += e[k] = exp(dot / 2); /* sqrt(4) */
                }
                for (int k = 0; k < nk; k++) {
                    uint64_t element = (uint64_t)(((r - Q_OFFSETS[s]) * A_HEADS + h) * nk + k);
                    double f = rate == 0 ? 1 : dropout_keeps(c.dropout, (uint64_t)A_KEYS[s], element) / (1 - rate);
                    sum += f * e[k] / total * c.kv.at[(K_OFFSETS[s] + k) * 2 * A_DIM + A_DIM + j];
                }
                close_to(c.out.at[r * A_DIM + j], sum, "attention", r);
            }
    }
    dev_real g = values(A_Q * A_DIM), dq = zeros(A_Q * A_DIM), dkv = zeros(A_K * 2 * A_DIM);
    RUN(attention_backward, c.queries, c.keys, c.pairs, A_HEADS, A_DIM, c.drop_keys, c.dropout, c.q, c.kv, c.probs,
        g, dq, dkv);
    check_gradient("q", c.q, A_Q * A_DIM, dq, g.at, c.out, A_Q * A_DIM, run_attention, &c);
    check_gradient("kv", c.kv, A_K * 2 * A_DIM, dkv, g.at, c.out, A_Q * A_DIM, run_attention, &c);
    device_free_ints(&device, c.queries.offsets);
    device_free_ints(&device, c.keys.offsets);
    device_free_ints(&device, c.pairs.offsets);
    device_free_ints(&device, c.drop_keys);
    release(7, c.q, c.kv, c.probs, c.out, g, dq, dkv);
}

static void attention_agrees_and_differentiates(void **state) {
    (void)state;
    check_attention(0);
    check_attention(0.3);
}

/* Wide heads and many queries take another way through the CPU's code: against plain loops, and kept probabilities against
 * none kept. */
static void attention_of_wide_heads_agrees(void **state) {
    (void)state;
    enum { HEADS = 3, WIDTH = 32, DIM = HEADS * WIDTH, MOST = 70 };
    static const int32_t Q[] = {0, 5, 5, 6, 46}, K[] = {0, 16, 17, 50, 120}, PAIRS[] = {0, 80, 80, 113, 2913};
    struct ragged queries = segments(Q, 4), keys = segments(K, 4);
    struct attention_pairs pairs = {2913, ints(PAIRS, 5)}, not_kept = {2913, {NULL}};
    dev_int none = {NULL};
    dev_real q = values(46 * DIM), kv = values(120 * 2 * DIM), out = values(46 * DIM), again = values(46 * DIM),
             probs = zeros(HEADS * 2913), nothing = {NULL};
    RUN(attention, queries, keys, pairs, HEADS, DIM, none, (struct dropout){0}, q, kv, probs, out);
    RUN(attention, queries, keys, not_kept, HEADS, DIM, none, (struct dropout){0}, q, kv, nothing, again);
    assert_memory_equal(out.at, again.at, 46 * DIM * sizeof(real));
    for (int s = 0; s < 4; s++)
        for (int r = Q[s]; r < Q[s + 1]; r++)
            for (int h = 0; h < HEADS; h++) {
                int nk = K[s + 1] - K[s];
                double e[MOST], total = 0;
                for (int k = 0; k < nk; k++) {
                    double dot = 0;
                    for (int i = h * WIDTH; i < (h + 1) * WIDTH; i++)
                        dot += (double)q.at[r * DIM + i] * kv.at[(K[s] + k) * 2 * DIM + i];
                    total += e[k] = exp(dot / sqrt(WIDTH));
                }
                for (int k = 0; k < nk; k++)
                    close_to(probs.at[HEADS * PAIRS[s] + ((r - Q[s]) * HEADS + h) * nk + k], e[k] / total, "p", k);
                for (int j = h * WIDTH; j < (h + 1) * WIDTH; j++) {
                    double sum = 0;
                    for (int k = 0; k < nk; k++) sum += e[k] / total * kv.at[(K[s] + k) * 2 * DIM + DIM + j];
                    close_to(out.at[r * DIM + j], sum, "attention", r);
                }
            }
    device_free_ints(&device, queries.offsets);
    device_free_ints(&device, keys.offsets);
    device_free_ints(&device, pairs.offsets);
    release(5, q, kv, out, again, probs);
}

/* ---- the frozen transformer ---- */
static double activated(double x, enum activation f) {
    switch (f) {
        case ACTIVATION_RELU: return x > 0 ? x : 0;
        case ACTIVATION_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
        case ACTIVATION_GELU_TANH: return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        default: return x;
    }
}

/* Rows of one block, of several, and one more. */
static void linear_maps_agree_with_plain_loops(void **state) {
    (void)state;
    enum { IN = 37, OUT = 29, MOST = 600 };
    static const int64_t ROWS[] = {0, 1, 255, 256, 257, MOST};
    dev_real w = values(OUT * IN), b = values(OUT), x = values(MOST * IN), y = values(MOST * OUT);
    struct linear *l = RUN(linear_pack, IN, OUT, w.at, b.at, PRODUCTS_F32);
    assert_non_null(l);
    for (int64_t i = 0; i < MOST * IN; i++) x.at[i] *= 2; /* into the curved and the flat parts of f */
    for (int f = ACTIVATION_NONE; f <= ACTIVATION_GELU_TANH; f++)
        for (size_t s = 0; s < sizeof ROWS / sizeof *ROWS; s++) {
            RUN(linear, l, ROWS[s], x, (enum activation)f, y);
            for (int64_t r = 0; r < ROWS[s]; r++)
                for (int64_t o = 0; o < OUT; o++) {
                    double sum = b.at[o];
                    for (int64_t i = 0; i < IN; i++) sum += (double)x.at[r * IN + i] * w.at[o * IN + i];
                    close_to(y.at[r * OUT + o], activated(sum, (enum activation)f), "linear", r);
                }
        }
    x.at[3] = NAN; /* is not lost */
    RUN(linear, l, 2, x, ACTIVATION_GELU, y);
    assert_true(isnan(y.at[0]) && !isnan(y.at[OUT]));
    RUN(linear, l, 2, x, ACTIVATION_RELU, y);
    assert_true(isnan(y.at[0]) && !isnan(y.at[OUT]));
    device.run->linear_free(l);
    release(4, w, b, x, y);
}

static void a_row_of_a_linear_map_does_not_depend_on_its_place(void **state) {
    (void)state;
    enum { IN = 384, OUT = 200, ROWS = 513 };
    for (int precision = PRODUCTS_F32; precision <= PRODUCTS_BF16; precision++) {
        dev_real w = values(OUT * IN), b = values(OUT), x = values(ROWS * IN), y = values(ROWS * OUT),
                 one = values(OUT);
        struct linear *l = RUN(linear_pack, IN, OUT, w.at, b.at, (enum precision_of_products)precision);
        if (!l && precision != PRODUCTS_F32) {
            assert_non_null(strstr(device_error(&device), precision == PRODUCTS_BF16 ? "bf16" : "tf32"));
            device.error[0] = 0; /* not on this processor, or not in this build */
            release(5, w, b, x, y, one);
            continue;
        }
        RUN(linear, l, ROWS, x, ACTIVATION_GELU, y);
        for (int64_t r = 0; r < ROWS; r += 37) {
            RUN(linear, l, 1, dev_real_at(x, r * IN), ACTIVATION_GELU, one);
            assert_memory_equal(one.at, y.at + r * OUT, OUT * sizeof(real));
        }
        if (precision == PRODUCTS_BF16) {
            double sum = b.at[5];
            for (int64_t i = 0; i < IN; i++) sum += (double)x.at[i] * w.at[5 * IN + i];
            /* two roundings to 8 bits a product, 384 products of size 1/3: about 2^-8 sqrt(384) / 3 */
            assert_true(fabs(y.at[5] - activated(sum, ACTIVATION_GELU)) < 0.1);
        }
        device.run->linear_free(l);
        release(5, w, b, x, y, one);
    }
}

static void embedding_and_residual_norm_agree(void **state) {
    (void)state;
    enum { N = 7, DIM = 24 };
    static const int32_t ID[] = {3, 0, 9, 9, 1, 2, 5}, PLACE[] = {0, 1, 2, 0, 1, 2, 3};
    dev_int id = ints(ID, N), place = ints(PLACE, N);
    dev_real words = values(10 * DIM), places = values(4 * DIM), y = values(N * DIM), gain = values(DIM),
             bias = values(DIM), x = values(N * DIM), nothing = {NULL};
    RUN(embed_tokens, N, DIM, words, id, places, place, y);
    for (int i = 0; i < N * DIM; i++)
        close_to(y.at[i], (double)words.at[ID[i / DIM] * DIM + i % DIM] + places.at[PLACE[i / DIM] * DIM + i % DIM],
                 "y", i);
    for (int residual = 0; residual < 2; residual++) {
        double sums[N * DIM];
        for (int i = 0; i < N * DIM; i++) sums[i] = (double)x.at[i] + (residual ? y.at[i] : 0);
        RUN(add_layer_norm, N, DIM, x, residual ? y : nothing, gain, bias, 0.25, x); /* in place */
        for (int r = 0; r < N; r++) {
            double mean = 0, square = 0;
            for (int c = 0; c < DIM; c++) mean += sums[r * DIM + c] / DIM;
            for (int c = 0; c < DIM; c++) square += pow(sums[r * DIM + c] - mean, 2) / DIM;
            for (int c = 0; c < DIM; c++)
                close_to(x.at[r * DIM + c], (sums[r * DIM + c] - mean) / sqrt(square + 0.25) * gain.at[c] + bias.at[c],
                         "norm", r);
        }
    }
    device_free_ints(&device, id);
    device_free_ints(&device, place);
    release(6, words, places, y, gain, bias, x);
}

/* ---- quantiser ---- */
static void normalize_rows(dev_real x, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        double square = 0;
        for (int64_t c = 0; c < cols; c++) square += pow(x.at[r * cols + c], 2);
        for (int64_t c = 0; c < cols; c++) x.at[r * cols + c] = (real)(x.at[r * cols + c] / sqrt(square));
    }
}

static void check_quantize(int64_t n, int64_t dim, int64_t size, int64_t first, int64_t last, int64_t k) {
    dev_real u = values(n * dim), c = values(size * dim), w = values(n * k), q = values(n * dim);
    dev_int index = device_alloc_ints(&device, n * k);
    normalize_rows(u, n, dim);
    normalize_rows(c, size, dim);
    RUN(quantize, n, dim, first, last, k, u, c, index, w, q);
    for (int64_t i = 0; i < n; i++) {
        double worst = 0, total = 0, e[16];
        for (int64_t j = 0; j < k; j++) {
            int32_t row = index.at[i * k + j];
            double distance = 0;
            assert_true(row >= first && row < last);
            for (int64_t l = 0; l < j; l++) assert_true(index.at[i * k + l] != row);
            for (int64_t l = 0; l < dim; l++) distance += pow((double)u.at[i * dim + l] - c.at[row * dim + l], 2);
            assert_true(distance >= worst - 1e-5); /* nearest first */
            if (distance > worst) worst = distance;
            total += e[j] = exp(-distance);
        }
        for (int64_t r = first; r < last; r++) { /* nothing outside the list is nearer than its last */
            double distance = 0;
            int listed = 0;
            for (int64_t j = 0; j < k; j++) listed |= index.at[i * k + j] == r;
            for (int64_t l = 0; l < dim; l++) distance += pow((double)u.at[i * dim + l] - c.at[r * dim + l], 2);
            assert_true(listed || distance >= worst - 1e-5); /* float32 distances near 2 are off by 1e-6 */
        }
        for (int64_t j = 0; j < k; j++) close_to(w.at[i * k + j], e[j] / total, "weight", i);
        for (int64_t l = 0; l < dim; l++) {
            double sum = 0;
            for (int64_t j = 0; j < k; j++) sum += e[j] / total * c.at[index.at[i * k + j] * dim + l];
            close_to(q.at[i * dim + l], sum, "q", i);
        }
    }
    device_free_ints(&device, index);
    release(4, u, c, w, q);
}

static void quantize_finds_the_nearest_rows(void **state) {
    (void)state;
    check_quantize(0, 4, 9, 0, 9, 3);
    check_quantize(1, 1, 6, 2, 5, 3);
    check_quantize(5, 3, 40, 7, 31, 5);
    check_quantize(150, 64, 1500, 500, 1500, 5);
    check_quantize(33, 64, 700, 0, 700, 16);
}

static void quantize_gives_ties_to_the_smaller_index(void **state) {
    (void)state;
    enum { DIM = 4, SIZE = 1200 };
    dev_real u = zeros(DIM), c = zeros(SIZE * DIM), w = zeros(5), q = zeros(DIM);
    dev_int index = device_alloc_ints(&device, 5);
    u.at[0] = 1;
    for (int i = 0; i < SIZE; i++) c.at[i * DIM + (i % 3 == 0 ? 0 : 1)] = 1; /* every third row is u itself */
    RUN(quantize, 1, DIM, 100, SIZE, 5, u, c, index, w, q);
    static const int32_t WANTED[] = {102, 105, 108, 111, 114};
    assert_memory_equal(index.at, WANTED, sizeof WANTED);
    device_free_ints(&device, index);
    release(4, u, c, w, q);
}

struct quantize_call {
    int64_t n, dim, size, k;
    dev_real u, c, w, q;
    dev_int index;
};

/* q from the listed rows alone, which is what is differentiated: with |u|^2 and |c|^2 in the distance. */
static void run_soft_mean(void *context) {
    struct quantize_call *a = context;
    for (int64_t i = 0; i < a->n; i++) {
        double e[16], total = 0;
        for (int64_t j = 0; j < a->k; j++) {
            double distance = 0;
            for (int64_t l = 0; l < a->dim; l++)
                distance += pow((double)a->u.at[i * a->dim + l] - a->c.at[a->index.at[i * a->k + j] * a->dim + l], 2);
            total += e[j] = exp(-distance);
        }
        for (int64_t l = 0; l < a->dim; l++) {
            double sum = 0;
            for (int64_t j = 0; j < a->k; j++) sum += e[j] / total * a->c.at[a->index.at[i * a->k + j] * a->dim + l];
            a->q.at[i * a->dim + l] = (real)sum;
        }
    }
}

static void quantize_differentiates(void **state) {
    (void)state;
    struct quantize_call a = {
        7, 5, 20, 4, values(35), values(100), zeros(28), zeros(35), device_alloc_ints(&device, 28)};
    normalize_rows(a.u, a.n, a.dim);
    normalize_rows(a.c, a.size, a.dim);
    RUN(quantize, a.n, a.dim, 0, a.size, a.k, a.u, a.c, a.index, a.w, a.q);
    dev_real g = values(35), du = zeros(35), dc = zeros(100);
    RUN(quantize_backward, a.n, a.dim, a.k, a.u, a.c, a.index, a.w, g, du, dc);
    check_gradient("u", a.u, 35, du, g.at, a.q, 35, run_soft_mean, &a);
    check_gradient("c", a.c, 100, dc, g.at, a.q, 35, run_soft_mean, &a);
    device_free_ints(&device, a.index);
    release(7, a.u, a.c, a.w, a.q, g, du, dc);
}

/* The sums of picks and the rows that their averages make, against the formulas of kernels.h. */
static void check_ema(int64_t n, int64_t dim, int64_t size, int64_t k) {
    dev_real u = values(n * dim), w = values(n * k), picks = zeros(size * (dim + 1)), average = zeros(size * (dim + 1));
    dev_real c = values(size * dim), blended = zeros(size * (dim + 1));
    dev_int index = device_alloc_ints(&device, n * k);
    double *sums = calloc((size_t)(size * (dim + 1)), sizeof *sums), total = 0;
    real *old = malloc((size_t)(size * dim) * sizeof *old);
    for (int64_t i = 0; i < n * k; i++) {
        index.at[i] = (int32_t)((i * 7 + i / k) % (size - 1)); /* the last row is never picked */
        w.at[i] = (real)(1.01 + w.at[i]);
    }
    for (int64_t i = 0; i < size * (dim + 1); i++) blended.at[i] = average.at[i] = (real)(1.5 + uniform());
    memcpy(old, c.at, (size_t)(size * dim) * sizeof *old);
    for (int64_t i = 0; i < n * k; i++)
        for (int64_t j = 0; j <= dim; j++)
            sums[index.at[i] * (dim + 1) + j] += w.at[i] * (j < dim ? (double)u.at[i / k * dim + j] : 1);
    RUN(sum_picks, n, dim, k, u, index, w, picks);
    for (int64_t i = 0; i < size * (dim + 1); i++) close_to(picks.at[i], sums[i], "picks", i);
    RUN(ema_rows, size, dim, 0.9, 0.01, picks, average, c);
    RUN(blend, size * (dim + 1), 0.9, picks, blended);
    for (int64_t i = 0; i < size * (dim + 1); i++) close_to(average.at[i], blended.at[i], "average", i);
    for (int64_t r = 0; r < size; r++) total += average.at[r * (dim + 1) + dim];
    for (int64_t r = 0; r < size; r++) {
        double count = total * (average.at[r * (dim + 1) + dim] + 0.01) / (total + 0.01 * (double)size);
        for (int64_t j = 0; j < dim; j++)
            close_to(c.at[r * dim + j],
                     sums[r * (dim + 1) + dim] > 0 ? average.at[r * (dim + 1) + j] / count : old[r * dim + j], "row",
                     r);
    }
    free(sums);
    free(old);
    device_free_ints(&device, index);
    release(6, u, w, picks, average, c, blended);
}

static void moving_averages_of_picks_agree_with_plain_loops(void **state) {
    (void)state;
    check_ema(0, 3, 4, 2);
    check_ema(1, 1, 3, 1);
    check_ema(9, 5, 40, 3);
    check_ema(700, 64, 90, 5);
}

/* ---- contrastive loss ---- */
struct nce_call {
    int64_t n, m, dim, positive;
    dev_int row_class, column_class;
    dev_real a, b, loss;
};

static void run_nce(void *context) {
    struct nce_call *c = context;
    dev_real da = zeros(c->n * c->dim), db = zeros(c->m * c->dim);
    c->loss.at[0] = 0;
    RUN(nce, c->n, c->m, c->dim, c->positive, 0.2, 0.5, c->row_class, c->column_class, c->a, c->b, c->loss, da, db);
    release(2, da, db);
}

/* n_classes 0: none; else columns are of classes -1 to n_classes - 1 in turn, and a row is of its positive's. */
static void check_nce(int64_t n, int64_t m, int64_t dim, int64_t positive, int32_t n_classes) {
    struct nce_call c = {n, m, dim, positive, {NULL}, {NULL}, values(n * dim), values(m * dim), zeros(1)};
    if (n_classes > 0) {
        c.row_class = device_alloc_ints(&device, n);
        c.column_class = device_alloc_ints(&device, m);
        for (int64_t j = 0; j < m; j++) c.column_class.at[j] = (int32_t)(j % (n_classes + 1)) - 1;
        for (int64_t i = 0; i < n; i++) c.row_class.at[i] = c.column_class.at[positive + i];
    }
    run_nce(&c);
    double wanted = 0;
    for (int64_t i = 0; i < n; i++) {
        double total = 0, target = 0;
        for (int64_t j = 0; j < m; j++) {
            double dot = 0;
            int sibling = n_classes > 0 && c.row_class.at[i] >= 0 && c.column_class.at[j] == c.row_class.at[i];
            if (sibling && j != positive + i) continue;
            for (int64_t l = 0; l < dim; l++) dot += (double)c.a.at[i * dim + l] * c.b.at[j * dim + l];
            total += exp(dot / 0.2);
            if (j == positive + i) target = dot / 0.2;
        }
        wanted += 0.5 * (log(total) - target);
    }
    close_to(c.loss.at[0], wanted, "nce", n);
    dev_real da = zeros(n * dim), db = zeros(m * dim), scratch = zeros(1);
    real one = 1;
    RUN(nce, n, m, dim, positive, 0.2, 0.5, c.row_class, c.column_class, c.a, c.b, scratch, da, db);
    if (n * dim < 400) {
        check_gradient("a", c.a, n * dim, da, &one, c.loss, 1, run_nce, &c);
        check_gradient("b", c.b, m * dim, db, &one, c.loss, 1, run_nce, &c);
    }
    device_free_ints(&device, c.row_class);
    device_free_ints(&device, c.column_class);
    release(6, c.a, c.b, c.loss, da, db, scratch);
}

static void nce_agrees_and_differentiates(void **state) {
    (void)state;
    check_nce(0, 5, 3, 0, 0);
    check_nce(1, 1, 4, 0, 0);
    check_nce(5, 5, 7, 0, 0);
    check_nce(4, 11, 6, 5, 0);
    check_nce(130, 300, 16, 100, 0);
}

static void nce_leaves_out_columns_of_the_rows_class(void **state) {
    (void)state;
    check_nce(0, 5, 3, 0, 1);
    check_nce(1, 1, 4, 0, 1);
    check_nce(5, 5, 7, 0, 1); /* rows 1 and 3 have negatives of class -1 only; rows 0, 2 and 4 have all */
    check_nce(4, 11, 6, 5, 2);
    check_nce(130, 300, 16, 100, 7);
}

/* A row whose columns are all of its class has its positive alone: no loss, no gradient. */
static void nce_of_siblings_alone_is_zero(void **state) {
    (void)state;
    enum { N = 3, DIM = 4 };
    static const int32_t SAME[] = {5, 5, 5};
    dev_real a = values(N * DIM), b = values(N * DIM), loss = zeros(1), da = zeros(N * DIM), db = zeros(N * DIM);
    dev_int classes = ints(SAME, N);
    RUN(nce, N, N, DIM, 0, 0.1, 1, classes, classes, a, b, loss, da, db);
    assert_true(loss.at[0] == 0);
    for (int i = 0; i < N * DIM; i++) assert_true(da.at[i] == 0 && db.at[i] == 0);
    device_free_ints(&device, classes);
    release(5, a, b, loss, da, db);
}

/* ---- threads ---- */
static void results_do_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    enum { N = 3000, DIM = 64, SIZE = 900, K = 5 };
    static real first[N * DIM + SIZE * DIM + DIM + 1];
    dev_real u = values(N * DIM), c = values(SIZE * DIM), g = values(N * DIM);
    normalize_rows(u, N, DIM);
    normalize_rows(c, SIZE, DIM);
    for (int threads = 1; threads <= 3; threads++) {
        struct device d;
        assert_int_equal(device_open_cpu(&d, threads), 0);
        dev_real q = zeros(N * DIM), w = zeros(N * K), du = zeros(N * DIM), dc = zeros(SIZE * DIM), sum = zeros(DIM),
                 dot = zeros(1);
        dev_int index = device_alloc_ints(&d, N * K);
        d.run->quantize(&d, N, DIM, 0, SIZE, K, u, c, index, w, q);
        d.run->quantize_backward(&d, N, DIM, K, u, c, index, w, g, du, dc);
        d.run->nce(&d, 500, SIZE, DIM, 0, 0.1, 1, (dev_int){NULL}, (dev_int){NULL}, u, c, dot, du, dc);
        d.run->sum_rows(&d, N, DIM, g, sum);
        d.run->dot(&d, N * DIM, 1, u, g, dot);
        real *now = first;
        if (threads > 1) now = malloc(sizeof first);
        memcpy(now, du.at, N * DIM * sizeof(real));
        memcpy(now + N * DIM, dc.at, SIZE * DIM * sizeof(real));
        memcpy(now + N * DIM + SIZE * DIM, sum.at, DIM * sizeof(real));
        now[N * DIM + SIZE * DIM + DIM] = dot.at[0];
        if (threads > 1) {
            assert_memory_equal(first, now, sizeof first);
            free(now);
        }
        device_free_ints(&d, index);
        release(6, q, w, du, dc, sum, dot);
        device_close(&d);
    }
    release(3, u, c, g);
}

static void graph_attention_does_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    enum { GRAPHS = 200, N = 3 * GRAPHS, HEADS = 2, COLS = 40, WIDTH = HEADS * COLS };
    static real first[2 * N * WIDTH + WIDTH];
    int32_t graphs[GRAPHS + 1], edges[N + 1], sources[2 * N];
    for (int i = 0; i <= GRAPHS; i++) graphs[i] = 3 * i;
    for (int v = 0; v <= N; v++) edges[v] = 2 * v;
    for (int e = 0; e < 2 * N; e++) sources[e] = e / 6 * 3 + (e * 7 + 1) % 3;
    struct ragged g = segments(graphs, GRAPHS);
    struct edges e = {2 * N, ints(edges, N + 1), ints(sources, 2 * N)};
    dev_real x = values(N * WIDTH), dy = values(N * WIDTH), a = values(WIDTH), source = values(N * HEADS),
             target = values(N * HEADS);
    for (int threads = 1; threads <= 3; threads++) {
        struct device d;
        assert_int_equal(device_open_cpu(&d, threads), 0);
        dev_real y = zeros(N * WIDTH), probs = zeros(3 * N * HEADS), dx = zeros(N * WIDTH), da = zeros(WIDTH),
                 ds = zeros(N * HEADS), dt = zeros(N * HEADS);
        d.run->graph_attention(&d, g, e, HEADS, COLS, source, target, x, probs, y);
        d.run->graph_attention_backward(&d, g, e, HEADS, COLS, source, target, x, probs, dy, ds, dt, dx);
        d.run->head_dots_backward(&d, N, HEADS, COLS, x, a, ds, dx, da);
        real *now = threads == 1 ? first : malloc(sizeof first);
        memcpy(now, y.at, N * WIDTH * sizeof(real));
        memcpy(now + N * WIDTH, dx.at, N * WIDTH * sizeof(real));
        memcpy(now + 2 * N * WIDTH, da.at, WIDTH * sizeof(real));
        assert_memory_equal(first, now, sizeof first);
        if (threads > 1) free(now);
        release(6, y, probs, dx, da, ds, dt);
        device_close(&d);
    }
    device_free_ints(&device, g.offsets);
    device_free_ints(&device, e.offsets);
    device_free_ints(&device, e.sources);
    release(5, x, dy, a, source, target);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(vectors_agree_with_plain_loops),
        cmocka_unit_test(adam_follows_the_published_update),
        cmocka_unit_test(gemm_agrees_with_plain_loops),
        cmocka_unit_test(layer_norm_agrees_and_differentiates),
        cmocka_unit_test(l2_normalize_agrees_and_differentiates),
        cmocka_unit_test(row_sums_bias_relu_and_copies_agree),
        cmocka_unit_test(gather_and_scatter_are_transposes),
        cmocka_unit_test(segment_mean_agrees_and_passes_empty_segments),
        cmocka_unit_test(dropout_drops_its_share_by_key_and_is_its_own_backward),
        cmocka_unit_test(gcn_aggregates_as_the_dense_formula),
        cmocka_unit_test(head_dots_agree_and_differentiate),
        cmocka_unit_test(graph_attention_agrees_and_differentiates),
        cmocka_unit_test(attention_agrees_and_differentiates),
        cmocka_unit_test(attention_of_wide_heads_agrees),
        cmocka_unit_test(linear_maps_agree_with_plain_loops),
        cmocka_unit_test(a_row_of_a_linear_map_does_not_depend_on_its_place),
        cmocka_unit_test(embedding_and_residual_norm_agree),
        cmocka_unit_test(quantize_finds_the_nearest_rows),
        cmocka_unit_test(quantize_gives_ties_to_the_smaller_index),
        cmocka_unit_test(quantize_differentiates),
        cmocka_unit_test(moving_averages_of_picks_agree_with_plain_loops),
        cmocka_unit_test(nce_agrees_and_differentiates),
        cmocka_unit_test(nce_leaves_out_columns_of_the_rows_class),
        cmocka_unit_test(nce_of_siblings_alone_is_zero),
        cmocka_unit_test(results_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(graph_attention_does_not_depend_on_the_number_of_threads),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
