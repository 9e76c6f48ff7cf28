/* Of vectors, matrices and the optimiser: what is no case of kernels/cases. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "philox.h"
#include "support.h"

/* ---- Philox ---- */
static void philox_gives_the_known_answers(void **state) {
    (void)state;
    /* kat_vectors of the Random123 library */
    uint32_t zero[4] = {0, 0, 0, 0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
    uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    static const uint32_t ZERO[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    static const uint32_t ONES[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    static const uint32_t PI[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    philox_rounds(0, 0, zero);
    philox_rounds(~0u, ~0u, ones);
    philox_rounds(0xa4093822, 0x299f31d0, pi);
    assert_memory_equal(zero, ZERO, sizeof ZERO);
    assert_memory_equal(ones, ONES, sizeof ONES);
    assert_memory_equal(pi, PI, sizeof PI);
}

/* ---- vectors ---- */
static void adam_follows_the_published_update(void **state) {
    (void)state;
    enum { N = 5 };
    dev_real g = values(N), p = values(N), m = zeros(N), v = zeros(N), constants = zeros(N_ADAM_CONSTANTS);
    struct adam adam = {0.9, 0.95, 1e-8, 0.1};
    double ep[N], em[N] = {0}, ev[N] = {0};
    for (int i = 0; i < N; i++) ep[i] = p.at[i];
    for (int step = 1; step <= 4; step++) {
        adam_constants(adam, 0.01, step, 0.5, constants.at);
        RUN(adam, N, adam, constants, g, (struct adam_state){p, m, v});
        for (int i = 0; i < N; i++) {
            double gi = 0.5 * g.at[i];
            em[i] = 0.9 * em[i] + 0.1 * gi;
            ev[i] = 0.95 * ev[i] + 0.05 * gi * gi;
            ep[i] -= 0.01 * 0.1 * ep[i];
            ep[i] -= 0.01 * (em[i] / (1 - pow(0.9, step))) / (sqrt(ev[i] / (1 - pow(0.95, step))) + 1e-8);
            close_to(p.at[i], ep[i], "adam", i);
        }
    }
    release(5, g, p, m, v, constants);
}

/* ---- matrices ---- */
static void l2_normalize_works_in_place(void **state) {
    (void)state;
    enum { ROWS = 37, COLS = 67 };
    dev_real x = values(ROWS * COLS), y = zeros(ROWS * COLS), norm = zeros(ROWS), again = zeros(ROWS);
    RUN(l2_normalize, ROWS, COLS, x, y, norm);
    RUN(l2_normalize, ROWS, COLS, x, x, again);
    device_synchronize(&device);
    assert_memory_equal(x.at, y.at, ROWS * COLS * sizeof(real));
    assert_memory_equal(norm.at, again.at, ROWS * sizeof(real));
    release(4, x, y, norm, again);
}

int test_vectors_and_matrices(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(adam_follows_the_published_update),
        cmocka_unit_test(l2_normalize_works_in_place),
    };
    return cmocka_run_group_tests_name("vectors and matrices", tests, NULL, NULL);
}
