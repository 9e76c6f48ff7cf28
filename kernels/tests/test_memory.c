/* Buffers, copies and errors of a device. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

/* More than the ring through which the CUDA backend uploads (32 MB), and not a whole number of its parts. */
enum { MANY = (48 << 20) / sizeof(real) + 12345 };

static void large_copies_come_back_as_they_went(void **state) {
    (void)state;
    real *host = malloc(MANY * sizeof *host), *back = calloc(MANY, sizeof *back);
    dev_real x = device_alloc_reals(&device, MANY), y = device_alloc_reals(&device, MANY);
    for (int64_t i = 0; i < MANY; i++) host[i] = (real)(i % 16777216);
    device_upload_reals(&device, x, host, MANY);
    memset(host, 0, MANY * sizeof *host); /* may be reused at once */
    device.run->copy_matrix(&device, 1, MANY, (struct matrix){x, MANY}, (struct matrix){y, MANY}, 0);
    device_download_reals(&device, back, y, MANY);
    assert_null(device_error(&device));
    for (int64_t i = 0; i < MANY; i++)
        if (back[i] != (real)(i % 16777216)) fail_msg("value %lld is %g", (long long)i, (double)back[i]);
    free(host);
    free(back);
    release(2, x, y);
}

/* Each upload overwrites the one before, and is read by the device between them. */
static void small_uploads_keep_their_order(void **state) {
    (void)state;
    enum { N = 3000, TIMES = 3000 };
    static int32_t host[N], back[N];
    dev_int index = device_alloc_ints(&device, N);
    dev_real table = zeros(TIMES), out = zeros(N), sum = zeros(1);
    for (int i = 0; i < TIMES; i++) table.at[i] = (real)i;
    for (int time = 0; time < TIMES; time++) {
        for (int i = 0; i < N; i++) host[i] = time;
        device_upload_ints(&device, index, host, N);
        if (time % 500 != 0) continue;
        device.run->gather_rows(&device, N, 1, table, index, out);
        device.run->sum_rows(&device, N, 1, out, sum);
    }
    device_download_ints(&device, back, index, N);
    assert_memory_equal(back, host, sizeof host);
    device_synchronize(&device);
    assert_null(device_error(&device));
    close_to(sum.at[0], N * (500.0 + 1000 + 1500 + 2000 + 2500), "sum", 0);
    device_free_ints(&device, index);
    release(3, table, out, sum);
}

static void prefetches_arrive_before_the_work_that_waits(void **state) {
    (void)state;
    enum { N = 70001, STEPS = 4 };
    real *host = device_host_alloc_reals(&device, N);
    assert_non_null(host);
    dev_real buffer[2] = {zeros(N), zeros(N)}, sum = zeros(N);
    double wanted = 0;
    for (int step = 0; step < STEPS; step++) {
        device_prefetch_finish(&device);
        for (int i = 0; i < N; i++) host[i] = (real)(step + 1);
        wanted += step + 1;
        device_prefetch_reals(&device, buffer[step % 2], host, N);
        device_prefetch_wait(&device);
        device.run->axpy(&device, N, 1, buffer[step % 2], sum);
    }
    device_prefetch_finish(&device);
    device_host_free_reals(&device, host);
    device_synchronize(&device);
    assert_null(device_error(&device));
    for (int i = 0; i < N; i++) close_to(sum.at[i], wanted, "sum", i);
    release(3, buffer[0], buffer[1], sum);
}

/* ---- recorded work: y += x . x, and what a test adds ---- */
enum { RECORDED = 5000, ROWS = 300, COLUMNS = 3000 };

struct repetition {
    dev_real x, y;
    int n_calls;
    void (*more)(struct repetition *);
};

static void queue_recorded(void *context) {
    struct repetition *r = context;
    r->n_calls++;
    device.run->dot(&device, RECORDED, 1, r->x, r->x, r->y);
    if (r->more) r->more(r);
}

/* The second and every later time it is the recording that is queued, also after scratch, which it uses, has grown: then it is
 * recorded once more. The recording reads device memory anew each time, and its work is counted each time. */
