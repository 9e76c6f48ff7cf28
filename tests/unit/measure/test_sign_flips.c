/* The exact paired permutation test, beside all choices of signs one by one, and McNemar's test beside it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/status.h"
#include "measure/mcnemar.h"
#include "measure/sign_flips.h"

static double exact(int64_t n, const int32_t *d) {
    double p = -1;
    if (sign_flips_exact(n, d, &p)) fail_msg("%s", status_message());
    return p;
}

static double by_enumeration(int n, const int32_t *d) {
    int64_t sum = 0, as_far = 0;
    for (int i = 0; i < n; i++) sum += d[i];
    for (unsigned signs = 0; signs < 1U << n; signs++) {
        int64_t s = 0;
        for (int i = 0; i < n; i++) s += signs >> i & 1 ? d[i] : -d[i];
        as_far += llabs(s) >= llabs(sum);
    }
    return (double)as_far / (double)(1U << n);
}

static void p_is_the_share_of_all_choices_of_signs(void **state) {
    (void)state;
    const int32_t cases[][12] = {{3, -1, 0, 2, 2, -3, 1, 1, 0, 2, 3, -1},
                                 {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                                 {-3, -3, -2, 1, 0, 0, 0, -1, -1, 2, -2, -3},
                                 {6, -5, 4, -3, 2, -1, 1, -2, 3, -4, 5, -6}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        assert_true(fabs(exact(12, cases[c]) - by_enumeration(12, cases[c])) < 1e-12);
}

static void without_a_difference_p_is_one(void **state) {
    (void)state;
    const int32_t none[3] = {0, 0, 0};
    assert_true(exact(3, none) == 1);
    assert_true(exact(0, none) == 1);
}

static void of_one_run_each_it_is_mcnemar(void **state) {
    (void)state;
    enum { ONLY_A = 1500, ONLY_B = 1400, N = 4000 };
    static int32_t d[N];
    for (int i = 0; i < N; i++) d[i] = i < ONLY_A ? 1 : i < ONLY_A + ONLY_B ? -1 : 0;
    double p = mcnemar_exact(ONLY_A, ONLY_B);
    assert_true(p > 0.01 && p < 0.1);
    assert_true(fabs(exact(N, d) - p) < 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p_is_the_share_of_all_choices_of_signs),
        cmocka_unit_test(without_a_difference_p_is_one),
        cmocka_unit_test(of_one_run_each_it_is_mcnemar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
