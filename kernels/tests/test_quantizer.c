/* The quantiser and the moving averages of its picks. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

static void check_quantize(int64_t n, int64_t dim, int64_t size, int64_t first, int64_t last, int64_t k) {
    dev_real u = values(n * dim), c = values(size * dim), w = values(n * k), q = values(n * dim);
    dev_int index = device_alloc_ints(&device, n * k);
    normalize_rows(u, n, dim);
    normalize_rows(c, size, dim);
    RUN(quantize, n, dim, first, last, k, u, c, index, w, q);
    for (int64_t i = 0; i < n; i++) {
        double worst = 0, total = 0, e[16];
        for (int64_t j = 0; j < k; j++) {
            int32_t row = index.at[i * k + j];
            double distance = 0;
            assert_true(row >= first && row < last);
            for (int64_t l = 0; l < j; l++) assert_true(index.at[i * k + l] != row);
            for (int64_t l = 0; l < dim; l++) distance += pow((double)u.at[i * dim + l] - c.at[row * dim + l], 2);
            assert_true(distance >= worst - 1e-5); /* nearest first */
            if (distance > worst) worst = distance;
            total += e[j] = exp(-distance);
        }
        for (int64_t r = first; r < last; r++) { /* nothing outside the list is nearer than its last */
            double distance = 0;
            int listed = 0;
            for (int64_t j = 0; j < k; j++) listed |= index.at[i * k + j] == r;
            for (int64_t l = 0; l < dim; l++) distance += pow((double)u.at[i * dim + l] - c.at[r * dim + l], 2);
            assert_true(listed || distance >= worst - 1e-5); /* float32 distances near 2 are off by 1e-6 */
        }
        for (int64_t j = 0; j < k; j++) close_to(w.at[i * k + j], e[j] / total, "weight", i);
        for (int64_t l = 0; l < dim; l++) {
            double sum = 0;
            for (int64_t j = 0; j < k; j++) sum += e[j] / total * c.at[index.at[i * k + j] * dim + l];
            close_to(q.at[i * dim + l], sum, "q", i);
        }
    }
    device_free_ints(&device, index);
    release(4, u, c, w, q);
}

static void quantize_finds_the_nearest_rows(void **state) {
    (void)state;
    check_quantize(0, 4, 9, 0, 9, 3);
    check_quantize(1, 1, 6, 2, 5, 3);
    check_quantize(5, 3, 40, 7, 31, 5);
    check_quantize(150, 64, 1500, 500, 1500, 5);
    check_quantize(33, 64, 700, 0, 700, 16);
    check_quantize(40, 100, 400, 3, 400, 5);
}

static void quantize_gives_ties_to_the_smaller_index(void **state) {
    (void)state;
    enum { DIM = 4, SIZE = 1200 };
    dev_real u = zeros(DIM), c = zeros(SIZE * DIM), w = zeros(5), q = zeros(DIM);
    dev_int index = device_alloc_ints(&device, 5);
    u.at[0] = 1;
    for (int i = 0; i < SIZE; i++) c.at[i * DIM + (i % 3 == 0 ? 0 : 1)] = 1; /* every third row is u itself */
    RUN(quantize, 1, DIM, 100, SIZE, 5, u, c, index, w, q);
    static const int32_t WANTED[] = {102, 105, 108, 111, 114};
    assert_memory_equal(index.at, WANTED, sizeof WANTED);
    device_free_ints(&device, index);
    release(4, u, c, w, q);
}

struct quantize_call {
    int64_t n, dim, size, k;
    dev_real u, c, w, q;
    dev_int index;
};

/* q from the listed rows alone, which is what is differentiated: with |u|^2 and |c|^2 in the distance. */
static void run_soft_mean(void *context) {
    struct quantize_call *a = context;
    for (int64_t i = 0; i < a->n; i++) {
        double e[16], total = 0;
        for (int64_t j = 0; j < a->k; j++) {
            double distance = 0;
            for (int64_t l = 0; l < a->dim; l++)
                distance += pow((double)a->u.at[i * a->dim + l] - a->c.at[a->index.at[i * a->k + j] * a->dim + l], 2);
            total += e[j] = exp(-distance);
        }
        for (int64_t l = 0; l < a->dim; l++) {
            double sum = 0;
            for (int64_t j = 0; j < a->k; j++) sum += e[j] / total * a->c.at[a->index.at[i * a->k + j] * a->dim + l];
            a->q.at[i * a->dim + l] = (real)sum;
        }
    }
}

