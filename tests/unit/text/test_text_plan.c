/* How the units of a text plan are cut into batches and parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "text/text_encoder.h"

enum { N_UNITS = 50000 };

/* Texts of `mean` tokens, give or take a half. */
static struct text_plan made_up(int64_t mean) {
    struct text_plan plan = {.n_units = N_UNITS, .unit_costs = malloc((N_UNITS + 1) * sizeof(int64_t))};
    uint32_t state = 1;
    plan.unit_costs[0] = 0;
    for (int64_t u = 0; u < N_UNITS; u++) {
        state = state * 1664525u + 1013904223u;
        plan.unit_costs[u + 1] = plan.unit_costs[u] + mean / 2 + 1 + (int64_t)(state >> 8) % mean;
    }
    return plan;
}

static int64_t batches_of(const struct text_plan *plan, int64_t first, int64_t end, int64_t most) {
    int64_t n = 0;
    for (; first < end; n++) {
        int64_t next = text_batch_end(plan->unit_costs, first, end, most);
        int64_t cost = text_plan_cost(plan, next) - text_plan_cost(plan, first);
        assert_true(next > first && (cost <= most || next == first + 1));
        assert_true(next == end || text_plan_cost(plan, next + 1) - text_plan_cost(plan, first) > most);
        first = next;
    }
    return n;
}

/* Products have a fixed number of rows (kernels.h's linear on CUDA): what a batch lacks is multiplied as zeros. A batch lacks half a
 * text on average, and the last one of all may be nearly empty. */
static void parts_fill_their_batches(void **state) {
    (void)state;
    static const int64_t MEANS[] = {4, 24, 200}, MOST[] = {2048, 4608, 5632};
    static int64_t first[N_UNITS + 1];
    for (int i = 0; i < 9; i++) {
        int64_t mean = MEANS[i / 3], most = MOST[i % 3], n_batches = 3, batches = 0;
        struct text_plan plan = made_up(mean);
        int64_t n_parts = text_plan_cut(&plan, most, n_batches, first);
        assert_true(first[0] == 0 && first[n_parts] == N_UNITS);
        for (int64_t p = 0; p < n_parts; p++) {
            int64_t n = batches_of(&plan, first[p], first[p + 1], most);
            assert_true(n == n_batches || (p == n_parts - 1 && n < n_batches));
            batches += n;
        }
        double fill = (double)text_plan_cost(&plan, N_UNITS) / (double)((batches - 1) * most);
        if (fill < 1 - (double)mean / (double)most)
            fail_msg("mean %lld, batch %lld: %.3f", (long long)mean, (long long)most, fill);
        text_plan_free(&plan);
    }
}

static void a_unit_larger_than_a_batch_is_a_batch(void **state) {
    (void)state;
    int64_t costs[] = {0, 10, 110, 115, 120, 220}, first[6];
    struct text_plan plan = {.n_units = 5, .unit_costs = costs};
    assert_true(text_plan_cut(&plan, 20, 1, first) == 4);
    assert_true(first[0] == 0 && first[1] == 1 && first[2] == 2 && first[3] == 4 && first[4] == 5);
}

static void units_of_one_row_cost_one(void **state) {
    (void)state;
    int64_t first[101];
    struct text_plan plan = {.n_units = 100};
    assert_true(text_plan_cut(&plan, 16, 2, first) == 4 && first[3] == 96 && first[4] == 100);
    plan.n_units = 0;
    assert_true(text_plan_cut(&plan, 16, 2, first) == 0 && first[0] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_fill_their_batches),
        cmocka_unit_test(a_unit_larger_than_a_batch_is_a_batch),
        cmocka_unit_test(units_of_one_row_cost_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
