/* Rows of tables: bags, rotary embedding. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

/* ---- bags. Sizes: bags, mean items, columns, rows of the table; of one length, weighted, accumulate ---- */
static const int64_t BAGS[][CASE_SIZES] = {
    {0, 3, 4, 2},    {1, 1, 1, 1, 1},          {1, 0, 3, 1},           {9, 4, 3, 7, 0, 1},       {9, 4, 3, 7, 1, 1, 1},
    {40, 3, 64, 33}, {40, 3, 64, 33, 0, 1, 1}, {13, 35, 33, 50, 1, 1}, {300, 4, 130, 100, 0, 1}, {33, 2, 1024, 64, 1}};

struct bags {
    struct bag b;
    const int32_t *offsets;
    struct operand index, weight, table;
};

static struct bags bags(struct call *c) {
    const int64_t *s = c->size;
    int same_length = s[4] != 0, weighted = s[5] != 0;
    struct bags bags = {.b = {.items = {s[0], s[0] * s[1], {NULL}}, .cols = s[2]}};
    if (!same_length) {
        struct call_segments segments = call_segments(c, s[0], s[1], TEXT_LENGTHS);
        bags.b.items = segments.rows;
        bags.offsets = segments.offsets;
    }
    bags.index = call_indices(c, bags.b.items.n_rows, c->measured ? 0 : -1, c->measured ? WORD_PIECES : s[3], WORDS);
    LAY_OUT(c)
    for (int64_t p = 1; p < bags.b.items.n_rows && c->measured; p += 2)
        bags.index.host_ints[p] = (int32_t)(WORD_PIECES + number_pick(TEXT_POSITIONS, POSITIONS, p));
    bags.weight = call_in(c, weighted ? bags.b.items.n_rows : 0, NUMBERS);
    bags.table = call_in(c, s[3] * s[2], NUMBERS);
    bags.b.index = bags.index.ints;
    if (weighted) bags.b.weight = bags.weight.real;
    call_shape(c, "%lld of %lld x %lld", (ll)bags.b.items.n, (ll)bags.b.items.n_rows, (ll)s[2]);
    return bags;
}

static void add_bags(const struct call *c, const struct bags *bags, double *y) {
    int64_t cols = bags->b.cols, length = c->size[1];
    for (int64_t i = 0; i < bags->b.items.n; i++) {
        int64_t first = bags->offsets ? bags->offsets[i] : i * length;
        int64_t end = bags->offsets ? bags->offsets[i + 1] : first + length;
        for (int64_t p = first; p < end; p++)
            for (int64_t k = 0; k < cols && bags->index.host_ints[p] >= 0; k++)
                y[i * cols + k] +=
                    (c->size[5] ? bags->weight.host[p] : 1) * bags->table.host[bags->index.host_ints[p] * cols + k];
    }
}

static void bag(struct call *c) {
    struct bags s = bags(c);
    int accumulate = (int)c->size[6];
    int64_t n = s.b.items.n * s.b.cols;
    struct operand y = accumulate ? call_inout(c, n, NUMBERS) : call_out(c, n);
    CALL(c, bag, &s.b, s.table.real, y.real, accumulate);
    REFERENCE(c) {
        for (int64_t i = 0; i < n && !accumulate; i++) y.host[i] = 0;
        add_bags(c, &s, y.host);
    }
}

/* Instead of `accumulate`: 1: the table is constant, 2: the weights are. */
static void bag_backward(struct call *c) {
    struct bags s = bags(c);
    int64_t n = s.b.items.n * s.b.cols;
    int of_table = c->size[6] != 1, of_weight = c->size[6] != 2 && c->size[5];
    struct operand y = call_value(c, n), dy = call_cotangent(c, y), none = call_point(c, 0, NUMBERS);
    struct operand dtable = call_gradient(c, of_table ? s.table : none, 1);
    struct operand dweight = call_gradient(c, of_weight ? s.weight : none, 1);
    CALL(c, bag_backward, &s.b, s.table.real, dy.real, of_table ? dtable.real : none.real,
         of_weight ? dweight.real : none.real);
    REFERENCE(c) {
        for (int64_t i = 0; i < n; i++) y.host[i] = 0;
        add_bags(c, &s, y.host);
    }
}

static const int64_t BAGS_BACKWARD[][CASE_SIZES] = {
    {0, 3, 4, 2, 0, 1},       {1, 1, 1, 1, 1},        {9, 4, 3, 7, 0, 1}, {9, 4, 3, 7, 1, 1, 1},
    {9, 4, 3, 7, 1, 1, 2},    {40, 3, 64, 33, 0, 1},  {40, 3, 64, 33, 1}, {13, 35, 33, 50, 1, 1},
    {300, 4, 130, 100, 0, 1}, {33, 2, 1024, 64, 1, 1}};

/* The embeddings of tokens: word and position. */
static void tokens_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_tokens;
    size[1] = 2;
    size[2] = step->text_dim;
    size[3] = WORD_PIECES + TEXT_POSITIONS;
    size[4] = 1;
}

/* ---- rotary embedding. Sizes: rows, heads, width of a head, columns beyond the heads; with frequencies, inverse ---- */
static const int64_t TURNED[][CASE_SIZES] = {
    {0, 2, 4},      {1, 1, 2},   {7, 3, 10, 7}, {7, 3, 10, 7, 1}, {130, 5, 64, 0, 0, 1}, {130, 5, 64, 1, 1, 1},
    {5, 2, 258, 1}, {3, 1, 520}, {2000, 3, 6}};

static void rope(struct call *c) {
    int64_t rows = c->size[0], heads = c->size[1], dim = c->size[2], ld = heads * dim + c->size[3], half = dim / 2;
    int with_frequency = c->size[4] != 0;
    double sign = c->size[5] ? -1 : 1;
    struct operand position = call_indices(c, rows, 0, 100000, POSITIONS), frequency = call_in(c, half, NUMBERS);
    struct operand x = call_inout(c, rows * ld, NUMBERS);
    struct rope r = {.rows = rows, .heads = heads, .head_dim = dim, .ld = ld, .position = position.ints, .base = 500};
    if (with_frequency) r.frequency = frequency.real;
    call_shape(c, "%lld rows, %lld heads x %lld", (ll)rows, (ll)heads, (ll)dim);
    CALL(c, rope, &r, sign, x.real);
    REFERENCE(c)
    for (int64_t k = 0; k < rows * heads * half; k++) {
        int64_t i = k / (heads * half), h = k / half % heads, pair = k % half;
        double turn = with_frequency ? frequency.host[pair] : pow(500, -2.0 * (double)pair / (double)dim);
        double angle = sign * position.host_ints[i] * turn;
        double *at = &x.host[i * ld + h * dim + pair], a = at[0], b = at[half];
        at[0] = a * cos(angle) - b * sin(angle);
        at[half] = b * cos(angle) + a * sin(angle);
    }
}

static void queries_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_tokens;
    size[1] = step->text_dim % 64 ? step->text_dim / 32 : step->text_dim / 64;
    size[2] = step->text_dim / size[1];
}

const struct kernel_case TABLE_CASES[] = {
    {"bag", bag, SHAPES(BAGS), tokens_of_a_step},
    {"bag_backward", bag_backward, SHAPES(BAGS_BACKWARD), tokens_of_a_step},
    {"rope", rope, SHAPES(TURNED), queries_of_a_step},
};
END_OF_FAMILY(TABLE_CASES);
