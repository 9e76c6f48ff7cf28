/* Of rows and segments: what is no case of kernels/cases. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "dropout.h"
#include "half.h"
#include "support.h"

/* ---- rows and segments ---- */
/* Every finite half, and rows that are not a multiple of four long. half.h is tested against exact values by itself. */
static void halves_are_gathered_as_the_values_they_stand_for(void **state) {
    (void)state;
    enum { ROWS = 64 };
    static const int64_t COLS[] = {1024, 7, 1};
    static uint16_t halves[ROWS * 1024];
    int32_t index[ROWS + 1];
    for (int i = 0; i < ROWS * 1024; i++) halves[i] = (i & 0x7c00) == 0x7c00 ? 0 : (uint16_t)i;
    for (int i = 0; i <= ROWS; i++) index[i] = i == 5 ? -1 : (i * 37 + 11) % ROWS;
    for (int k = 0; k < 3; k++) {
        int64_t cols = COLS[k];
        dev_half table = device_alloc_halves(&device, ROWS * cols);
        dev_int at = ints(index, ROWS + 1);
        dev_real out = values((ROWS + 1) * cols);
        device_upload_halves(&device, table, halves, ROWS * cols);
        RUN(gather_halves, ROWS + 1, cols, table, at, out);
        for (int64_t i = 0; i < (ROWS + 1) * cols; i++) {
            int32_t row = index[i / cols];
            if (out.at[i] != (row < 0 ? 0 : half_to_float(halves[row * cols + i % cols])))
                fail_msg("value %lld", (long long)i);
        }
        device_free_halves(&device, table);
        device_free_ints(&device, at);
        release(1, out);
    }
}

static void dropout_drops_its_share_and_another_at_each_step(void **state) {
    (void)state;
    enum { COLS = 37, ROWS = 2000 };
    static const int32_t OFFSETS[] = {0, 700, 700, ROWS}, KEYS[] = {12, 5, 1000000};
    struct dropout_rows d = {segments(OFFSETS, 3), COLS, ints(KEYS, 3), {0.1, 42, 7, 3}};
    dev_real x = zeros(ROWS * COLS), y = zeros(ROWS * COLS), again = zeros(ROWS * COLS);
    for (int i = 0; i < ROWS * COLS; i++) x.at[i] = 1;
    RUN(dropout, &d, x, y, 0);
    d.dropout.step++;
    RUN(dropout, &d, x, again, 0);
    int64_t dropped = 0, same = 0;
    for (int64_t i = 0; i < ROWS * COLS; i++) {
        dropped += y.at[i] == 0;
        same += (again.at[i] == 0) == (y.at[i] == 0);
    }
    /* 74,000 draws of probability 0.1: standard deviation 82. Five of them. */
    assert_true(fabs((double)dropped - 7400) < 410);
    assert_true(same < ROWS * COLS * 9 / 10); /* another step, another mask */
    device_free_ints(&device, d.rows.offsets);
    device_free_ints(&device, d.keys);
    release(3, x, y, again);
}

/* Thresholds 0, 1, 32768 and 65536: no number is below the first, all are below the last. */
static void dropout_keeps_what_its_numbers_say_at_any_rate(void **state) {
    (void)state;
    enum { N = 300 };
    static const double RATES[] = {1e-6, 1e-5, 0.5, 0.999999};
    static const int32_t OFFSETS[] = {0, N}, KEYS[] = {77};
    struct dropout_rows d = {.rows = segments(OFFSETS, 1), .cols = 1, .keys = ints(KEYS, 1)};
    dev_real x = zeros(N), y = zeros(N);
    for (int i = 0; i < N; i++) x.at[i] = 1;
    for (int k = 0; k < 4; k++) {
        d.dropout = (struct dropout){RATES[k], (uint64_t)3 << 40 | 9, 5, 4};
        RUN(dropout, &d, x, y, 0);
        for (uint64_t i = 0; i < N; i++)
            close_to(y.at[i], dropout_keeps(d.dropout, 77, i) ? 1 / (1 - RATES[k]) : 0, "kept", (int64_t)i);
    }
    device_free_ints(&device, d.rows.offsets);
    device_free_ints(&device, d.keys);
    release(2, x, y);
}

int test_rows(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_are_gathered_as_the_values_they_stand_for),
        cmocka_unit_test(dropout_drops_its_share_and_another_at_each_step),
        cmocka_unit_test(dropout_keeps_what_its_numbers_say_at_any_rate),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
