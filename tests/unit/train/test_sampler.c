/* Which codes a step draws: the same for any number of ranks, each code once an epoch, and none that is held out.
 * Ranks are made by hand, so no MPI is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "train/sampler.h"

static void draw(int size, enum partition partition, int64_t n, int64_t batch, int64_t step, char *drawn) {
    double *cost = malloc((size_t)n * sizeof *cost);
    for (int64_t i = 0; i < n; i++) cost[i] = 1 + (double)(i % 7) * (i < n / 2); /* uneven */
    memset(drawn, 0, (size_t)n);
    int64_t before, total, all = 0, told = 0;
    for (int rank = 0; rank < size; rank++) {
        struct comm comm = {.rank = rank, .size = size};
        struct sampler s;
        assert_int_equal(sampler_make(&s, &comm, partition, NULL, 3, 0, "codes", n, batch, cost), STATUS_OK);
        int64_t codes[1024], most = s.end_stratum - s.first_stratum, m = sampler_draw(&s, step, codes);
        assert_true(most >= 1 && m <= most);
        sampler_position(&s, step, &before, &total);
        assert_int_equal(before, all); /* each rank knows how many come before its own, and how many there are */
        all += m;
        told = total;
        for (int64_t i = 0; i < m; i++) {
            int owned = 0;
            for (int64_t k = 0; k < s.n_local; k++) owned |= s.order[k] == codes[i];
            assert_true(owned); /* a rank draws from its own piece */
            drawn[codes[i]]++;
        }
        sampler_free(&s);
    }
    assert_int_equal(told, all);
    free(cost);
}

static void batches_are_the_same_set_for_any_number_of_ranks(void **state) {
    (void)state;
    enum { N = 103, BATCH = 10 };
    char one[N], many[N];
    for (int p = PARTITION_BLOCK; p <= PARTITION_RANDOM; p++)
        for (int64_t step = 0; step < 25; step += 4)
            for (int size = 2; size <= BATCH; size++) {
                draw(1, (enum partition)p, N, BATCH, step, one);
                draw(size, (enum partition)p, N, BATCH, step, many);
                assert_memory_equal(one, many, N);
            }
}

static void an_epoch_visits_each_code_once(void **state) {
    (void)state;
    enum { N = 103, BATCH = 10, STEPS = 11 };
    for (int epoch = 0; epoch < 2; epoch++) {
        int total[N] = {0};
        char drawn[N];
        for (int64_t step = 0; step < STEPS; step++) {
            draw(3, PARTITION_BLOCK, N, BATCH, epoch * STEPS + step, drawn);
            for (int i = 0; i < N; i++) total[i] += drawn[i];
        }
        for (int i = 0; i < N; i++) assert_int_equal(total[i], 1);
    }
}

static void batches_of_an_epoch_differ_by_one_code_at_most(void **state) {
    (void)state;
    enum { MOST = 160 };
    static const int SIZES[][2] = {{103, 10}, {20, 12}, {19, 10}, {21, 10}, {20, 10}, {10, 10}, {7, 10}, {160, 7}};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        int n = SIZES[i][0], batch = SIZES[i][1], steps = (n + batch - 1) / batch, least = n, most = 0, all = 0;
        for (int step = 0; step < steps; step++) {
            char drawn[MOST];
            int size = 0;
            draw(1, PARTITION_BLOCK, n, batch, steps + step, drawn); /* the second epoch */
            for (int j = 0; j < n; j++) size += drawn[j];
            least = size < least ? size : least;
            most = size > most ? size : most;
            all += size;
        }
        assert_int_equal(all, n);
        assert_true(most <= batch && most - least <= 1);
    }
}

static void more_ranks_than_codes_are_refused(void **state) {
    (void)state;
    struct comm comm = {.rank = 0, .size = 9};
    struct sampler s;
    double cost[20] = {0};
    assert_int_equal(sampler_make(&s, &comm, PARTITION_BLOCK, NULL, 0, 0, "codes", 20, 8, cost), STATUS_USAGE);
    sampler_free(&s);
    assert_int_equal(sampler_make(&s, &comm, PARTITION_BLOCK, NULL, 0, 0, "codes", 8, 100, cost), STATUS_USAGE);
    sampler_free(&s);
}

static void held_out_codes_are_never_drawn_by_any_number_of_ranks(void **state) {
    (void)state;
    enum { N = 400, BATCH = 20 };
    double cost[N] = {0};
    int drawn[2][N] = {{0}}, held_out = 0;
    for (int size = 1; size <= 2; size++)
        for (int rank = 0; rank < size; rank++) {
            struct comm comm = {.rank = rank, .size = size};
            struct sampler s;
            int64_t codes[BATCH];
            assert_int_equal(sampler_make(&s, &comm, PARTITION_BLOCK, NULL, 3, 0.25, "codes", N, BATCH, cost),
                             STATUS_OK);
            for (int64_t step = 0; step < s.batches_per_epoch; step++) {
                int64_t n = sampler_draw(&s, step, codes);
                for (int64_t i = 0; i < n; i++) drawn[size - 1][codes[i]]++;
            }
            sampler_free(&s);
        }
    for (int i = 0; i < N; i++) {
        assert_int_equal(drawn[0][i], !sampler_holds_out(3, 0.25, i));
        assert_int_equal(drawn[1][i], drawn[0][i]);
        held_out += sampler_holds_out(3, 0.25, i);
    }
    assert_in_range(held_out, 74, 126); /* 100 expected, three standard deviations of sqrt(400 / 4 * 3 / 4) */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_the_same_set_for_any_number_of_ranks),
        cmocka_unit_test(an_epoch_visits_each_code_once),
        cmocka_unit_test(batches_of_an_epoch_differ_by_one_code_at_most),
        cmocka_unit_test(more_ranks_than_codes_are_refused),
        cmocka_unit_test(held_out_codes_are_never_drawn_by_any_number_of_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
