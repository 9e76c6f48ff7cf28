/* Activations and gated units, with every subset of gradients wanted. See support.h. */
#include <string.h>

#include "reference.h"
#include "support.h"

double activated(double x, enum activation f) {
    switch (f) {
        case ACTIVATION_RELU: return x > 0 ? x : 0;
        case ACTIVATION_LEAKY_RELU: return x > 0 ? x : x / 5;
        case ACTIVATION_TANH: return tanh(x);
        case ACTIVATION_SIGMOID: return 1 / (1 + exp(-x));
        case ACTIVATION_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
        case ACTIVATION_GELU_TANH: return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        case ACTIVATION_SILU: return x / (1 + exp(-x));
        default: return x;
    }
}

double activated_slope(double x, enum activation f) {
    const double step = 1e-5; /* h^2 f''' / 6 and 1e-16 / h are both below 1e-9 */
    return (activated(x + step, f) - activated(x - step, f)) / (2 * step);
}

/* Empty, one, odd, beyond a block of the CPU's threads. */
static const int64_t SIZES[] = {0, 1, 7, 33, 1025, 40007};
enum { N_SIZES = sizeof SIZES / sizeof *SIZES };

/* Numbers into the curved and the flat parts of each f, none of them at the bend. */
static dev_real arguments(int64_t n) {
    dev_real x = values(n);
    for (int64_t i = 0; i < n; i++) {
        x.at[i] *= (real)(i % 3 == 0 ? 12 : 2);
        if (fabs((double)x.at[i]) < 1e-4) x.at[i] = (real)1e-4;
    }
    return x;
}

static dev_real copy_of(dev_real x, int64_t n) {
    dev_real y = zeros(n);
    memcpy(y.at, x.at, (size_t)n * sizeof(real));
    return y;
}

static void activations_agree_also_in_place(void **state) {
    (void)state;
    for (int f = 0; f < N_ACTIVATIONS; f++)
        for (int s = 0; s < N_SIZES; s++) {
            int64_t n = SIZES[s];
            dev_real x = arguments(n), y = values(n), same = copy_of(x, n);
            RUN(activate, (enum activation)f, n, x, y);
            RUN(activate, (enum activation)f, n, same, same);
            for (int64_t i = 0; i < n; i++) {
                close_to(y.at[i], activated(x.at[i], (enum activation)f), "f", i);
                assert_true(y.at[i] == same.at[i]);
            }
            release(3, x, y, same);
        }
}

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
            double wanted = activated(x.at[i], (enum activation)f);
            assert_true(fabs(y.at[i] - wanted) <= TOLERANCE * fabs(wanted) + 1e-30);
        }
        assert_true(isnan(y.at[N]));
    }
    release(2, x, y);
}

static void activations_differentiate(void **state) {
    (void)state;
    for (int c = 0; c < N_ACTIVATIONS * N_SIZES; c++) {
        enum activation f = (enum activation)(c / N_SIZES);
        int64_t n = SIZES[c % N_SIZES];
        dev_real x = arguments(n), y = zeros(n), dy = values(n), old = values(n);
        dev_real over = values(n), added = copy_of(old, n), same = copy_of(dy, n);
        RUN(activate, f, n, x, y);
        dev_real from = activation_from_output(f) ? y : x;
        RUN(activate_backward, f, n, from, dy, over, 0);
        RUN(activate_backward, f, n, from, dy, added, 1);
        RUN(activate_backward, f, n, from, same, same, 0);
        for (int64_t i = 0; i < n; i++) {
            double wanted = dy.at[i] * activated_slope(x.at[i], f);
            if (!(fabs(over.at[i] - wanted) < TOLERANCE + 1e-8))
                fail_msg("slope of activation %d at %.9g is %.9g, not %.9g", f, x.at[i], over.at[i] / dy.at[i],
                         wanted / dy.at[i]);
            close_to(added.at[i], (double)old.at[i] + over.at[i], "added", i);
            assert_true(same.at[i] == over.at[i]);
        }
        release(7, x, y, dy, old, over, added, same);
    }
}

/* wanted: bit 0 dgate, bit 1 dup. */
static void check_glu(enum activation f, int64_t n, int wanted, int accumulate) {
    struct glu g = {.n = n, .f = f, .gate = arguments(n), .up = values(n)};
    dev_real y = values(n), dy = values(n), dgate = values(n), dup = values(n);
    dev_real old_gate = copy_of(dgate, n), old_up = copy_of(dup, n), none = {NULL};
    struct glu_gradients to = {wanted & 1 ? dgate : none, wanted & 2 ? dup : none, accumulate};
    RUN(glu, &g, y);
    RUN(glu_backward, &g, dy, to);
    for (int64_t i = 0; i < n; i++) {
        double gate = g.gate.at[i], up = g.up.at[i], slope = dy.at[i];
        double gate_before = accumulate || !(wanted & 1) ? old_gate.at[i] : 0;
        double up_before = accumulate || !(wanted & 2) ? old_up.at[i] : 0;
        close_to(y.at[i], activated(gate, f) * up, "glu", i);
        double of_gate = gate_before + (wanted & 1 ? slope * up * activated_slope(gate, f) : 0);
        assert_true(fabs(dgate.at[i] - of_gate) < 2 * TOLERANCE + 1e-8);
        close_to(dup.at[i], up_before + (wanted & 2 ? slope * activated(gate, f) : 0), "dup", i);
    }
    release(8, g.gate, g.up, y, dy, dgate, dup, old_gate, old_up);
}

static void gated_units_agree_and_differentiate(void **state) {
    (void)state;
    for (int f = 0; f < N_ACTIVATIONS; f++)
        for (int s = 0; s < N_SIZES; s++)
            for (int wanted = 0; wanted < 4; wanted++)
                for (int accumulate = 0; accumulate < 2; accumulate++)
                    check_glu((enum activation)f, SIZES[s], wanted, accumulate);
}

int test_activation(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_agree_also_in_place),
        cmocka_unit_test(activations_are_right_at_the_ends),
        cmocka_unit_test(activations_differentiate),
        cmocka_unit_test(gated_units_agree_and_differentiate),
    };
    return cmocka_run_group_tests_name("activations", tests, NULL, NULL);
}
