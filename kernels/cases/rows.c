/* Rows of tables, and segments of rows. */
#include "cases/families.h"
#include "dropout.h"

typedef long long ll;

/* ---- tables. Sizes: rows picked, columns, rows of the table, the least index ---- */
static const int64_t PICKED[][CASE_SIZES] = {
    {0, 5, 3, -1},   {1, 1, 1, 0},       {6, 5, 4, -1},        {33, 64, 12, -1}, {1025, 1, 3, -1},
    {65, 7, 64, -1}, {65, 1024, 64, -1}, {1025, 257, 342, -1}, {1, 64, 1, -1},   {33, 257, 12, -1}};

static int64_t picked(struct call *c, int64_t *cols, int64_t *size) {
    *cols = c->size[1];
    *size = c->size[2];
    call_shape(c, "%lld x %lld", (ll)c->size[0], (ll)*cols);
    return c->size[0];
}

static void gather(int64_t n, int64_t cols, const double *table, const int32_t *index, double *out) {
    for (int64_t i = 0; i < n * cols; i++) out[i] = index[i / cols] < 0 ? 0 : table[index[i / cols] * cols + i % cols];
}

static void gather_rows(struct call *c) {
    int64_t cols, size, n = picked(c, &cols, &size);
    struct operand table = call_in(c, size * cols, NUMBERS), index = call_indices(c, n, c->size[3], size, NODES);
    struct operand out = call_out(c, n * cols);
    CALL(c, gather_rows, n, cols, table.real, index.ints, out.real);
    REFERENCE(c) gather(n, cols, table.host, index.host_ints, out.host);
}

/* That every half has its value is tested by itself. */
static void gather_halves(struct call *c) {
    int64_t cols, size, n = picked(c, &cols, &size);
    struct operand table = call_in_halves(c, size * cols), index = call_indices(c, n, c->size[3], size, WORDS);
    struct operand out = call_out(c, n * cols);
    CALL(c, gather_halves, n, cols, table.half, index.ints, out.real);
    REFERENCE(c) gather(n, cols, table.host, index.host_ints, out.host);
}

static void scatter_add_rows(struct call *c) {
    int64_t cols, size, n = picked(c, &cols, &size);
    struct operand x = call_in(c, n * cols, NUMBERS), index = call_indices(c, n, c->size[3], size, NODES);
    struct operand table = call_inout(c, size * cols, NUMBERS);
    CALL(c, scatter_add_rows, n, cols, x.real, index.ints, table.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n * cols; i++)
        if (index.host_ints[i / cols] >= 0) table.host[index.host_ints[i / cols] * cols + i % cols] += x.host[i];
}

static void nodes_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes;
    size[1] = step->node_dim;
    size[2] = step->graph_nodes;
}

/* The text features of a batch, from those of all texts on a device. */
static void features_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_tokens;
    size[1] = step->text_dim;
    size[2] = WORD_PIECES;
}

/* ---- segments. Sizes: segments, mean of their rows, columns, accumulate ---- */
static const int64_t SEGMENTS[][CASE_SIZES] = {{0, 1, 5},      {1, 0, 7},   {1, 1, 1},    {4, 2, 7, 1},
                                               {40, 5, 64, 1}, {40, 5, 1},  {150, 10, 5}, {3, 150, 257, 1},
                                               {150, 10, 257}, {3, 150, 64}};

static struct call_segments segments(struct call *c, int64_t *cols) {
    struct call_segments s = call_segments(c, c->size[0], c->size[1], GRAPH_LENGTHS);
    *cols = c->size[2];
    call_shape(c, "%lld x %lld", (ll)s.rows.n_rows, (ll)*cols);
    return s;
}

static void mean_of_segments(struct call_segments s, int64_t cols, const double *x, double *y) {
    for (int64_t i = 0; i < s.rows.n; i++)
        for (int64_t j = 0; j < cols; j++) {
            double sum = 0;
            int32_t n = s.offsets[i + 1] - s.offsets[i];
            for (int32_t r = s.offsets[i]; r < s.offsets[i + 1]; r++) sum += x[r * cols + j];
            y[i * cols + j] = n ? sum / n : 0;
        }
}

