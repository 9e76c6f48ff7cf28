/* What the cases of tables (cases/tables.c) do not show. See support.h. */
#include <stdlib.h>
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

/* ---- Adam on rows ---- */
enum { TABLE = 11, COLS = 37, STEPS = 40 };
static const struct adam ADAM = {0.9, 0.99, 1e-6, 0.1};

/* The same in plain loops. `dense` has the moments that Adam has if it sees gradients of zero between. */
struct plain_adam {
    double value[TABLE][COLS], m[TABLE][COLS], v[TABLE][COLS];
    int last[TABLE];
};

static void plain_rows(struct plain_adam *p, int step, double rate, double scale, const dev_int index, int n,
                       const real *gradient) {
    for (int i = 0; i < n; i++) {
        int row = index.at[i];
        if (row < 0) continue;
        for (int c = 0; c < COLS; c++) {
            double g = scale * gradient[i * COLS + c], *m = &p->m[row][c], *v = &p->v[row][c], *x = &p->value[row][c];
            for (int s = p->last[row]; s < step - 1; s++) *m = ADAM.beta1 * *m, *v = ADAM.beta2 * *v;
            *m = ADAM.beta1 * *m + (1 - ADAM.beta1) * g;
            *v = ADAM.beta2 * *v + (1 - ADAM.beta2) * g * g;
            double first = *m / (1 - pow(ADAM.beta1, step)), second = *v / (1 - pow(ADAM.beta2, step));
            *x = (1 - rate * ADAM.weight_decay) * *x - rate * first / (sqrt(second) + ADAM.epsilon);
        }
        p->last[row] = step;
    }
}

/* Row 0 has a gradient in each step, row TABLE - 1 never, the others now and then. */
static int choose_rows(int step, dev_int index) {
    int n = 0;
    for (int row = 0; row < TABLE - 1; row++)
        if (row == 0 || (step * 7 + row * 3) % (row + 2) == 0) index.at[n++] = row;
    index.at[n++] = -1;
    return n;
}

static void adam_moves_the_rows_that_have_a_gradient(void **state) {
    (void)state;
    static struct plain_adam plain;
    memset(&plain, 0, sizeof plain);
    struct adam_rows a = {.cols = COLS,
                          .adam = ADAM,
                          .constants = zeros(N_ADAM_CONSTANTS),
                          .gradient = values((TABLE + 1) * COLS),
                          .value = values(TABLE * COLS),
                          .m = zeros(TABLE * COLS),
                          .v = zeros(TABLE * COLS)};
    dev_real dense[3] = {zeros(COLS), zeros(COLS), zeros(COLS)}, never = zeros(COLS);
    a.index = device_alloc_ints(&device, TABLE + 1);
    a.last = device_alloc_ints(&device, TABLE);
    for (int row = 0; row < TABLE; row++) a.last.at[row] = 0;
    for (int k = 0; k < TABLE * COLS; k++) plain.value[k / COLS][k % COLS] = a.value.at[k];
    memcpy(dense[0].at, a.value.at, COLS * sizeof(real));
    memcpy(never.at, a.value.at + (TABLE - 1) * COLS, COLS * sizeof(real));
    for (int step = 1; step <= STEPS; step++) {
        double rate = 0.02 / step;
        for (int k = 0; k < (TABLE + 1) * COLS; k++) a.gradient.at[k] = (real)uniform();
        a.n = choose_rows(step, a.index);
        adam_constants(ADAM, rate, step, 0.5, a.constants.at);
        RUN(adam, COLS, ADAM, a.constants, a.gradient, dense[0], dense[1], dense[2]); /* of row 0 */
        RUN(adam_rows, &a);
        plain_rows(&plain, step, rate, 0.5, a.index, (int)a.n, a.gradient.at);
    }
    for (int k = 0; k < TABLE * COLS; k++) {
        close_to(a.value.at[k], plain.value[k / COLS][k % COLS], "value", k);
        close_to(a.m.at[k], plain.m[k / COLS][k % COLS], "m", k);
        close_to(a.v.at[k], plain.v[k / COLS][k % COLS], "v", k);
    }
    for (int row = 0; row < TABLE; row++) assert_int_equal(a.last.at[row], plain.last[row]);
    for (int c = 0; c < COLS; c++) close_to(a.value.at[c], dense[0].at[c], "row with a gradient in each step", c);
    assert_memory_equal(a.value.at + (TABLE - 1) * COLS, never.at, COLS * sizeof(real));
    a.n = 0;
    RUN(adam_rows, &a);
    device_free_ints(&device, a.index);
    device_free_ints(&device, a.last);
    release(9, a.constants, a.gradient, a.value, a.m, a.v, dense[0], dense[1], dense[2], never);
}

int test_tables(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_inverse_of_rope_is_its_backward),
        cmocka_unit_test(adam_moves_the_rows_that_have_a_gradient),
    };
    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
