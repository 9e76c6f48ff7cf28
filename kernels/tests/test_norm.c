/* Layer norm and RMS norm, with and without residual, gain, bias, statistics, and with every subset of gradients wanted. See
 * support.h. */
#include <string.h>

#include "support.h"

/* Which parts take part: bits of `parts`. */
enum { CENTER = 1, RESIDUAL = 2, GAIN = 4, BIAS = 8, ALL_PARTS = 15 };
/* Which gradients are wanted. */
enum { DX = 1, DGAIN = 2, DBIAS = 4, ALL_GRADIENTS = 7 };

static const dev_real NONE = {NULL};

static struct norm make_norm(int64_t rows, int64_t cols, int parts) {
    return (struct norm){.rows = rows,
                         .cols = cols,
                         .center = parts & CENTER,
                         .epsilon = parts & GAIN ? 1e-5 : 0.25,
                         .x = values(rows * cols),
                         .residual = parts & RESIDUAL ? values(rows * cols) : NONE,
                         .gain = parts & GAIN ? values(cols) : NONE,
                         .bias = parts & BIAS ? values(cols) : NONE,
                         .sum = parts & RESIDUAL ? values(rows * cols) : NONE,
                         .mean = parts & CENTER ? values(rows) : NONE,
                         .rstd = values(rows)};
}

static void release_norm(struct norm *n) {
    release(7, n->x, n->residual, n->gain, n->bias, n->sum, n->mean, n->rstd); /* NULL is allowed */
}

static double summed(const struct norm *n, int64_t i) {
    return (double)n->x.at[i] + (n->residual.at ? n->residual.at[i] : 0);
}

/* Row s [cols] normalised into y. */
static void reference_row(const struct norm *n, const double *s, double *y) {
    double mean = 0, square = 0;
    for (int64_t c = 0; c < n->cols && n->center; c++) mean += s[c] / (double)n->cols;
    for (int64_t c = 0; c < n->cols; c++) square += (s[c] - mean) * (s[c] - mean) / (double)n->cols;
    for (int64_t c = 0; c < n->cols; c++)
        y[c] = (s[c] - mean) / sqrt(square + n->epsilon) * (n->gain.at ? n->gain.at[c] : 1) +
               (n->bias.at ? n->bias.at[c] : 0);
}

enum { MOST_COLS = 4099 };
static double s[MOST_COLS], wanted[MOST_COLS];

static void check_values(int64_t rows, int64_t cols, int parts) {
    struct norm n = make_norm(rows, cols, parts);
    dev_real y = values(rows * cols), in_place = values(rows * cols);
    RUN(norm, &n, y);
    memcpy(in_place.at, n.residual.at ? n.residual.at : n.x.at, (size_t)(rows * cols) * sizeof(real));
    struct norm alone = n;
    alone.sum = alone.mean = alone.rstd = NONE; /* nothing is kept */
    *(parts & RESIDUAL ? &alone.residual : &alone.x) = in_place;
    RUN(norm, &alone, in_place);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < cols; c++) s[c] = summed(&n, r * cols + c);
        reference_row(&n, s, wanted);
        for (int64_t c = 0; c < cols; c++) {
            close_to(y.at[r * cols + c], wanted[c], "norm", r);
            assert_true(y.at[r * cols + c] == in_place.at[r * cols + c]);
            if (parts & RESIDUAL) close_to(n.sum.at[r * cols + c], s[c], "sum", r);
        }
    }
    release_norm(&n);
    release(2, y, in_place);
}

static void norms_agree_also_in_place(void **state) {
    (void)state;
    for (int parts = 0; parts <= ALL_PARTS; parts++) {
        for (int k = 0; k < N_SHAPES; k++) check_values(SHAPES[k][0], SHAPES[k][1], parts);
        check_values(3, MOST_COLS, parts);
    }
}

/* ---- gradients ---- */
static double loss_of_row(const struct norm *n, const real *dy) {
    double sum = 0;
    reference_row(n, s, wanted);
    for (int64_t c = 0; c < n->cols; c++) sum += dy[c] * wanted[c];
    return sum;
}

