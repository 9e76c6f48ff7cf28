/* Rows of tables: bag, rope, adam_rows. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

static const dev_real NONE = {NULL};

/* ---- bags ---- */
struct bag_call {
    struct bag b;
    int64_t rows; /* of the table */
    dev_real table, y;
};

/* Bags of 0, 1, 2 .. `most` items in turn, or (fixed) all of `most`; every fourth item has no row. */
static struct bag_call bags(int64_t n, int64_t most, int64_t cols, int64_t rows, int weighted, int fixed) {
    struct bag_call c = {.b = {.items = {.n = n}, .cols = cols}, .rows = rows};
    c.b.items.offsets = device_alloc_ints(&device, n + 1);
    c.b.items.offsets.at[0] = 0;
    for (int64_t i = 0; i < n; i++)
        c.b.items.offsets.at[i + 1] = c.b.items.offsets.at[i] + (int32_t)(fixed ? most : i % (most + 1));
    c.b.items.n_rows = c.b.items.offsets.at[n];
    c.b.index = device_alloc_ints(&device, c.b.items.n_rows);
    for (int64_t p = 0; p < c.b.items.n_rows; p++) c.b.index.at[p] = p % 4 == 3 ? -1 : (int32_t)(p * 5 % rows);
    if (weighted) c.b.weight = values(c.b.items.n_rows);
    c.table = values(rows * cols);
    c.y = values(n * cols);
    return c;
}

static void release_bags(struct bag_call *c) {
    device_free_ints(&device, c->b.items.offsets);
    device_free_ints(&device, c->b.index);
    release(3, c->b.weight, c->table, c->y);
}

static void run_bag(void *context) {
    struct bag_call *c = context;
    RUN(bag, &c->b, c->table, c->y, 0);
}

static double weight_of(const struct bag *b, int64_t item) { return b->weight.at ? (double)b->weight.at[item] : 1; }

static void check_bag(struct bag_call *c, const int32_t *offsets, int accumulate) {
    int64_t n = c->b.items.n, cols = c->b.cols;
    double *wanted = calloc((size_t)(n * cols + 1), sizeof *wanted);
    for (int64_t k = 0; accumulate && k < n * cols; k++) wanted[k] = c->y.at[k];
    for (int64_t i = 0; i < n; i++)
        for (int32_t p = offsets[i]; p < offsets[i + 1]; p++)
            for (int64_t k = 0; k < cols && c->b.index.at[p] >= 0; k++)
                wanted[i * cols + k] += weight_of(&c->b, p) * c->table.at[c->b.index.at[p] * cols + k];
    RUN(bag, &c->b, c->table, c->y, accumulate);
    for (int64_t k = 0; k < n * cols; k++) close_to(c->y.at[k], wanted[k], "bag", k);
    free(wanted);
}

static void check_bag_backward(struct bag_call *c, const int32_t *offsets) {
    int64_t n = c->b.items.n, cols = c->b.cols, items = c->b.items.n_rows, size = c->rows * cols;
    dev_real dy = values(n * cols), dtable = zeros(size), dweight = zeros(items),
             again[2] = {zeros(size), zeros(items)};
    double *wanted = calloc((size_t)(size + items + 1), sizeof *wanted);
    for (int64_t i = 0; i < n; i++)
        for (int32_t p = offsets[i]; p < offsets[i + 1]; p++)
            for (int64_t k = 0; k < cols && c->b.index.at[p] >= 0; k++) {
                wanted[c->b.index.at[p] * cols + k] += weight_of(&c->b, p) * dy.at[i * cols + k];
                wanted[size + p] += (double)c->table.at[c->b.index.at[p] * cols + k] * dy.at[i * cols + k];
            }
    RUN(bag_backward, &c->b, c->table, dy, dtable, dweight);
    for (int64_t k = 0; k < size; k++) close_to(dtable.at[k], wanted[k], "dtable", k);
    for (int64_t p = 0; p < items; p++) close_to(dweight.at[p], wanted[size + p], "dweight", p);
    /* One of the two a constant; what was there is added to. */
    RUN(bag_backward, &c->b, NONE, dy, again[0], NONE);
    RUN(bag_backward, &c->b, c->table, dy, NONE, again[1]);
    RUN(bag_backward, &c->b, c->table, dy, NONE, NONE);
    RUN(bag_backward, &c->b, c->table, dy, again[0], again[1]);
    for (int64_t k = 0; k < size; k++) close_to(again[0].at[k], 2 * wanted[k], "dtable, twice", k);
    for (int64_t p = 0; p < items; p++) close_to(again[1].at[p], 2 * wanted[size + p], "dweight, twice", p);
    if (size < 100) {
        check_gradient("table", c->table, size, dtable, dy.at, c->y, n * cols, run_bag, c);
        if (c->b.weight.at) check_gradient("weight", c->b.weight, items, dweight, dy.at, c->y, n * cols, run_bag, c);
    }
    release(5, dy, dtable, dweight, again[0], again[1]);
    free(wanted);
}

