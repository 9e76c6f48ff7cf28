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
    dev_real g = values(N), p = values(N), m = zeros(N), v = zeros(N), now = zeros(N_ADAM_NOW);
    struct adam adam = {0.9, 0.95, 1e-8, 0.1};
    double ep[N], em[N] = {0}, ev[N] = {0};
    for (int i = 0; i < N; i++) ep[i] = p.at[i];
    for (int step = 1; step <= 4; step++) {
        adam_now(adam, 0.01, step, 0.5, now.at);
        RUN(adam, N, adam, now, g, p, m, v);
        for (int i = 0; i < N; i++) {
            double gi = 0.5 * g.at[i];
            em[i] = 0.9 * em[i] + 0.1 * gi;
            ev[i] = 0.95 * ev[i] + 0.05 * gi * gi;
            ep[i] -= 0.01 * 0.1 * ep[i];
            ep[i] -= 0.01 * (em[i] / (1 - pow(0.9, step))) / (sqrt(ev[i] / (1 - pow(0.95, step))) + 1e-8);
            close_to(p.at[i], ep[i], "adam", i);
        }
    }
    release(5, g, p, m, v, now);
}

/* ---- matrices ---- */
/* Heads side by side in the rows of a and c, one below the other in b. */
struct rows_call {
    int64_t rows, cols;
    dev_real x, gain, bias, y, mean, rstd, norm;
};

static void run_layer_norm(void *context) {
    struct rows_call *c = context;
    RUN(layer_norm, c->rows, c->cols, c->x, c->gain, c->bias, c->y, c->mean, c->rstd);
}

static void layer_norm_agrees_and_differentiates(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t rows = SHAPES[s][0], cols = SHAPES[s][1], n = rows * cols;
        struct rows_call c = {rows,     cols,        values(n),   values(cols), values(cols),
                              zeros(n), zeros(rows), zeros(rows), zeros(rows)};
        run_layer_norm(&c);
        for (int64_t r = 0; r < rows; r++) {
            double mean = 0, variance = 0;
            for (int64_t j = 0; j < cols; j++) mean += (double)c.x.at[r * cols + j] / (double)cols;
            for (int64_t j = 0; j < cols; j++) variance += pow(c.x.at[r * cols + j] - mean, 2) / (double)cols;
            for (int64_t j = 0; j < cols; j++)
                close_to(c.y.at[r * cols + j],
                         (c.x.at[r * cols + j] - mean) / sqrt(variance + 1e-5) * c.gain.at[j] + c.bias.at[j],
                         "layer norm", r);
        }
        if (rows <= 64 && n > 0 && n < 1200) {
            dev_real dy = values(n), dx = zeros(n), dg = zeros(cols), db = zeros(cols);
            RUN(layer_norm_backward, rows, cols, c.x, c.gain, c.mean, c.rstd, dy, dx, dg, db, 1);
            dev_real over = values(n), again[2] = {zeros(cols), zeros(cols)};
            RUN(layer_norm_backward, rows, cols, c.x, c.gain, c.mean, c.rstd, dy, over, again[0], again[1], 0);
            overwritten("x", over, n, dx);
            overwritten("gain", again[0], cols, dg); /* as always added to */
            overwritten("bias", again[1], cols, db);
            check_gradient("x", c.x, n, dx, dy.at, c.y, n, run_layer_norm, &c);
            check_gradient("gain", c.gain, cols, dg, dy.at, c.y, n, run_layer_norm, &c);
            check_gradient("bias", c.bias, cols, db, dy.at, c.y, n, run_layer_norm, &c);
            release(4, dy, dx, dg, db);
        }
        release(7, c.x, c.gain, c.bias, c.y, c.mean, c.rstd, c.norm);
    }
}

static void relu_is_zero_below_zero(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t n = SHAPES[s][0] * SHAPES[s][1];
        dev_real x = values(n), y = zeros(n), dx = values(n), before = zeros(n);
        memcpy(y.at, x.at, (size_t)n * sizeof(real));
        memcpy(before.at, dx.at, (size_t)n * sizeof(real));
        RUN(relu, n, y);
        RUN(relu_backward, n, y, dx);
        for (int64_t i = 0; i < n; i++) {
            close_to(y.at[i], x.at[i] > 0 ? x.at[i] : 0, "relu", i);
            close_to(dx.at[i], x.at[i] > 0 ? before.at[i] : 0, "relu gradient", i);
        }
        release(4, x, y, dx, before);
    }
}

int test_vectors_and_matrices(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(adam_follows_the_published_update),
        cmocka_unit_test(relu_is_zero_below_zero),
        cmocka_unit_test(layer_norm_agrees_and_differentiates),
    };
    return cmocka_run_group_tests_name("vectors and matrices", tests, NULL, NULL);
}
