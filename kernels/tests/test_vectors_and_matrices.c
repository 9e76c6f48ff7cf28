/* Vectors, matrices and the optimiser. See support.h. */
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
static void vectors_agree_with_plain_loops(void **state) {
    (void)state;
    static const int64_t SIZES[] = {0, 1, 7, 1000, 100003};
    for (int s = 0; s < 5; s++) {
        int64_t n = SIZES[s];
        dev_real a = values(n), b = values(n), y = values(n), out = values(1), d = zeros(n);
        double dot = out.at[0], distance = 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            dot += 0.5 * a.at[i] * (double)b.at[i];
            distance += 2 * (a.at[i] - (double)b.at[i]) * (a.at[i] - (double)b.at[i]);
            square += a.at[i] * (double)a.at[i];
        }
        RUN(dot, n, 0.5, a, b, out);
        close_to(out.at[0], dot, "dot", 0);
        out.at[0] = 0;
        RUN(squared_distance, n, 2, a, b, out);
        close_to(out.at[0], distance, "distance", 0);
        out.at[0] = 1;
        RUN(norm_loss, n, 3, a, out, d);
        close_to(out.at[0], 1 + 3 * sqrt(square), "norm loss", 0);
        for (int64_t i = 0; i < n; i++) close_to(d.at[i], 3 * a.at[i] / sqrt(square), "norm gradient", i);
        double *wanted = malloc((size_t)(n + 1) * sizeof *wanted);
        for (int64_t i = 0; i < n; i++) wanted[i] = y.at[i] - 0.25 * a.at[i] + 2 * 0.5 * (a.at[i] - (double)b.at[i]);
        RUN(axpy, n, -0.25, a, y);
        RUN(squared_distance_backward, n, 0.5, a, b, y);
        for (int64_t i = 0; i < n; i++) close_to(y.at[i], wanted[i], "axpy", i);
        RUN(count_nonfinite, n, a, out);
        assert_true(out.at[0] == 0);
        if (n > 5) {
            a.at[1] = NAN;
            a.at[n - 1] = INFINITY;
            RUN(count_nonfinite, n, a, out);
            assert_true(out.at[0] == 2);
        }
        free(wanted);
        release(5, a, b, y, out, d);
    }
}

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
static void gemm_batch_is_so_many_products(void **state) {
    (void)state;
    static const int64_t SIZES[][4] = {{0, 3, 5, 2},    {1, 3, 5, 2}, {4, 7, 1, 3},
                                       {3, 600, 16, 5}, {2, 5, 4, 0}, {5, 33, 600, 9}};
    for (int s = 0; s < 6; s++)
        for (int t = 0; t < 4; t++) {
            int64_t count = SIZES[s][0], m = SIZES[s][1], n = SIZES[s][2], k = SIZES[s][3];
            int64_t a_cols = t & 1 ? m : k, b_rows = t & 2 ? n : k, b_cols = t & 2 ? k : n;
            int64_t lda = count * a_cols + 1, ldb = b_cols + 2, ldc = count * n + 3;
            dev_real a = values((m + k) * lda), b = values((count * b_rows + 1) * ldb), c = values(m * ldc);
            double *wanted = malloc((size_t)(m * ldc) * sizeof *wanted);
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < ldc; j++) {
                    int64_t head = j / n, of_head = j % n;
                    double sum = 0;
                    for (int64_t l = 0; l < k && j < count * n; l++)
                        sum += (double)a.at[head * a_cols + (t & 1 ? l * lda + i : i * lda + l)] *
                               b.at[head * b_rows * ldb + (t & 2 ? of_head * ldb + l : l * ldb + of_head)];
                    wanted[i * ldc + j] = j < count * n ? 0.7 * sum + 0.3 * c.at[i * ldc + j] : c.at[i * ldc + j];
                }
            RUN(gemm_batch, count, t & 1, t >> 1, m, n, k, 0.7, ((struct matrices){a, lda, a_cols}),
                ((struct matrices){b, ldb, b_rows * ldb}), 0.3, ((struct matrices){c, ldc, n}));
            for (int64_t i = 0; i < m * ldc; i++) close_to(c.at[i], wanted[i], "gemm_batch", i);
            free(wanted);
            release(3, a, b, c);
        }
}