static void bags_agree_and_differentiate(void **state) {
    (void)state;
    static const int64_t SIZES[][4] = {{0, 3, 4, 2},    {1, 1, 1, 1},     {9, 4, 3, 7},
                                       {40, 5, 64, 33}, {13, 70, 33, 50}, {300, 9, 130, 100}};
    for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++)
        for (int kind = 0; kind < 6; kind++) {
            int fixed = kind / 2 > 0; /* 1: of one length, 2: and no offsets */
            struct bag_call c = bags(SIZES[s][0], SIZES[s][1], SIZES[s][2], SIZES[s][3], kind % 2, fixed);
            dev_int offsets = c.b.items.offsets;
            if (kind / 2 == 2) c.b.items.offsets.at = NULL;
            check_bag(&c, offsets.at, 0);
            check_bag(&c, offsets.at, 1);
            check_bag_backward(&c, offsets.at);
            c.b.items.offsets = offsets;
            release_bags(&c);
        }
}

/* ---- rotary embedding ---- */
static void check_rope(struct rope r, int64_t cols, int with_frequency) {
    dev_real x = values(r.rows * cols), old = zeros(r.rows * cols);
    int64_t half = r.head_dim / 2;
    r.ld = cols;
    r.position = device_alloc_ints(&device, r.rows);
    for (int64_t i = 0; i < r.rows; i++) r.position.at[i] = (int32_t)(i % 2 ? i : 100000 + 31 * i);
    if (with_frequency) r.frequency = values(half);
    memcpy(old.at, x.at, (size_t)(r.rows * cols) * sizeof(real));
    RUN(rope, &r, 1, x);
    for (int64_t i = 0; i < r.rows; i++)
        for (int64_t k = 0; k < cols; k++) {
            int64_t c = k % r.head_dim;
            double turn = with_frequency ? r.frequency.at[c % half] : pow(500, -2.0 * (c % half) / r.head_dim);
            double angle = r.position.at[i] * turn, it = old.at[i * cols + k];
            if (k >= r.heads * r.head_dim)
                assert_true(x.at[i * cols + k] == old.at[i * cols + k]);
            else if (c < half)
                close_to(x.at[i * cols + k], it * cos(angle) - old.at[i * cols + k + half] * sin(angle), "rope", k);
            else
                close_to(x.at[i * cols + k], it * cos(angle) + old.at[i * cols + k - half] * sin(angle), "rope", k);
        }
    RUN(rope, &r, -1, x);
    for (int64_t k = 0; k < r.rows * cols; k++) close_to(x.at[k], old.at[k], "rope and back", k);
    device_free_ints(&device, r.position);
    release(3, x, old, r.frequency);
}

static void rope_turns_pairs_and_back(void **state) {
    (void)state;
    for (int with_frequency = 0; with_frequency < 2; with_frequency++) {
        check_rope((struct rope){.rows = 0, .heads = 2, .head_dim = 4, .base = 500}, 8, with_frequency);
        check_rope((struct rope){.rows = 1, .heads = 1, .head_dim = 2, .base = 500}, 2, with_frequency);
        check_rope((struct rope){.rows = 7, .heads = 3, .head_dim = 10, .base = 500}, 37, with_frequency);
        check_rope((struct rope){.rows = 130, .heads = 5, .head_dim = 64, .base = 500}, 320, with_frequency);
        check_rope((struct rope){.rows = 5, .heads = 2, .head_dim = 258, .base = 500}, 517, with_frequency);
    }
}

struct rope_call {
    struct rope r;
    dev_real from, x;
};

static void run_rope(void *context) {
    struct rope_call *c = context;
    for (int64_t k = 0; k < c->r.rows * c->r.ld; k++) c->x.at[k] = c->from.at[k];
    RUN(rope, &c->r, 1, c->x);
}

static void the_inverse_of_rope_is_its_backward(void **state) {
    (void)state;
    enum { ROWS = 5, COLS = 12 };
    static const int32_t POSITION[] = {0, 3, 1, 700, 2};
    struct rope_call c = {
        {.rows = ROWS, .heads = 2, .head_dim = 6, .ld = COLS, .base = 10000}, values(ROWS * COLS), zeros(ROWS * COLS)};
    dev_real dy = values(ROWS * COLS), dx = zeros(ROWS * COLS);
    c.r.position = ints(POSITION, ROWS);
    memcpy(dx.at, dy.at, ROWS * COLS * sizeof(real));
    RUN(rope, &c.r, -1, dx);
    check_gradient("x of rope", c.from, (int64_t)ROWS * COLS, dx, dy.at, c.x, (int64_t)ROWS * COLS, run_rope, &c);
    device_free_ints(&device, c.r.position);
    release(4, c.from, c.x, dy, dx);
}