static void segment_mean(struct call *c) {
    int64_t cols;
    struct call_segments s = segments(c, &cols);
    struct operand x = call_in(c, s.rows.n_rows * cols, NUMBERS), y = call_out(c, s.rows.n * cols);
    CALL(c, segment_mean, s.rows, cols, x.real, y.real);
    REFERENCE(c) mean_of_segments(s, cols, x.host, y.host);
}

static void segment_mean_backward(struct call *c) {
    int64_t cols;
    int accumulate = (int)c->size[3];
    struct call_segments s = segments(c, &cols);
    struct operand x = call_point(c, s.rows.n_rows * cols, NUMBERS), y = call_value(c, s.rows.n * cols);
    struct operand dy = call_cotangent(c, y), dx = call_gradient(c, x, accumulate);
    CALL(c, segment_mean_backward, s.rows, cols, dy.real, dx.real, accumulate);
    REFERENCE(c) mean_of_segments(s, cols, x.host, y.host);
}

static void rows_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = step->nodes;
    size[2] = step->dim;
}

/* ---- dropout. Sizes as above, then: in place, percent dropped ---- */
static const int64_t DROPPED[][CASE_SIZES] = {{0, 1, 5, 0, 0, 10},      {1, 0, 7, 0, 0, 10},   {1, 1, 1, 1, 0, 50},
                                              {4, 2, 7, 0, 1, 25},      {40, 5, 64, 1, 0, 25}, {40, 5, 1, 0, 0, 10},
                                              {150, 10, 5, 1, 0, 0},    {150, 10, 5, 0, 0, 0}, {3, 150, 257, 0, 0, 10},
                                              {150, 10, 257, 1, 0, 10}, {3, 150, 64, 0, 1, 10}};

static void dropout(struct call *c) {
    int64_t cols;
    int accumulate = (int)c->size[3], in_place = (int)c->size[4];
    struct dropout dropout = {.rate = (double)c->size[5] / 100, .seed = 42, .stream = 7, .step = 3};
    struct call_segments s = segments(c, &cols);
    int64_t n = s.rows.n_rows * cols;
    struct operand keys = call_keys(c, s.rows.n), x = call_in(c, in_place ? 0 : n, NUMBERS);
    struct operand y = accumulate || in_place ? call_inout(c, n, NUMBERS) : call_out(c, n), from = in_place ? y : x;
    struct dropout_rows d = {s.rows, cols, keys.ints, dropout};
    CALL(c, dropout, &d, from.real, y.real, accumulate);
    REFERENCE(c)
    for (int64_t g = 0; g < s.rows.n; g++)
        for (int64_t i = s.offsets[g] * cols, e = 0; i < s.offsets[g + 1] * cols; i++, e++) {
            int keeps = dropout_keeps(dropout, (uint64_t)keys.host_ints[g], (uint64_t)e);
            y.host[i] = (accumulate ? y.host[i] : 0) + (keeps ? from.host[i] / (1 - dropout.rate) : 0);
        }
}

static void dropped_of_a_step(const struct step_sizes *step, int64_t *size) {
    rows_of_a_step(step, size);
    size[5] = 10;
}

const struct kernel_case ROW_CASES[] = {
    {"gather_rows", gather_rows, SHAPES(PICKED), nodes_of_a_step},
    {"gather_halves", gather_halves, SHAPES(PICKED), features_of_a_step},
    {"scatter_add_rows", scatter_add_rows, SHAPES(PICKED), nodes_of_a_step},
    {"segment_mean", segment_mean, SHAPES(SEGMENTS), rows_of_a_step},
    {"segment_mean_backward", segment_mean_backward, SHAPES(SEGMENTS), rows_of_a_step},
    {"dropout", dropout, SHAPES(DROPPED), dropped_of_a_step},
};
END_OF_FAMILY(ROW_CASES);
