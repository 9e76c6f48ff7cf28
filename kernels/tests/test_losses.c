/* The losses: cross_entropy and bce. See support.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "support.h"

enum { WITH_BIAS = 1, WITH_TARGETS = 2, WITH_WEIGHTS = 4, WITH_CLASSES = 8, ALL_OF_THEM = 15 };
static const dev_real NONE = {NULL};

/* A call, its outputs, and what plain loops in double say that they are. */
struct entropy {
    struct cross_entropy c;
    dev_real loss, log_probability, da, db, dbias;
    double value, *of_row, *of_a, *of_b, *of_bias;
};

/* Without targets row i's is column m - n + i; with them every third row is ignored. With classes, columns are of -1, 0, 1, 2 in
 * turn, and a row is of its target's. */
static struct entropy entropy(int64_t n, int64_t m, int64_t dim, int with) {
    struct entropy e = {.c = {.n = n, .m = m, .dim = dim, .scale = 2.5, .weight = 0.5, .exact = 1},
                        .loss = zeros(1),
                        .log_probability = values(n),
                        .da = zeros(n * dim),
                        .db = zeros(m * dim),
                        .dbias = zeros(m)};
    e.c.a = values(n * dim);
    e.c.b = values(m * dim);
    e.c.first = m - n;
    if (with & WITH_BIAS) e.c.bias = values(m);
    if (with & WITH_WEIGHTS) e.c.weights = values(n);
    if (with & WITH_TARGETS) {
        e.c.target = device_alloc_ints(&device, n);
        for (int64_t i = 0; i < n; i++) e.c.target.at[i] = i % 3 == 2 ? -1 : (int32_t)(i * 7 % m);
    }
    if (with & WITH_CLASSES) {
        e.c.row_class = device_alloc_ints(&device, n);
        e.c.column_class = device_alloc_ints(&device, m);
        for (int64_t j = 0; j < m; j++) e.c.column_class.at[j] = (int32_t)(j % 4) - 1;
        for (int64_t i = 0; i < n; i++) {
            int64_t target = e.c.target.at ? e.c.target.at[i] : e.c.first + i;
            e.c.row_class.at[i] = target < 0 ? 1 : e.c.column_class.at[target];
        }
    }
    return e;
}

static void run_entropy(void *context) {
    struct entropy *e = context;
    e->loss.at[0] = 0;
    RUN(cross_entropy, &e->c, e->loss, NONE, NONE, NONE, NONE);
}

/* Row i: its value, and its share of the gradients. */
static void expect_row(struct entropy *e, int64_t i, double *logits) {
    const struct cross_entropy *c = &e->c;
    int64_t target = c->target.at ? c->target.at[i] : c->first + i;
    double total = 0, weight = c->weight * (c->weights.at ? c->weights.at[i] : 1);
    e->of_row[i] = 0;
    if (target < 0) return;
    for (int64_t j = 0; j < c->m; j++) {
        logits[j] = c->bias.at ? c->bias.at[j] : 0;
        for (int64_t l = 0; l < c->dim; l++) logits[j] += c->scale * c->a.at[i * c->dim + l] * c->b.at[j * c->dim + l];
        if (c->row_class.at && c->row_class.at[i] >= 0 && c->row_class.at[i] == c->column_class.at[j] && j != target)
            logits[j] = -INFINITY;
        total += exp(logits[j]);
    }
    e->of_row[i] = logits[target] - log(total);
    e->value -= weight * e->of_row[i];
    for (int64_t j = 0; j < c->m; j++) {
        double g = weight * (exp(logits[j]) / total - (j == target));
        e->of_bias[j] += g;
        for (int64_t l = 0; l < c->dim; l++) {
            e->of_a[i * c->dim + l] += c->scale * g * c->b.at[j * c->dim + l];
            e->of_b[j * c->dim + l] += c->scale * g * c->a.at[i * c->dim + l];
        }
    }
}

static void expect(struct entropy *e) {
    int64_t n = e->c.n, m = e->c.m, dim = e->c.dim;
    double *all = calloc((size_t)(n + n * dim + m * dim + m + m), sizeof *all);
    assert_non_null(all);
    e->of_row = all;
    e->of_a = all + n;
    e->of_b = e->of_a + n * dim;
    e->of_bias = e->of_b + m * dim;
    e->value = 0;
    for (int64_t i = 0; i < n; i++) expect_row(e, i, e->of_bias + m);
}

static void release_entropy(struct entropy *e) {
    free(e->of_row);
    device_free_ints(&device, e->c.target);
    device_free_ints(&device, e->c.row_class);
    device_free_ints(&device, e->c.column_class);
    release(9, e->c.a, e->c.b, e->c.bias, e->c.weights, e->loss, e->log_probability, e->da, e->db, e->dbias);
}

static void all_close(dev_real found, const double *wanted, int64_t n, const char *what) {
    for (int64_t i = 0; i < n; i++) close_to(found.at[i], wanted[i], what, i);
}

