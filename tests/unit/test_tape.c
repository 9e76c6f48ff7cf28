/* The tape's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/tape.h"

/* A device of the CPU's that counts the bytes of its buffers; buffers beyond the first few MB are not touched. */
static struct device device;
static struct device_backend counting;
static const struct device_backend *cpu;
static int64_t allocated;

static void *count_alloc(struct device *d, size_t bytes) {
    allocated += (int64_t)bytes;
    return cpu->alloc(d, bytes);
}

static int open_counting(void **state) {
    (void)state;
    if (device_open_cpu(&device, 1)) return -1;
    cpu = device.memory;
    counting = *cpu;
    counting.alloc = count_alloc;
    device.memory = &counting;
    return 0;
}

static int close_counting(void **state) {
    (void)state;
    device_close(&device);
    return 0;
}

/* On a GPU of 16 GB twice what is needed would be a false "out of memory". */
static void a_step_takes_at_most_256_mb_more_than_it_needs(void **state) {
    (void)state;
    enum { REALS = 1 << 20 };
    struct tape tape;
    tape_init(&tape, &device);
    for (int64_t n = 1; n <= 300; n++) {
        assert_non_null(tape_reals(&tape, REALS).at);
        int64_t needed = n * REALS * (int64_t)sizeof(real);
        if (allocated > needed + (256 << 20)) fail_msg("%lld bytes for %lld", (long long)allocated, (long long)needed);
    }
    int64_t before = allocated;
    tape_reset(&tape, 0); /* one block in the place of all */
    int64_t after = allocated;
    assert_true(after <= 2 * before);
    for (int n = 0; n < 300; n++) assert_non_null(tape_reals(&tape, REALS).at);
    assert_true(allocated == after);
    tape_free(&tape);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_step_takes_at_most_256_mb_more_than_it_needs, open_counting, close_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
