/* Rows, segments and graphs. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "dropout.h"
#include "half.h"
#include "support.h"

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

/* Every finite half, and rows that are not a multiple of four long. half.h is tested against exact values by itself. */
static void halves_are_gathered_as_the_values_they_stand_for(void **state) {
    (void)state;
    enum { ROWS = 64 };
    static const int64_t COLS[] = {1024, 7, 1};
    static uint16_t halves[ROWS * 1024];
    int32_t index[ROWS + 1];
    for (int i = 0; i < ROWS * 1024; i++) halves[i] = (i & 0x7c00) == 0x7c00 ? 0 : (uint16_t)i;
    for (int i = 0; i <= ROWS; i++) index[i] = i == 5 ? -1 : (i * 37 + 11) % ROWS;
    for (int k = 0; k < 3; k++) {
        int64_t cols = COLS[k];
        dev_half table = device_alloc_halves(&device, ROWS * cols);
        dev_int at = ints(index, ROWS + 1);
        dev_real out = values((ROWS + 1) * cols);
        device_upload_halves(&device, table, halves, ROWS * cols);
        RUN(gather_halves, ROWS + 1, cols, table, at, out);
        for (int64_t i = 0; i < (ROWS + 1) * cols; i++) {
            int32_t row = index[i / cols];
            if (out.at[i] != (row < 0 ? 0 : half_to_float(halves[row * cols + i % cols])))
                fail_msg("value %lld", (long long)i);
        }
        device_free_halves(&device, table);
        device_free_ints(&device, at);
        release(1, out);
    }
}

static void segment_mean_agrees_and_passes_empty_segments(void **state) {
    (void)state;
    static const int32_t OFFSETS[] = {0, 3, 3, 4, 9};
    struct ragged rows = segments(OFFSETS, 4);
    dev_real x = values(9 * 7), y = values(4 * 7), dy = values(4 * 7), dx = zeros(9 * 7);
    RUN(segment_mean, rows, 7, x, y);
    RUN(segment_mean_backward, rows, 7, dy, dx, 1);
    dev_real over = values(9 * 7);
    RUN(segment_mean_backward, rows, 7, dy, over, 0);
    overwritten("gradient of the mean", over, 9 * 7, dx);
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
    struct gcn_call c = {segments(GRAPH_OFFSETS, 3),
                         {11, ints(EDGE_OFFSETS, 9), ints(SOURCES, 11)},
                         zeros(NODES),
                         values(NODES * GCN_COLS),
                         values(NODES * GCN_COLS)};
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
    RUN(gcn_aggregate_backward, c.graphs, c.edges, GCN_COLS, c.scale, dy, dx, 1);
    dev_real over = values(NODES * GCN_COLS);
    RUN(gcn_aggregate_backward, c.graphs, c.edges, GCN_COLS, c.scale, dy, over, 0);
    overwritten("gradient of gcn", over, NODES * GCN_COLS, dx);
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
    RUN(graph_attention, c->graphs, c->edges, c->heads, c->cols, c->source, c->target, c->x, c->probs, c->y);
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
    struct gat_call c = {heads,
                         cols,
                         segments(GRAPH_OFFSETS, 3),
                         {11, ints(EDGE_OFFSETS, 9), ints(GAT_SOURCES, 11)},
                         values(n),
                         values(n),
                         values(values_of_x),
                         zeros(GAT_PLACES * heads),
                         values(values_of_x)};
    run_gat(&c);
    for (int v = 0; v < NODES; v++)
        for (int64_t h = 0; h < heads; h++) check_gat_node(&c, v, h);
    dev_real dy = values(values_of_x), dsource = zeros(n), dtarget = zeros(n), dx = zeros(values_of_x);
    RUN(graph_attention_backward, c.graphs, c.edges, heads, cols, c.source, c.target, c.x, c.probs, dy, dsource,
        dtarget, dx);
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
    RUN(graph_attention_backward, nodes, edges, 2, 3, nothing, nothing, nothing, nothing, nothing, nothing, nothing,
        nothing);
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

int test_segments_and_graphs(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_and_scatter_are_transposes),
        cmocka_unit_test(halves_are_gathered_as_the_values_they_stand_for),
        cmocka_unit_test(segment_mean_agrees_and_passes_empty_segments),
        cmocka_unit_test(dropout_drops_its_share_by_key_and_is_its_own_backward),
        cmocka_unit_test(gcn_aggregates_as_the_dense_formula),
        cmocka_unit_test(graph_attention_agrees_and_differentiates),
        cmocka_unit_test(head_dots_agree_and_differentiate),
    };
    return cmocka_run_group_tests_name("segments and graphs", tests, NULL, NULL);
}