static void check_entropy(int64_t n, int64_t m, int64_t dim, int with) {
    struct entropy e = entropy(n, m, dim, with);
    real one = 1;
    expect(&e);
    RUN(cross_entropy, &e.c, e.loss, e.log_probability, e.da, e.db, e.dbias);
    close_to(e.loss.at[0], e.value, "loss", n);
    all_close(e.log_probability, e.of_row, n, "log-probability");
    all_close(e.da, e.of_a, n * dim, "da");
    all_close(e.db, e.of_b, m * dim, "db");
    all_close(e.dbias, e.of_bias, m, "dbias");
    if (m * dim < 200) {
        check_gradient("a", e.c.a, n * dim, e.da, &one, e.loss, 1, run_entropy, &e);
        check_gradient("b", e.c.b, m * dim, e.db, &one, e.loss, 1, run_entropy, &e);
        if (with & WITH_BIAS) check_gradient("bias", e.c.bias, m, e.dbias, &one, e.loss, 1, run_entropy, &e);
    }
    release_entropy(&e);
}

static void cross_entropy_agrees_and_differentiates(void **state) {
    (void)state;
    for (int with = 0; with <= ALL_OF_THEM; with++) {
        check_entropy(0, 5, 3, with);
        check_entropy(1, 1, 4, with);
        check_entropy(5, 5, 7, with);
        check_entropy(4, 11, 6, with);
        check_entropy(130, 300, 16, with);
    }
    check_entropy(33, 257, 64, ALL_OF_THEM);
    check_entropy(700, 701, 5, WITH_TARGETS);
}

/* More logits than either backend holds at a time, which is those of 64 rows at least. */
static void cross_entropy_goes_on_in_the_next_chunk(void **state) {
    (void)state;
    check_entropy(67, 270000, 2, WITH_TARGETS | WITH_BIAS);
}

/* Each of da, db and dbias is the same, to the last bit, whether the others are wanted or not; and so is the value. */
static void cross_entropy_of_constants_has_the_other_gradients(void **state) {
    (void)state;
    struct entropy e = entropy(37, 90, 12, ALL_OF_THEM);
    dev_real all[] = {e.da, e.db, e.dbias};
    int64_t sizes[] = {37 * 12, 90 * 12, 90};
    RUN(cross_entropy, &e.c, e.loss, e.log_probability, e.da, e.db, e.dbias);
    for (int wanted = 0; wanted < 8; wanted++) {
        dev_real loss = zeros(1), log_probability = zeros(37), some[3] = {NONE, NONE, NONE};
        for (int k = 0; k < 3; k++)
            if (wanted >> k & 1) some[k] = zeros(sizes[k]);
        RUN(cross_entropy, &e.c, loss, log_probability, some[0], some[1], some[2]);
        assert_memory_equal(loss.at, e.loss.at, sizeof(real));
        assert_memory_equal(log_probability.at, e.log_probability.at, 37 * sizeof(real));
        for (int k = 0; k < 3; k++)
            if (some[k].at) assert_memory_equal(some[k].at, all[k].at, (size_t)sizes[k] * sizeof(real));
        release(5, loss, log_probability, some[0], some[1], some[2]);
    }
    RUN(cross_entropy, &e.c, NONE, e.log_probability, NONE, NONE, NONE); /* scores alone */
    release_entropy(&e);
}

/* What is added to is not overwritten. */
static void cross_entropy_adds_to_what_was_there(void **state) {
    (void)state;
    struct entropy e = entropy(9, 14, 3, ALL_OF_THEM);
    expect(&e);
    e.loss.at[0] = 10;
    for (int i = 0; i < 9 * 3; i++) e.da.at[i] = 10;
    for (int i = 0; i < 14 * 3; i++) e.db.at[i] = 10;
    for (int i = 0; i < 14; i++) e.dbias.at[i] = 10;
    RUN(cross_entropy, &e.c, e.loss, NONE, e.da, e.db, e.dbias);
    close_to(e.loss.at[0], 10 + e.value, "loss", 0);
    for (int i = 0; i < 9 * 3; i++) close_to(e.da.at[i], 10 + e.of_a[i], "da", i);
    for (int i = 0; i < 14 * 3; i++) close_to(e.db.at[i], 10 + e.of_b[i], "db", i);
    for (int i = 0; i < 14; i++) close_to(e.dbias.at[i], 10 + e.of_bias[i], "dbias", i);
    release_entropy(&e);
}

/* A row whose columns are all of its class has its target alone: no loss, no gradient. */
static void cross_entropy_of_one_class_alone_is_zero(void **state) {
    (void)state;
    enum { N = 3, DIM = 4 };
    static const int32_t SAME[] = {5, 5, 5};
    dev_int classes = ints(SAME, N);
    struct cross_entropy c = {.n = N,
                              .m = N,
                              .dim = DIM,
                              .scale = 10,
                              .a = values(N * DIM),
                              .b = values(N * DIM),
                              .weight = 1,
                              .row_class = classes,
                              .column_class = classes};
    dev_real loss = zeros(1), da = zeros(N * DIM), db = zeros(N * DIM);
    RUN(cross_entropy, &c, loss, NONE, da, db, NONE);
    assert_true(loss.at[0] == 0);
    for (int i = 0; i < N * DIM; i++) assert_true(da.at[i] == 0 && db.at[i] == 0);
    device_free_ints(&device, classes);
    release(5, c.a, c.b, loss, da, db);
}

