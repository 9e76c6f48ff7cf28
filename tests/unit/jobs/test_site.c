/* Times as sbatch reads them, and ranks a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "site_options.h"

/* The forms of `man sbatch`, --time. */
static void times_are_read_as_sbatch_reads_them(void **state) {
    (void)state;
    assert_int_equal(site_seconds("5"), 5 * 60);
    assert_int_equal(site_seconds("5:30"), 5 * 60 + 30);
    assert_int_equal(site_seconds("04:00:00"), 4 * 3600);
    assert_int_equal(site_seconds("2-3"), (2 * 24 + 3) * 3600);
    assert_int_equal(site_seconds("2-3:04"), (2 * 24 + 3) * 3600 + 4 * 60);
    assert_int_equal(site_seconds("2-3:04:05"), (2 * 24 + 3) * 3600 + 4 * 60 + 5);
}

static void what_is_no_time_is_refused(void **state) {
    static const char *const WRONG[] = {"", "4h", "-3", "2-", "1:2:3:4", "5 ", "::"};
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) assert_int_equal(site_seconds(WRONG[i]), -1);
}

static void ranks_are_those_asked_for_or_one_a_gpu_or_one(void **state) {
    (void)state;
    assert_int_equal(site_tasks(&(struct site_options){.tasks = 3, .gpus = 4}), 3);
    assert_int_equal(site_tasks(&(struct site_options){.gpus = 4}), 4);
    assert_int_equal(site_tasks(&(struct site_options){.gpus = 0}), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_sbatch_reads_them),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(ranks_are_those_asked_for_or_one_a_gpu_or_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