/* ---- Adam on rows ---- */
enum { TABLE = 11, COLS = 37, STEPS = 40 };
static const struct adam ADAM = {0.9, 0.99, 1e-6, 0.1};

/* The same in plain loops. `dense` has the moments that Adam has if it sees gradients of zero between. */
struct plain_adam {
    double value[TABLE][COLS], m[TABLE][COLS], v[TABLE][COLS];
    int last[TABLE];
};

static void plain_rows(struct plain_adam *p, int step, double rate, double scale, const dev_int index, int n,
                       const real *gradient) {
    for (int i = 0; i < n; i++) {
        int row = index.at[i];
        if (row < 0) continue;
        for (int c = 0; c < COLS; c++) {
            double g = scale * gradient[i * COLS + c], *m = &p->m[row][c], *v = &p->v[row][c], *x = &p->value[row][c];
            for (int s = p->last[row]; s < step - 1; s++) *m = ADAM.beta1 * *m, *v = ADAM.beta2 * *v;
            *m = ADAM.beta1 * *m + (1 - ADAM.beta1) * g;
            *v = ADAM.beta2 * *v + (1 - ADAM.beta2) * g * g;
            double first = *m / (1 - pow(ADAM.beta1, step)), second = *v / (1 - pow(ADAM.beta2, step));
            *x = (1 - rate * ADAM.weight_decay) * *x - rate * first / (sqrt(second) + ADAM.epsilon);
        }
        p->last[row] = step;
    }
}

/* Row 0 has a gradient in each step, row TABLE - 1 never, the others now and then. */
static int choose_rows(int step, dev_int index) {
    int n = 0;
    for (int row = 0; row < TABLE - 1; row++)
        if (row == 0 || (step * 7 + row * 3) % (row + 2) == 0) index.at[n++] = row;
    index.at[n++] = -1;
    return n;
}

static void adam_moves_the_rows_that_have_a_gradient(void **state) {
    (void)state;
    static struct plain_adam plain;
    memset(&plain, 0, sizeof plain);
    struct adam_rows a = {.cols = COLS,
                          .adam = ADAM,
                          .now = zeros(N_ADAM_NOW),
                          .gradient = values((TABLE + 1) * COLS),
                          .value = values(TABLE * COLS),
                          .m = zeros(TABLE * COLS),
                          .v = zeros(TABLE * COLS)};
    dev_real dense[3] = {zeros(COLS), zeros(COLS), zeros(COLS)}, never = zeros(COLS);
    a.index = device_alloc_ints(&device, TABLE + 1);
    a.last = device_alloc_ints(&device, TABLE);
    for (int row = 0; row < TABLE; row++) a.last.at[row] = 0;
    for (int k = 0; k < TABLE * COLS; k++) plain.value[k / COLS][k % COLS] = a.value.at[k];
    memcpy(dense[0].at, a.value.at, COLS * sizeof(real));
    memcpy(never.at, a.value.at + (TABLE - 1) * COLS, COLS * sizeof(real));
    for (int step = 1; step <= STEPS; step++) {
        double rate = 0.02 / step;
        for (int k = 0; k < (TABLE + 1) * COLS; k++) a.gradient.at[k] = (real)uniform();
        a.n = choose_rows(step, a.index);
        adam_now(ADAM, rate, step, 0.5, a.now.at);
        RUN(adam, COLS, ADAM, a.now, a.gradient, dense[0], dense[1], dense[2]); /* of row 0 */
        RUN(adam_rows, &a);
        plain_rows(&plain, step, rate, 0.5, a.index, (int)a.n, a.gradient.at);
    }
    for (int k = 0; k < TABLE * COLS; k++) {
        close_to(a.value.at[k], plain.value[k / COLS][k % COLS], "value", k);
        close_to(a.m.at[k], plain.m[k / COLS][k % COLS], "m", k);
        close_to(a.v.at[k], plain.v[k / COLS][k % COLS], "v", k);
    }
    for (int row = 0; row < TABLE; row++) assert_int_equal(a.last.at[row], plain.last[row]);
    for (int c = 0; c < COLS; c++) close_to(a.value.at[c], dense[0].at[c], "row with a gradient in each step", c);
    assert_memory_equal(a.value.at + (TABLE - 1) * COLS, never.at, COLS * sizeof(real));
    a.n = 0;
    RUN(adam_rows, &a);
    device_free_ints(&device, a.index);
    device_free_ints(&device, a.last);
    release(9, a.now, a.gradient, a.value, a.m, a.v, dense[0], dense[1], dense[2], never);
}

int test_tables(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bags_agree_and_differentiate),
        cmocka_unit_test(rope_turns_pairs_and_back),
        cmocka_unit_test(the_inverse_of_rope_is_its_backward),
        cmocka_unit_test(adam_moves_the_rows_that_have_a_gradient),
    };
    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
