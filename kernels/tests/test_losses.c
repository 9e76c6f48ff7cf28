/* The contrastive loss. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

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

int test_contrastive(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nce_agrees_and_differentiates),
        cmocka_unit_test(nce_leaves_out_columns_of_the_rows_class),
        cmocka_unit_test(nce_of_siblings_alone_is_zero),
    };
    return cmocka_run_group_tests_name("contrastive", tests, NULL, NULL);
}