static void recorded_work_is_done_and_counted_each_time(void **state) {
    (void)state;
    struct repetition r = {zeros(RECORDED), zeros(1), 0, NULL};
    struct recorded_work recorded = {0};
    dev_real a = values(ROWS), b = values(COLUMNS), loss = zeros(1);
    const dev_real none = {NULL};
    const struct cross_entropy c = {.n = ROWS, .m = COLUMNS, .dim = 1, .scale = 1, .a = a, .b = b, .weight = 1};
    double wanted = 0;
    struct work before = device.work, one = {0};
    for (int time = 1; time <= 6; time++) {
        device_synchronize(&device);
        for (int i = 0; i < RECORDED; i++) r.x.at[i] = (real)time;
        wanted += (double)RECORDED * time * time;
        device_run_recorded(&device, &recorded, queue_recorded, &r);
        if (time == 1) one = (struct work){device.work.flops - before.flops, device.work.bytes - before.bytes, 1};
        if (time == 4) { /* its scratch is larger */
            struct work counted = device.work;
            device.run->cross_entropy(&device, &c, loss, none, a, b, none);
            device.work = counted;
        }
    }
    device_synchronize(&device);
    assert_null(device_error(&device));
    close_to(r.y.at[0], wanted, "sum", 0);
    assert_true(device.work.calls - before.calls == 6);
    close_to(device.work.flops - before.flops, 6 * one.flops, "operations", 0);
    close_to(device.work.bytes - before.bytes, 6 * one.bytes, "bytes", 0);
    assert_int_equal(r.n_calls, on_cpu() ? 6 : 3);
    device_forget_recording(&device, &recorded);
    device_forget_recording(&device, &recorded);
    release(5, r.x, r.y, a, b, loss);
}

static void sums(struct repetition *r) { device.run->sum_rows(&device, RECORDED, 1, r->x, r->y); }

/* A GPU's sums over blocks count these in memory that outlasts the call. */
static void sums_over_blocks_are_recorded(void **state) {
    (void)state;
    struct repetition r = {zeros(RECORDED), zeros(1), 0, sums};
    struct recorded_work recorded = {0};
    for (int i = 0; i < RECORDED; i++) r.x.at[i] = 1;
    for (int time = 0; time < 4; time++) device_run_recorded(&device, &recorded, queue_recorded, &r);
    device_synchronize(&device);
    assert_null(device_error(&device));
    close_to(r.y.at[0], 4 * 2 * RECORDED, "sum", 0);
    device_forget_recording(&device, &recorded);
    release(2, r.x, r.y);
}

static void allocates(struct repetition *r) {
    (void)r;
    device_free_reals(&device, device_alloc_reals(&device, 1));
}

static void waits(struct repetition *r) {
    (void)r;
    device_synchronize(&device);
}

static void uploads(struct repetition *r) {
    real value = 1;
    device_upload_reals(&device, r->x, &value, 1);
}

static void what_cannot_be_recorded_is_an_error(void **state) {
    (void)state;
    static void (*const WRONG[])(struct repetition *) = {allocates, waits, uploads};
    if (on_cpu()) return;
    for (int i = 0; i < 3; i++) {
        struct repetition r = {zeros(RECORDED), zeros(1), 0, WRONG[i]};
        struct recorded_work recorded = {0};
        device_run_recorded(&device, &recorded, queue_recorded, &r);
        assert_null(device_error(&device));
        device_run_recorded(&device, &recorded, queue_recorded, &r);
        assert_non_null(device_error(&device));
        assert_null(recorded.recording);
        device.error[0] = 0;
        r.more = NULL; /* and the device is as good as before */
        device_run_recorded(&device, &recorded, queue_recorded, &r);
        device_run_recorded(&device, &recorded, queue_recorded, &r);
        device_synchronize(&device);
        assert_null(device_error(&device));
        device_forget_recording(&device, &recorded);
        release(2, r.x, r.y);
    }
}

static void buffers_of_nothing_are_allowed(void **state) {
    (void)state;
    dev_real x = device_alloc_reals(&device, 0);
    dev_int i = device_alloc_ints(&device, 0);
    device_upload_reals(&device, x, NULL, 0);
    device_download_ints(&device, NULL, i, 0);
    assert_non_null(x.at);
    assert_non_null(i.at);
    assert_null(device_error(&device));
    device_free_ints(&device, i);
    release(1, x);
    release(1, (dev_real){NULL});
}

