/* How the work of encoding is shared out among ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "text/text_units.h"

static int64_t most_of_a_rank(int64_t n_parts, const int64_t *work, const int32_t *rank_of_part, int n_ranks) {
    int64_t most = 0;
    for (int r = 0; r < n_ranks; r++) {
        int64_t own = 0;
        for (int64_t p = 0; p < n_parts; p++) own += rank_of_part[p] == r ? work[p] : 0;
        most = own > most ? own : most;
    }
    return most;
}

/* 12,000 texts of 5 tokens and 3,000 of 100, cut into parts of about 5,000 tokens: a language model takes as long for each part, though
 * the first ones have many more texts. The ranks' own plans are gone by then. */
static void a_language_models_work_is_shared_by_tokens(void **state) {
    (void)state;
    enum { SHORT = 12, LONG = 60, PARTS = SHORT + LONG };
    int64_t part_unit[PARTS + 1] = {0}, part_cost[PARTS + 1] = {0}, work[PARTS], done[PARTS] = {0};
    int32_t rank_of_part[PARTS];
    for (int p = 0; p < PARTS; p++) {
        part_unit[p + 1] = part_unit[p] + (p < SHORT ? 1000 : 50);
        part_cost[p + 1] = part_cost[p] + 5000;
    }
    struct comm self = comm_self();
    struct shared_plan plan = {
        .n_units = part_unit[PARTS], .n_parts = PARTS, .part_unit = part_unit, .part_cost = part_cost};
    struct text_encoder encoder = {.part_cost = 0};
    assert_int_equal(text_units_work(&plan, &self, &encoder, work), STATUS_OK);
    for (int p = 0; p < PARTS; p++) assert_int_equal(work[p], 5000);
    text_units_share(PARTS, work, done, 2, rank_of_part);
    assert_int_equal(most_of_a_rank(PARTS, work, rank_of_part, 2), PARTS / 2 * 5000);
    for (int p = 1; p < PARTS; p++) assert_true(rank_of_part[p] >= rank_of_part[p - 1]); /* runs */
}

static void parts_that_are_done_are_nobodys(void **state) {
    (void)state;
    const int64_t work[] = {8, 8, 8, 1, 1, 1, 1}, done[] = {1, 1, 1, 0, 0, 0, 0};
    static const int32_t WANTED[] = {-1, -1, -1, 0, 0, 1, 1};
    int32_t rank_of_part[7];
    text_units_share(7, work, done, 2, rank_of_part);
    assert_memory_equal(rank_of_part, WANTED, sizeof WANTED);
}

static void a_part_without_work_is_some_ranks(void **state) {
    (void)state;
    static const int64_t WORK[] = {5, 5, 0}, NONE[] = {0, 0, 0}, DONE[] = {0, 0, 0};
    int32_t rank_of_part[3];
    for (int n_ranks = 1; n_ranks <= 3; n_ranks++) {
        text_units_share(3, WORK, DONE, n_ranks, rank_of_part);
        assert_int_equal(rank_of_part[2], n_ranks - 1);
        text_units_share(3, NONE, DONE, n_ranks, rank_of_part);
        for (int p = 0; p < 3; p++) assert_int_equal(rank_of_part[p], 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_language_models_work_is_shared_by_tokens),
        cmocka_unit_test(parts_that_are_done_are_nobodys),
        cmocka_unit_test(a_part_without_work_is_some_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
