#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "measure/mcnemar.h"

/* By hand: twice the sum of binomials up to the smaller number, over 2^n. */
static void p_is_that_of_fair_coins(void **state) {
    (void)state;
    assert_true(mcnemar_exact(0, 0) == 1);
    assert_true(fabs(mcnemar_exact(0, 5) - 2.0 / 32) < 1e-12);
    assert_true(fabs(mcnemar_exact(9, 3) - 2.0 * (1 + 12 + 66 + 220) / 4096) < 1e-12);
    assert_true(fabs(mcnemar_exact(3, 9) - mcnemar_exact(9, 3)) < 1e-15);
    assert_true(mcnemar_exact(10, 10) == 1);
    assert_true(mcnemar_exact(400, 600) > 0 && mcnemar_exact(400, 600) < 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(p_is_that_of_fair_coins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