static void quantize_differentiates(void **state) {
    (void)state;
    struct quantize_call a = {
        7, 5, 20, 4, values(35), values(100), zeros(28), zeros(35), device_alloc_ints(&device, 28)};
    normalize_rows(a.u, a.n, a.dim);
    normalize_rows(a.c, a.size, a.dim);
    RUN(quantize, a.n, a.dim, 0, a.size, a.k, a.u, a.c, a.index, a.w, a.q);
    dev_real g = values(35), du = zeros(35), dc = zeros(100);
    RUN(quantize_backward, a.n, a.dim, a.k, a.u, a.c, a.index, a.w, g, du, dc);
    check_gradient("u", a.u, 35, du, g.at, a.q, 35, run_soft_mean, &a);
    check_gradient("c", a.c, 100, dc, g.at, a.q, 35, run_soft_mean, &a);
    device_free_ints(&device, a.index);
    release(7, a.u, a.c, a.w, a.q, g, du, dc);
}

/* The sums of picks and the rows that their averages make, against the formulas of kernels.h. */
static void check_ema(int64_t n, int64_t dim, int64_t size, int64_t k) {
    dev_real u = values(n * dim), w = values(n * k), picks = zeros(size * (dim + 1)), average = zeros(size * (dim + 1));
    dev_real c = values(size * dim), blended = zeros(size * (dim + 1));
    dev_int index = device_alloc_ints(&device, n * k);
    double *sums = calloc((size_t)(size * (dim + 1)), sizeof *sums), total = 0;
    real *old = malloc((size_t)(size * dim) * sizeof *old);
    for (int64_t i = 0; i < n * k; i++) {
        index.at[i] = (int32_t)((i * 7 + i / k) % (size - 1)); /* the last row is never picked */
        w.at[i] = (real)(1.01 + w.at[i]);
    }
    for (int64_t i = 0; i < size * (dim + 1); i++) blended.at[i] = average.at[i] = (real)(1.5 + uniform());
    memcpy(old, c.at, (size_t)(size * dim) * sizeof *old);
    for (int64_t i = 0; i < n * k; i++)
        for (int64_t j = 0; j <= dim; j++)
            sums[index.at[i] * (dim + 1) + j] += w.at[i] * (j < dim ? (double)u.at[i / k * dim + j] : 1);
    RUN(sum_picks, n, dim, k, u, index, w, picks);
    for (int64_t i = 0; i < size * (dim + 1); i++) close_to(picks.at[i], sums[i], "picks", i);
    RUN(ema_rows, size, dim, 0.9, 0.01, picks, average, c);
    dev_real keep = zeros(1);
    keep.at[0] = (real)0.9;
    RUN(blend, size * (dim + 1), keep, picks, blended);
    for (int64_t i = 0; i < size * (dim + 1); i++) close_to(average.at[i], blended.at[i], "average", i);
    for (int64_t r = 0; r < size; r++) total += average.at[r * (dim + 1) + dim];
    for (int64_t r = 0; r < size; r++) {
        double count = total * (average.at[r * (dim + 1) + dim] + 0.01) / (total + 0.01 * (double)size);
        for (int64_t j = 0; j < dim; j++)
            close_to(c.at[r * dim + j],
                     sums[r * (dim + 1) + dim] > 0 ? average.at[r * (dim + 1) + j] / count : old[r * dim + j], "row",
                     r);
    }
    free(sums);
    free(old);
    device_free_ints(&device, index);
    release(7, u, w, picks, average, c, blended, keep);
}

static void moving_averages_of_picks_agree_with_plain_loops(void **state) {
    (void)state;
    check_ema(0, 3, 4, 2);
    check_ema(1, 1, 3, 1);
    check_ema(9, 5, 40, 3);
    check_ema(700, 64, 90, 5);
}

int test_quantizer(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantize_finds_the_nearest_rows),
        cmocka_unit_test(quantize_gives_ties_to_the_smaller_index),
        cmocka_unit_test(quantize_differentiates),
        cmocka_unit_test(moving_averages_of_picks_agree_with_plain_loops),
    };
    return cmocka_run_group_tests_name("quantizer", tests, NULL, NULL);
}
