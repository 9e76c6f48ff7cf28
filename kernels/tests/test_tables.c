/* What the cases of tables (cases/tables.c) do not show. See support.h. */
#include <string.h>

#include "support.h"

/* ---- rotary embedding ---- */
struct rope_call {
    struct rope r;
    dev_real from, x;
};

static void run_rope(void *context) {
    struct rope_call *c = context;
    for (int64_t k = 0; k < c->r.rows * c->r.ld; k++) c->x.at[k] = c->from.at[k];
    RUN(rope, &c->r, 1, c->x);
}

static void the_inverse_of_rope_is_its_backward(void **state) {
    (void)state;
    enum { ROWS = 5, COLS = 12 };
    static const int32_t POSITION[] = {0, 3, 1, 700, 2};
    struct rope_call c = {
        {.rows = ROWS, .heads = 2, .head_dim = 6, .ld = COLS, .base = 10000}, values(ROWS * COLS), zeros(ROWS * COLS)};
    dev_real dy = values(ROWS * COLS), dx = zeros(ROWS * COLS);
    c.r.position = ints(POSITION, ROWS);
    memcpy(dx.at, dy.at, ROWS * COLS * sizeof(real));
    RUN(rope, &c.r, -1, dx);
    check_gradient("x of rope", c.from, (int64_t)ROWS * COLS, dx, dy.at, c.x, (int64_t)ROWS * COLS, run_rope, &c);
    device_free_ints(&device, c.r.position);
    release(4, c.from, c.x, dy, dx);
}

int test_tables(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_inverse_of_rope_is_its_backward),
    };
    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
