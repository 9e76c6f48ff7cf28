/* The ragged pack and the stage of feature rows: what was written on the host is what the device has, however often
 * memory grew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "loader/pack.h"
#include "loader/row_stage.h"

static int64_t n_uploads; /* copies to the device since it was last set to 0 */
static void (*upload)(struct device *, void *to, const void *from, size_t bytes);

static void count_upload(struct device *device, void *to, const void *from, size_t bytes) {
    n_uploads++;
    upload(device, to, from, bytes);
}

static struct device_backend counting;

static void open_device(struct device *device) {
    assert_int_equal(device_open_cpu(device, 2), 0);
    counting = *device->memory;
    upload = counting.upload;
    counting.upload = count_upload;
    device->memory = &counting;
}

enum { N_ARRAYS = 60 };

static int64_t array_size(int a, int round) { return a % 7 == 0 ? 0 : (a * 977 + round * 131) % 5000; }

/* Fills all arrays after the last was declared, so that each must have stayed where it was. */
static void declare_and_send(struct pack *pack, int round) {
    int32_t *ints[N_ARRAYS];
    real *reals[N_ARRAYS];
    dev_int dev_ints[N_ARRAYS];
    dev_real dev_reals[N_ARRAYS];
    pack_begin(pack);
    for (int a = 0; a < N_ARRAYS; a++) {
        assert_int_equal(pack_ints(pack, array_size(a, round), &ints[a], &dev_ints[a]), STATUS_OK);
        assert_int_equal(pack_reals(pack, array_size(a, round) / 2, &reals[a], &dev_reals[a]), STATUS_OK);
        assert_null(dev_ints[a].at);
    }
    for (int a = 0; a < N_ARRAYS; a++) {
        for (int64_t i = 0; i < array_size(a, round); i++) ints[a][i] = (int32_t)(a * 10000 + i);
        for (int64_t i = 0; i < array_size(a, round) / 2; i++) reals[a][i] = (real)(-a - (double)i / 8192);
    }
    assert_int_equal(pack_send(pack), STATUS_OK);
    for (int a = 0; a < N_ARRAYS; a++) {
        assert_true((uintptr_t)dev_ints[a].at % 64 == 0 && (uintptr_t)dev_reals[a].at % 64 == 0);
        for (int64_t i = 0; i < array_size(a, round); i++) {
            assert_int_equal(dev_ints[a].at[i], a * 10000 + i);
            ints[a][i] = 0; /* the device has a copy of its own */
            assert_int_equal(dev_ints[a].at[i], a * 10000 + i);
        }
        for (int64_t i = 0; i < array_size(a, round) / 2; i++)
            assert_true(dev_reals[a].at[i] == (real)(-a - (double)i / 8192));
    }
}

static void arrays_stay_while_a_pack_grows_and_soon_travel_in_one_copy(void **state) {
    (void)state;
    struct device device;
    struct pack pack;
    open_device(&device);
    pack_make(&pack, &device);
    for (int round = 0; round < 4; round++) {
        n_uploads = 0;
        declare_and_send(&pack, round);
        assert_true(round == 0 ? n_uploads > 1 : n_uploads == 1);
    }
    pack_free(&pack);
    device_close(&device);
}

static void a_trimmed_array_gives_its_rest_to_the_next(void **state) {
    (void)state;
    struct device device;
    struct pack pack;
    int32_t *first, *second;
    dev_int dev_first, dev_second;
    open_device(&device);
    pack_make(&pack, &device);
    pack_begin(&pack);
    assert_int_equal(pack_ints(&pack, 1000, &first, &dev_first), STATUS_OK);
    first[0] = 7, first[16] = 8;
    pack_trim(&pack, 17);
    assert_int_equal(pack_ints(&pack, 1, &second, &dev_second), STATUS_OK);
    second[0] = 9;
    assert_int_equal(pack_send(&pack), STATUS_OK);
    assert_true(dev_first.at[0] == 7 && dev_first.at[16] == 8 && dev_second.at[0] == 9);
    assert_true(dev_second.at - dev_first.at == 32); /* 17 integers in units of 64 bytes */
    pack_free(&pack);
    device_close(&device);
}

static void an_empty_pack_is_sent(void **state) {
    (void)state;
    struct device device;
    struct pack pack;
    int32_t *host;
    dev_int array;
    open_device(&device);
    pack_make(&pack, &device);
    pack_begin(&pack);
    assert_int_equal(pack_send(&pack), STATUS_OK);
    assert_int_equal(pack_ints(&pack, 0, &host, &array), STATUS_OK);
    assert_int_equal(pack_send(&pack), STATUS_OK);
    pack_free(&pack);
    pack_free(&pack); /* and once more does no harm */
    device_close(&device);
}

/* Row r of the source is r, r + 0.25, r + 0.5, ... */
static void read_row(const void *source, int64_t row, float *out) {
    for (int c = 0; c < *(const int *)source; c++) out[c] = (float)row + (float)c / 4;
}

static void rows_arrive_in_the_order_asked_for(void **state) {
    (void)state;
    static const int32_t ROWS[] = {5, 0, 5, 90000, 3};
    struct device device;
    struct row_stage stage;
    const int dim = 3;
    open_device(&device);
    row_stage_make(&stage, &device);
    for (int64_t n = 0; n <= 5; n++) { /* growing */
        dev_real out;
        assert_int_equal(row_stage_send(&stage, (struct row_source){read_row, &dim, dim}, n, ROWS, &out), STATUS_OK);
        device_prefetch_wait(&device);
        for (int64_t r = 0; r < n; r++)
            for (int c = 0; c < dim; c++) assert_true(out.at[r * dim + c] == (real)(ROWS[r] + (double)c / 4));
    }
    row_stage_free(&stage);
    device_close(&device);
}

static void a_failed_device_is_an_error(void **state) {
    (void)state;
    struct device device;
    struct pack pack;
    struct row_stage stage;
    dev_real rows;
    open_device(&device);
    pack_make(&pack, &device);
    row_stage_make(&stage, &device);
    strcpy(device.error, "it broke");
    pack_begin(&pack);
    assert_int_equal(pack_send(&pack), STATUS_FAILED);
    assert_string_equal(status_message(), "device cpu: it broke");
    assert_int_equal(row_stage_reserve(&stage, 4, &rows), STATUS_FAILED);
    pack_free(&pack);
    row_stage_free(&stage);
    device_close(&device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_stay_while_a_pack_grows_and_soon_travel_in_one_copy),
        cmocka_unit_test(a_trimmed_array_gives_its_rest_to_the_next),
        cmocka_unit_test(an_empty_pack_is_sent),
        cmocka_unit_test(rows_arrive_in_the_order_asked_for),
        cmocka_unit_test(a_failed_device_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