/* Not on `device`: how the driver answers when too much managed memory is asked for is not laid down. */
static void too_large_a_buffer_is_an_error_that_says_what_helps(void **state) {
    (void)state;
    static const int64_t COUNTS[] = {(int64_t)1 << 50, INT64_MAX, -1};
    struct device d;
    real host[3] = {0};
    assert_int_equal(on_cpu() ? device_open_cpu(&d, 1) : device_open_cuda(&d, 0, PRODUCTS_F32, 0), 0);
    for (int i = 0; i < 3; i++) {
        d.needs_less = i == 0 ? NULL : "a smaller train.batch";
        assert_null(device_alloc_reals(&d, COUNTS[i]).at);
        assert_non_null(device_error(&d));
        assert_non_null(strstr(device_error(&d), "out of memory"));
        assert_non_null(strstr(device_error(&d), "asked for"));
        assert_true((strstr(device_error(&d), "less is needed with a smaller train.batch") != NULL) == (i > 0));
        d.error[0] = 0;
    }
    dev_real x = device_alloc_reals(&d, 3);
    d.run->fill(&d, 3, 2.5, x); /* and the device is as good as before */
    device_download_reals(&d, host, x, 3);
    assert_null(device_error(&d));
    for (int i = 0; i < 3; i++) assert_true(host[i] == 2.5);
    device_free_reals(&d, x);
    device_close(&d);
}

static void after_an_error_nothing_more_is_done(void **state) {
    (void)state;
    dev_real x = zeros(3);
    real host[3] = {1, 1, 1};
    strcpy(device.error, "an error");
    device.run->fill(&device, 3, 2.5, x);
    device_upload_reals(&device, x, host, 3);
    assert_null(device_alloc_reals(&device, 3).at);
    device_synchronize(&device);
    assert_string_equal(device_error(&device), "an error");
    device.error[0] = 0;
    device_download_reals(&device, host, x, 3);
    for (int i = 0; i < 3; i++) assert_true(host[i] == 0);
    release(1, x);
}

static void a_primitive_that_the_backend_lacks_is_an_error_that_names_both(void **state) {
    (void)state;
    const struct kernels *whole = device.primitives;
    struct kernels less = *whole;
    struct work before = device.work;
    dev_real x = zeros(3);
    less.fill = NULL;
    device.primitives = &less;
    device.run->fill(&device, 3, 2.5, x);
    device.primitives = whole;
    assert_non_null(device_error(&device));
    assert_non_null(strstr(device_error(&device), "\"fill\""));
    assert_non_null(strstr(device_error(&device), on_cpu() ? "cpu backend" : "cuda backend"));
    assert_true(device.work.calls == before.calls);
    device.error[0] = 0;
    release(1, x);
}

static void the_size_of_memory_is_known_where_it_is_the_devices_own(void **state) {
    (void)state;
    int64_t left = -1, total = -1;
    device_memory(&device, &left, &total);
    assert_null(device_error(&device));
    if (on_cpu())
        assert_true(left == 0 && total == 0);
    else
        assert_true(left > 0 && left <= total);
}

/* As programs use it: device memory that the host cannot see. */
static void a_device_that_is_not_visible_to_the_host_works(void **state) {
    (void)state;
    if (on_cpu()) return;
    enum { N = 1000 };
    struct device d;
    assert_int_equal(device_open_cuda(&d, 0, PRODUCTS_F32, 0), 0);
    dev_real x = device_alloc_reals(&d, N);
    real host[N];
    d.run->fill(&d, N, 3, x);
    device_download_reals(&d, host, x, N);
    assert_null(device_error(&d));
    for (int i = 0; i < N; i++) assert_true(host[i] == 3);
    device_free_reals(&d, x);
    device_close(&d);
}

static void a_device_that_is_not_there_cannot_be_opened(void **state) {
    (void)state;
    struct device d;
    assert_int_equal(device_open_cuda(&d, 1000, PRODUCTS_F32, 0), -1);
    assert_true(strncmp(d.error, "cuda: ", 6) == 0);
    device_close(&d);
    device_close(&d);
}

int test_memory(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_copies_come_back_as_they_went),
        cmocka_unit_test(small_uploads_keep_their_order),
        cmocka_unit_test(prefetches_arrive_before_the_work_that_waits),
        cmocka_unit_test(recorded_work_is_done_and_counted_each_time),
        cmocka_unit_test(sums_over_blocks_are_recorded),
        cmocka_unit_test(what_cannot_be_recorded_is_an_error),
        cmocka_unit_test(buffers_of_nothing_are_allowed),
        cmocka_unit_test(too_large_a_buffer_is_an_error_that_says_what_helps),
        cmocka_unit_test(after_an_error_nothing_more_is_done),
        cmocka_unit_test(a_primitive_that_the_backend_lacks_is_an_error_that_names_both),
        cmocka_unit_test(the_size_of_memory_is_known_where_it_is_the_devices_own),
        cmocka_unit_test(a_device_that_is_not_visible_to_the_host_works),
        cmocka_unit_test(a_device_that_is_not_there_cannot_be_opened),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