static long peak_memory_kb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* 320 MB of logits (the double build: 640), of which a twentieth is held. */
static void the_logits_are_never_whole(void **state) {
    (void)state;
    enum { N = 4000, M = 20000 };
    if (!on_cpu()) return; /* whose memory is the process's */
    struct cross_entropy c = {.n = N, .m = M, .dim = 1, .scale = 1, .a = values(N), .b = values(M), .weight = 1};
    dev_real loss = zeros(1), da = zeros(N), db = zeros(M);
    long before = peak_memory_kb();
    RUN(cross_entropy, &c, loss, NONE, da, db, NONE);
    assert_true(peak_memory_kb() - before < (long)(N / 1000) * (M / 1000) * 1000 * (long)sizeof(real) / 4);
    release(5, c.a, c.b, loss, da, db);
}

/* ---- binary cross-entropy ---- */
struct bce_call {
    struct bce b;
    dev_real loss;
};

static void run_bce(void *context) {
    struct bce_call *c = context;
    c->loss.at[0] = 0;
    RUN(bce, &c->b, c->loss, NONE);
}

static void check_bce(int64_t rows, int64_t labels, int weighted) {
    int64_t n = rows * labels;
    struct bce_call c = {{.rows = rows, .labels = labels, .x = values(n), .weight = 0.25}, zeros(1)};
    dev_real dx = zeros(n), dx_wanted = values(n);
    double value = 0;
    real one = 1;
    c.b.y = device_alloc_ints(&device, n);
    if (weighted) c.b.positive_weights = values(labels);
    for (int64_t i = 0; i < n; i++) {
        int known = i % 5 != 3, y = i % 3 == 0;
        double x = c.b.x.at[i] = 8 * c.b.x.at[i], w = weighted && y ? c.b.positive_weights.at[i % labels] : 1;
        c.b.y.at[i] = known ? y : -1;
        value -= known ? 0.25 * w * (y ? log(1 / (1 + exp(-x))) : log(1 / (1 + exp(x)))) : 0;
        dx.at[i] = (real)(i % 4);
        dx_wanted.at[i] = (real)(i % 4 + (known ? 0.25 * w * (1 / (1 + exp(-x)) - y) : 0));
    }
    RUN(bce, &c.b, c.loss, dx);
    close_to(c.loss.at[0], value, "binary cross-entropy", n);
    for (int64_t i = 0; i < n; i++) close_to(dx.at[i], dx_wanted.at[i], "dx", i);
    real with_gradient = c.loss.at[0];
    run_bce(&c);
    assert_memory_equal(&with_gradient, c.loss.at, sizeof(real));
    for (int64_t i = 0; i < n; i++) dx.at[i] -= (real)(i % 4);
    if (n < 100) check_gradient("x", c.b.x, n, dx, &one, c.loss, 1, run_bce, &c);
    device_free_ints(&device, c.b.y);
    release(5, c.b.x, c.b.positive_weights, c.loss, dx, dx_wanted);
}

static void bce_agrees_and_differentiates(void **state) {
    (void)state;
    for (int weighted = 0; weighted < 2; weighted++) {
        check_bce(0, 3, weighted);
        check_bce(1, 1, weighted);
        check_bce(7, 5, weighted);
        check_bce(33, 257, weighted);
        check_bce(3, 20001, weighted);
        check_bce(40001, 1, weighted);
    }
}

/* A logit of 1000 on the wrong side costs 1000, on the right side nothing; a NaN that is ignored does not matter. */
static void bce_of_large_logits_is_finite(void **state) {
    (void)state;
    static const int32_t Y[] = {1, 0, 0, 1, -1};
    static const real X[] = {1000, -1000, 1000, -1000, NAN}, SLOPE[] = {0, 0, 1, -1, 0};
    struct bce b = {.rows = 1, .labels = 5, .x = zeros(5), .y = ints(Y, 5), .weight = 1};
    dev_real loss = zeros(1), dx = zeros(5);
    memcpy(b.x.at, X, sizeof X);
    RUN(bce, &b, loss, dx);
    close_to(loss.at[0], 2000, "loss", 0);
    for (int i = 0; i < 5; i++) close_to(dx.at[i], SLOPE[i], "dx", i);
    device_free_ints(&device, b.y);
    release(3, b.x, loss, dx);
}

int test_losses(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_logits_are_never_whole), /* first: no other may have used as much */
        cmocka_unit_test(cross_entropy_agrees_and_differentiates),
        cmocka_unit_test(cross_entropy_goes_on_in_the_next_chunk),
        cmocka_unit_test(cross_entropy_of_constants_has_the_other_gradients),
        cmocka_unit_test(cross_entropy_adds_to_what_was_there),
        cmocka_unit_test(cross_entropy_of_one_class_alone_is_zero),
        cmocka_unit_test(bce_agrees_and_differentiates),
        cmocka_unit_test(bce_of_large_logits_is_finite),
    };
    return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
