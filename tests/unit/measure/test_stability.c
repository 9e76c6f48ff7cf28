/* Two tables of a few codes, by hand and by scikit-learn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "measure/stability.h"

enum { MOST = 8 };

/* A table of one token a group, the same in all groups; -1: absent. */
struct made {
    int32_t tokens[MOST * N_GROUPS];
    float weights[MOST * N_GROUPS];
};

static struct stability_tokens make_table(struct made *m, int n, const int *first) {
    for (int i = 0; i < n * N_GROUPS; i++) {
        m->tokens[i] = first[i / N_GROUPS];
        m->weights[i] = first[i / N_GROUPS] < 0 ? 0 : 1;
    }
    return (struct stability_tokens){1, 9, m->tokens, m->weights};
}

static struct stability measure(int n, const int *a, const int *b) {
    struct made made[2];
    struct comm self = comm_self();
    struct bootstrap bootstrap = {.comm = &self, .resamples = 20, .threads = 1};
    struct stability s;
    struct stability_tokens tables[2] = {make_table(&made[0], n, a), make_table(&made[1], n, b)};
    assert_int_equal(stability_measure_tokens(&s, &bootstrap, n, tables), STATUS_OK);
    return s;
}

static void check(int n, const int *a, const int *b, double rand_index, double kept) {
    struct stability s = measure(n, a, b);
    for (int g = 0; g < N_GROUPS; g++) {
        assert_true(fabs(s.rand_index[g].value - rand_index) < 1e-12);
        assert_true(fabs(s.kept[g].value - kept) < 1e-12);
    }
}

/* Values of sklearn.metrics.adjusted_rand_score 1.9.1. */
static void the_rand_index_is_that_of_scikit_learn(void **state) {
    (void)state;
    check(4, (int[]){0, 0, 1, 2}, (int[]){0, 0, 1, 1}, 0.5714285714285714, 0.75);
    check(4, (int[]){0, 0, 1, 1}, (int[]){5, 5, 3, 3}, 1, 0);
    check(4, (int[]){0, 0, 1, 1}, (int[]){0, 1, 0, 1}, -0.5, 0.5);
    check(4, (int[]){0, 0, 0, 0}, (int[]){0, 1, 2, 3}, 0, 0.25);
    check(3, (int[]){0, 0, 0}, (int[]){1, 1, 1}, 1, 0);
    check(3, (int[]){0, 1, 2}, (int[]){2, 1, 0}, 1, 1.0 / 3);
    check(8, (int[]){0, 0, 1, 1, 2, 2, 3, 3}, (int[]){0, 0, 0, 1, 1, 2, 2, 2}, 0.2222222222222222, 0.5);
}

static void a_group_that_one_table_lacks_does_not_count(void **state) {
    (void)state;
    check(5, (int[]){0, 0, -1, 1, 2}, (int[]){0, 0, 7, 1, 1}, 0.5714285714285714, 0.75);
    struct stability s = measure(2, (int[]){-1, 0}, (int[]){0, -1});
    assert_int_equal(s.kept[0].n, 0);
    assert_int_equal(s.rand_index[3].n, 0);
}

/* Overlaps of the pairs (0, 1), (0, 2), (0, 3): 1, 0, 0 in the first table and 1, 0, 1 in the second. */
static void overlaps_of_near_pairs_are_correlated(void **state) {
    (void)state;
    struct made made[2];
    struct comm self = comm_self();
    struct bootstrap bootstrap = {.comm = &self, .resamples = 20, .threads = 1};
    struct stability s;
    struct stability_tokens tables[2] = {make_table(&made[0], 4, (int[]){0, 0, 1, 1}),
                                         make_table(&made[1], 4, (int[]){5, 5, 6, 5})};
    int32_t near[2][STABILITY_NEAR] = {{1, 2, -1, -1, -1, -1, -1, -1, -1, -1}, {1, 3, -1, -1, -1, -1, -1, -1, -1, -1}};
    int64_t query = 0;
    assert_int_equal(
        stability_measure_pairs(&s, &bootstrap, tables, 1, &query, (const int32_t *const[]){near[0], near[1]}),
        STATUS_OK);
    for (int g = 0; g < N_GROUPS; g++) assert_true(fabs(s.overlap[g].value - 0.5) < 1e-12);
    assert_true(fabs(s.nearest.value - 0.5) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rand_index_is_that_of_scikit_learn),
        cmocka_unit_test(a_group_that_one_table_lacks_does_not_count),
        cmocka_unit_test(overlaps_of_near_pairs_are_correlated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
