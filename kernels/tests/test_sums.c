/* Values on their way to other processes: fetches, and sums over a group of one device, with the NCCL that is there. Groups of several are
 * those of emulation/test_nccl.cpp. See support.h. */
#include <string.h>
#include <time.h>

#include "support.h"

enum { N = 70001 };

static void a_fetch_is_of_the_work_before_it(void **state) {
    (void)state;
    real *host = device_host_alloc_reals(&device, N);
    dev_real x = zeros(N), y = zeros(N);
    for (int step = 1; step <= 3; step++) {
        device.run->fill(&device, N, step, x);
        device_fetch_reals(&device, host, x, N);
        device.run->axpy(&device, N, 1, x, y); /* work that is queued since may read */
        device_fetch_wait(&device);
        device.run->fill(&device, N, 100, x);
        for (int i = 0; i < N; i++) assert_true(host[i] == step);
    }
    device_synchronize(&device);
    assert_null(device_error(&device));
    for (int i = 0; i < N; i++) assert_true(y.at[i] == 6);
    device_host_free_reals(&device, host);
    release(2, x, y);
}

static void the_cpu_sums_over_no_devices(void **state) {
    (void)state;
    if (!on_cpu()) return;
    struct device_group_id id;
    const char *why = "";
    char address[DEVICE_ADDRESS_BYTES];
    device_address(&device, address);
    assert_string_equal(address, "");
    assert_int_equal(device_group_id(&device, &id, &why), -1);
    assert_non_null(strstr(why, "does not sum"));
    device_group_join(&device, &id, 0, 1);
    assert_int_equal(device_group_state(&device, &why), GROUP_NONE);
    assert_int_equal(device.group_size, 0);
    assert_null(device_error(&device));
}

/* NULL: it has joined. */
static const char *join_alone(struct device *d) {
    static const struct timespec PAUSE = {.tv_nsec = 1000000};
    struct device_group_id id;
    const char *why = "";
    time_t began = time(NULL);
    enum device_group_state state = GROUP_JOINING;
    if (device_group_id(d, &id, &why)) return why;
    device_group_join(d, &id, 0, 1);
    while ((state = device_group_state(d, &why)) == GROUP_JOINING && time(NULL) - began < 60) nanosleep(&PAUSE, NULL);
    return state == GROUP_JOINED ? NULL : state == GROUP_JOINING ? "not in a minute" : why;
}

/* As programs use it: memory that the host cannot see, work before and behind the sums, and several of them. */
static void a_group_of_one_has_its_own_values_for_sums(void **state) {
    (void)state;
    const char *missing = NULL;
    if (on_cpu()) return;
    if (!device_sums_library(&missing)) {
        print_message("sums over a group of one are not tested: %s\n", missing);
        return;
    }
    struct device d;
    static real host[N];
    assert_int_equal(device_open_cuda(&d, 0, PRODUCTS_F32, 0), 0);
    const char *why = join_alone(&d);
    if (why) fail_msg("%s cannot join: %s", device_sums_library(NULL), why);
    assert_int_equal(d.group_size, 1);
    dev_real x = device_alloc_reals(&d, N), y = device_alloc_reals(&d, N);
    d.run->fill(&d, N, 0, y);
    for (int step = 1; step <= 4; step++) {
        d.run->fill(&d, N, step, x);
        device_sum_start(&d, x, N / 2);
        device_sum_start(&d, dev_real_at(x, N / 2), N - N / 2);
        device_sum_finish(&d);
        d.run->axpy(&d, N, 1, x, y);
    }
    device_download_reals(&d, host, y, N);
    assert_null(device_error(&d));
    for (int i = 0; i < N; i++) assert_true(host[i] == 10);
    device_group_leave(&d);
    assert_int_equal(d.group_size, 0);
    device_sum_start(&d, x, N); /* in no group */
    assert_non_null(strstr(device_error(&d), "not joined"));
    device_free_reals(&d, x);
    device_free_reals(&d, y);
    device_close(&d);
}

int test_sums(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fetch_is_of_the_work_before_it),
        cmocka_unit_test(the_cpu_sums_over_no_devices),
        cmocka_unit_test(a_group_of_one_has_its_own_values_for_sums),
    };
    return cmocka_run_group_tests_name("sums", tests, NULL, NULL);
}
