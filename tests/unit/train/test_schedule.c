/* The learning rate of each step, against a calculation by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/schedule.h"

/* Rates of size 1 through a few operations in double. */
static void close_to(double found, double wanted) {
    if (!(fabs(found - wanted) <= 1e-14)) fail_msg("the rate is %.17g, not %.17g", found, wanted);
}

static void schedule_warms_up_and_falls_along_a_cosine(void **state) {
    (void)state;
    struct train_options options = {.rate = 2, .steps = 50, .warmup = 0, .schedule = SCHEDULE_CONSTANT};
    for (int64_t step = 1; step <= 50; step++) assert_true(schedule_rate(&options, 1, step) == 2);
    options.warmup = 10;
    close_to(schedule_rate(&options, 1, 1), 0.2);
    close_to(schedule_rate(&options, 1, 10), 2);
    assert_true(schedule_rate(&options, 1, 50) == 2);
    options.schedule = SCHEDULE_COSINE, options.rate_end = 0.1;
    close_to(schedule_rate(&options, 1, 5), 1);
    close_to(schedule_rate(&options, 1, 10), 2);
    close_to(schedule_rate(&options, 1, 20), 2 * (0.1 + 0.9 * (1 + sqrt(0.5)) / 2)); /* a quarter: cos(pi/4) */
    close_to(schedule_rate(&options, 1, 30), 2 * 0.55);                              /* half-way */
    close_to(schedule_rate(&options, 1, 50), 0.2);
}

static void rates_of_larger_steps_are_scaled(void **state) {
    (void)state;
    struct train_options options = {.rate = 0.5, .rate_batch = 100, .batch = 300, .micro_batches = 3, .steps = 50};
    close_to(schedule_rate(&options, 300, 7), 0.5);
    options.rate_scale = RATE_BY_ROOT;
    close_to(schedule_rate(&options, 300, 7), 1.5); /* nine times the codes */
    options.rate_scale = RATE_BY_BATCH;
    close_to(schedule_rate(&options, 300, 7), 4.5);
    options.warmup = 10;
    close_to(schedule_rate(&options, 300, 7), 3.15);
    options.rate_batch = 3600; /* a quarter of them */
    close_to(schedule_rate(&options, 300, 10), 0.125);
    close_to(schedule_rate(&options, 200, 10),
             0.5 / 6); /* of fewer codes than train.batch, which is all that there are */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_of_larger_steps_are_scaled),
        cmocka_unit_test(schedule_warms_up_and_falls_along_a_cosine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
