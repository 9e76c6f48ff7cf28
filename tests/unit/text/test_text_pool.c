/* The sentence feature: the first row of a text, or the mean of its rows in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "text/text_pool.h"

/* Two texts of three rows and of one, two columns. */
static void the_mean_of_a_text_takes_the_place_of_its_first_row_alone(void **state) {
    static const real ROWS[] = {1, 2, 4, 5, 7, 14, 3, -8};
    static const real POOLED[] = {4, 7, 4, 5, 7, 14, 3, -8};
    struct device device;
    real found[8];
    (void)state;
    assert_int_equal(device_open_cpu(&device, 1), 0);
    struct text_pool_room room = {.device = &device};
    struct bert_hidden hidden = {device_alloc_reals(&device, 8), device_alloc_ints(&device, 3)};
    device_upload_ints(&device, hidden.offsets, (int32_t[]){0, 3, 4}, 3);
    for (int pooling = POOL_CLS; pooling <= POOL_MEAN; pooling++) {
        device_upload_reals(&device, hidden.rows, ROWS, 8);
        assert_int_equal(text_pool(&room, (enum text_pooling)pooling, 2, 4, 2, &hidden), STATUS_OK);
        device_download_reals(&device, found, hidden.rows, 8);
        for (int i = 0; i < 8; i++)
            assert_float_equal((float)found[i], (float)(pooling == POOL_MEAN ? POOLED : ROWS)[i], 1e-6F);
    }
    text_pool_room_free(&room);
    device_free_reals(&device, hidden.rows);
    device_free_ints(&device, hidden.offsets);
    device_close(&device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_a_text_takes_the_place_of_its_first_row_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
