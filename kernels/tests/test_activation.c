/* Activations where cases (kernels/cases/activation.c) have no values. See support.h. */
#include "cases/families.h"
#include "support.h"

/* Far from 0 nothing overflows, and close to it tanh, GELU and SiLU keep their leading digits. */
static void activations_are_right_at_the_ends(void **state) {
    (void)state;
    static const double FAR[] = {-1e4, -90, -30, -1e-5, 0, 1e-5, 30, 90, 1e4};
    enum { N = sizeof FAR / sizeof *FAR };
    dev_real x = zeros(N + 1), y = zeros(N + 1);
    for (int i = 0; i < N; i++) x.at[i] = (real)FAR[i];
    x.at[N] = (real)NAN;
    for (int f = 0; f < N_ACTIVATIONS; f++) {
        RUN(activate, (enum activation)f, N + 1, x, y);
        for (int i = 0; i < N; i++) {
            double wanted = case_activation((enum activation)f, x.at[i]);
            assert_true(fabs(y.at[i] - wanted) <= TOLERANCE * fabs(wanted) + 1e-30);
        }
        assert_true(isnan(y.at[N]));
    }
    release(2, x, y);
}

int test_activation(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_right_at_the_ends),
    };
    return cmocka_run_group_tests_name("activations", tests, NULL, NULL);
}