static void gemm_agrees_with_plain_loops(void **state) {
    (void)state;
    static const int64_t SIZES[][3] = {{0, 3, 2}, {1, 1, 1}, {3, 5, 0}, {7, 5, 3}, {65, 33, 129}, {128, 200, 64}};
    for (int s = 0; s < 6; s++)
        for (int t = 0; t < 4; t++) {
            int64_t m = SIZES[s][0], n = SIZES[s][1], k = SIZES[s][2];
            int64_t lda = (t & 1 ? m : k) + 2, ldb = (t & 2 ? k : n) + 1, ldc = n + 3;
            dev_real a = values((m + k + 2) * lda), b = values((n + k + 2) * ldb), c = values((m + 1) * ldc);
            dev_real before = zeros((m + 1) * ldc);
            memcpy(before.at, c.at, (size_t)((m + 1) * ldc) * sizeof(real));
            RUN(gemm, t & 1, t >> 1, m, n, k, 0.7, a, lda, b, ldb, 0.3, c, ldc);
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < ldc; j++) {
                    double sum = 0;
                    for (int64_t l = 0; l < k; l++)
                        sum +=
                            (double)a.at[t & 1 ? l * lda + i : i * lda + l] * b.at[t & 2 ? j * ldb + l : l * ldb + j];
                    double old = before.at[i * ldc + j];
                    close_to(c.at[i * ldc + j], j < n ? 0.7 * sum + 0.3 * old : old, "gemm", i);
                }
            release(4, a, b, c, before);
        }
}

struct rows_call {
    int64_t rows, cols;
    dev_real x, gain, bias, y, mean, rstd, norm;
};

static void run_l2_normalize(void *context) {
    struct rows_call *c = context;
    RUN(l2_normalize, c->rows, c->cols, c->x, c->y, c->norm);
}

static void l2_normalize_agrees_and_differentiates(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t rows = SHAPES[s][0], cols = SHAPES[s][1], n = rows * cols;
        struct rows_call c = {.rows = rows, .cols = cols, .x = values(n), .y = zeros(n), .norm = zeros(rows)};
        run_l2_normalize(&c);
        for (int64_t r = 0; r < rows; r++) {
            double square = 0;
            for (int64_t j = 0; j < cols; j++) square += pow(c.x.at[r * cols + j], 2);
            for (int64_t j = 0; j < cols; j++)
                close_to(c.y.at[r * cols + j], c.x.at[r * cols + j] / sqrt(square), "l2", r);
        }
        if (rows <= 64 && n > 1 && n < 1200) {
            dev_real dy = values(n), dx = zeros(n);
            RUN(l2_normalize_backward, rows, cols, c.y, c.norm, dy, dx);
            check_gradient("x", c.x, n, dx, dy.at, c.y, n, run_l2_normalize, &c);
            release(2, dy, dx);
        }
        release(3, c.x, c.y, c.norm);
    }
    dev_real x = zeros(3), y = values(3), norm = zeros(1);
    RUN(l2_normalize, 1, 3, x, y, norm); /* the zero vector stays zero */
    for (int i = 0; i < 3; i++) assert_true(y.at[i] == 0);
    release(3, x, y, norm);
}

static void row_sums_bias_and_copies_agree(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t rows = SHAPES[s][0], cols = SHAPES[s][1], n = rows * cols;
        dev_real x = values(n), bias = values(cols), y = zeros(n), sum = zeros(cols), wide = values(rows * (cols + 2));
        RUN(copy_matrix, rows, cols, x, cols, y, cols, 0);
        RUN(add_bias, rows, cols, bias, y);
        RUN(sum_rows, rows, cols, y, sum);
        for (int64_t j = 0; j < cols; j++) {
            double wanted = 0;
            for (int64_t r = 0; r < rows; r++) wanted += (double)x.at[r * cols + j] + bias.at[j];
            close_to(sum.at[j], wanted, "sum", j);
        }
        for (int64_t i = 0; i < n; i++) close_to(y.at[i], (double)x.at[i] + bias.at[i % cols], "bias", i);
        double edge = rows ? wide.at[cols] : 0, inside = rows ? wide.at[0] : 0;
        RUN(copy_matrix, rows, cols, x, cols, wide, cols + 2, 1);
        if (rows) {
            close_to(wide.at[0], inside + x.at[0], "copy", 0);
            close_to(wide.at[cols], edge, "copy beyond the columns", 0);
        }
        release(5, x, bias, y, sum, wide);
    }
}

int test_vectors_and_matrices(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),    cmocka_unit_test(vectors_agree_with_plain_loops),
        cmocka_unit_test(adam_follows_the_published_update), cmocka_unit_test(gemm_agrees_with_plain_loops),
        cmocka_unit_test(gemm_batch_is_so_many_products),    cmocka_unit_test(l2_normalize_agrees_and_differentiates),
        cmocka_unit_test(row_sums_bias_and_copies_agree),
    };
    return cmocka_run_group_tests_name("vectors and matrices", tests, NULL, NULL);
}
