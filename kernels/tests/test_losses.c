/* What the cases of the losses (cases/losses.c) do not show. See support.h. */
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

/* More logits than either backend holds at a time, which is those of 64 rows at least. */
static void cross_entropy_goes_on_in_the_next_chunk(void **state) {
    (void)state;
    enum { N = 67, M = 270000, DIM = 2 };
    struct entropy e = entropy(N, M, DIM, WITH_TARGETS | WITH_BIAS);
    expect(&e);
    RUN(cross_entropy, &e.c, e.loss, e.log_probability, e.da, e.db, e.dbias);
    close_to(e.loss.at[0], e.value, "loss", N);
    all_close(e.log_probability, e.of_row, N, "log-probability");
    all_close(e.da, e.of_a, N * DIM, "da");
    all_close(e.db, e.of_b, M * DIM, "db");
    all_close(e.dbias, e.of_bias, M, "dbias");
    release_entropy(&e);
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
        cmocka_unit_test(cross_entropy_goes_on_in_the_next_chunk),
        cmocka_unit_test(cross_entropy_of_constants_has_the_other_gradients),
        cmocka_unit_test(cross_entropy_of_one_class_alone_is_zero),
        cmocka_unit_test(bce_of_large_logits_is_finite),
    };
    return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