/* By central differences of the plain loops. */
static void check_dx(const struct norm *n, dev_real dy, dev_real before, dev_real dx) {
    const double step = 1e-5; /* h^2 f''' / 6 and 1e-16 |f| / h are both below 1e-8 */
    for (int64_t r = 0; r < n->rows; r++) {
        for (int64_t c = 0; c < n->cols; c++) s[c] = summed(n, r * n->cols + c);
        for (int64_t c = 0; c < n->cols; c++) {
            double old = s[c], loss[2];
            for (int k = 0; k < 2; k++) s[c] = old + (k ? step : -step), loss[k] = loss_of_row(n, dy.at + r * n->cols);
            s[c] = old;
            int64_t i = r * n->cols + c;
            double gradient = (loss[1] - loss[0]) / (2 * step) + before.at[i];
            if (!(fabs(dx.at[i] - gradient) < 5 * TOLERANCE * (1 + fabs(gradient)) + 1e-6))
                fail_msg("dx[%lld,%lld] is %.9g, not %.9g", (long long)r, (long long)c, dx.at[i], gradient);
        }
    }
}

static void check_parameters(const struct norm *n, dev_real dy, const dev_real before[2], dev_real dgain,
                             dev_real dbias) {
    struct norm plain = *n;
    plain.gain = plain.bias = NONE;
    for (int64_t c = 0; c < n->cols; c++) {
        double of_gain = before[0].at[c], of_bias = before[1].at[c];
        for (int64_t r = 0; r < n->rows; r++) {
            for (int64_t k = 0; k < n->cols; k++) s[k] = summed(n, r * n->cols + k);
            reference_row(&plain, s, wanted);
            of_gain += dy.at[r * n->cols + c] * wanted[c];
            of_bias += dy.at[r * n->cols + c];
        }
        if (dgain.at) close_to(dgain.at[c], of_gain, "dgain", c);
        if (dbias.at) close_to(dbias.at[c], of_bias, "dbias", c);
    }
}

static void check_backward(int64_t rows, int64_t cols, int parts, int gradients, int accumulate) {
    struct norm n = make_norm(rows, cols, parts);
    dev_real y = zeros(rows * cols), dy = values(rows * cols), dx = values(rows * cols), zero = zeros(rows * cols);
    dev_real before = zeros(rows * cols), of[2] = {values(cols), values(cols)}, old[2] = {zeros(cols), zeros(cols)};
    memcpy(before.at, dx.at, (size_t)(rows * cols) * sizeof(real));
    for (int k = 0; k < 2; k++) memcpy(old[k].at, of[k].at, (size_t)cols * sizeof(real));
    struct norm_gradients to = {.dx = gradients & DX ? dx : NONE, .accumulate = accumulate};
    to.dgain = gradients & DGAIN ? of[0] : NONE, to.dbias = gradients & DBIAS ? of[1] : NONE;
    RUN(norm, &n, y);
    RUN(norm_backward, &n, dy, to);
    if (gradients & DX)
        check_dx(&n, dy, accumulate ? before : zero, dx);
    else
        assert_memory_equal(dx.at, before.at, (size_t)(rows * cols) * sizeof(real));
    check_parameters(&n, dy, old, to.dgain, to.dbias);
    for (int k = 0; k < 2; k++)
        if (!(gradients & (k ? DBIAS : DGAIN))) assert_memory_equal(of[k].at, old[k].at, (size_t)cols * sizeof(real));
    release_norm(&n);
    release(9, y, dy, dx, zero, before, of[0], of[1], old[0], old[1]);
}

/* Few rows and more than a block of them; rows of quads and odd ones. */
static void norms_differentiate(void **state) {
    (void)state;
    static const int64_t SIZES[][2] = {{0, 4}, {1, 2}, {3, 5}, {17, 64}, {300, 8}, {5, 257}, {2, 300}};
    for (int size = 0; size < 7; size++)
        for (int parts = 0; parts <= ALL_PARTS; parts++)
            for (int gradients = 0; gradients <= ALL_GRADIENTS; gradients++)
                check_backward(SIZES[size][0], SIZES[size][1], parts, gradients, gradients % 2);
}

/* Pre-norm: the sum goes on, so its gradient has come before. Overwritten, the gradient of a row is as added to zeros. */
static void gradients_of_norms_are_overwritten_or_added(void **state) {
    (void)state;
    for (int size = 0; size < N_SHAPES; size++)
        for (int accumulate = 0; accumulate < 2 && SHAPES[size][1] < 100; accumulate++)
            check_backward(SHAPES[size][0] < 40 ? SHAPES[size][0] : 40, SHAPES[size][1], ALL_PARTS, ALL_GRADIENTS,
                           accumulate);
}

int test_norm(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_agree_also_in_place),
        cmocka_unit_test(norms_differentiate),
        cmocka_unit_test(gradients_of_norms_are_overwritten_or_added),
    };
    return cmocka_run_group_tests_name("norms", tests, NULL, NULL);
}
