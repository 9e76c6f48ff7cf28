/* Linear maps: what cases (kernels/cases/linear.c) do not say. Frozen maps in each storage and precision, and the promise that a
 * row does not depend on its neighbours. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "bf16.h"
#include "cases/families.h"
#include "support.h"

/* ---- maps under test ---- */
enum weights { TRAINED, FROZEN, FROZEN_BF16, BORROWED, BORROWED_BF16, N_KINDS };

struct tested {
    struct linear map;
    dev_real weight; /* what it multiplies by, [out, in] */
    uint16_t *stored;
};

/* A map of random weights; those of bf16 are exact in float32. */
static struct tested make(enum weights kind, int64_t in, int64_t out, int bias) {
    struct tested t = {.map = {.in = in, .out = out}, .weight = values(out * in)};
    if (bias) t.map.bias = values(out);
    t.stored = malloc((size_t)(out * in) * sizeof *t.stored + 1);
    int narrow = kind == FROZEN_BF16 || kind == BORROWED_BF16;
    for (int64_t i = 0; narrow && i < out * in; i++) {
        t.stored[i] = bf16_from_float((float)t.weight.at[i]);
        t.weight.at[i] = bf16_to_float(t.stored[i]);
    }
    if (kind == TRAINED)
        t.map.weight = t.weight;
    else
        t.map.packed = (kind >= BORROWED ? device.run->linear_borrow : device.run->linear_pack)(
            &device, in, out, narrow ? (void *)t.stored : (void *)t.weight.at, narrow ? STORAGE_BF16 : STORAGE_REAL,
            PRODUCTS_F32);
    if (kind != TRAINED) assert_non_null(t.map.packed);
    return t;
}

static void discard(struct tested *t) {
    device.run->linear_free(&device, t->map.packed);
    free(t->stored);
    release(1, t->weight);
    if (t->map.bias.at) release(1, t->map.bias);
}

static double before_activation(const struct tested *t, const real *x, int64_t o) {
    double sum = t->map.bias.at ? t->map.bias.at[o] : 0;
    for (int64_t i = 0; i < t->map.in; i++) sum += (double)x[i] * t->weight.at[o * t->map.in + i];
    return sum;
}

/* ---- values ---- */
/* Inputs and outputs of one panel or vector and beside it, and rows of one block, of several, and beside them. */
static void maps_agree_with_plain_loops(void **state) {
    (void)state;
    static const int64_t SIZES[][3] = {{0, 5, 3}, {1, 1, 1}, {3, 37, 29}, {255, 8, 16}, {257, 33, 17}, {600, 37, 29}};
    for (int kind = 0; kind < N_KINDS; kind++)
        for (int c = 0; c < 6 * 2 * 2 * N_ACTIVATIONS; c++) {
            enum activation f = (enum activation)(c % N_ACTIVATIONS);
            int bias = c / N_ACTIVATIONS % 2, accumulate = c / N_ACTIVATIONS / 2 % 2;
            const int64_t *s = SIZES[c / N_ACTIVATIONS / 4];
            int64_t rows = s[0], in = s[1], out = s[2];
            struct tested t = make((enum weights)kind, in, out, bias);
            dev_real x = values(rows * in), y = values(rows * out), old = values(rows * out);
            t.map.f = f, t.map.accumulate = accumulate;
            for (int64_t i = 0; i < rows * in; i++) x.at[i] *= 2; /* into the curved and the flat parts of f */
            for (int64_t i = 0; i < rows * out; i++) y.at[i] = accumulate ? old.at[i] : (real)NAN;
            RUN(linear, &t.map, rows, x, y);
            for (int64_t i = 0; i < rows * out; i++) {
                double sum = before_activation(&t, x.at + i / out * in, i % out) + (accumulate ? old.at[i] : 0);
                close_to(y.at[i], case_activation(f, sum), "linear", i);
            }
            discard(&t);
            release(3, x, y, old);
        }
}

static void a_nan_goes_through_a_map(void **state) {
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++)
        for (int f = 0; f < N_ACTIVATIONS; f++) {
            struct tested t = make((enum weights)kind, 5, 3, 1);
            dev_real x = values(2 * 5), y = zeros(2 * 3);
            t.map.f = (enum activation)f;
            x.at[3] = (real)NAN;
            RUN(linear, &t.map, 2, x, y);
            for (int o = 0; o < 3; o++) assert_true(isnan(y.at[o]) && !isnan(y.at[3 + o]));
            discard(&t);
            release(2, x, y);
        }
}

/* ---- gradients ---- */
/* dx = dy W, dweight = dy^T x, dbias = the sum of dy: plain loops, what was there before kept or not; and each of them alone. */
static void check_backward(enum weights kind, int64_t rows, int64_t in, int64_t out, int accumulate) {
    struct tested t = make(kind, in, out, 1);
    dev_real x = values(rows * in), dy = values(rows * out), dx = values(rows * in), dw = values(out * in),
             db = values(out), before[3] = {values(rows * in), values(out * in), values(out)};
    int frozen = kind != TRAINED;
    memcpy(before[0].at, dx.at, (size_t)(rows * in) * sizeof(real));
    memcpy(before[1].at, dw.at, (size_t)(out * in) * sizeof(real));
    memcpy(before[2].at, db.at, (size_t)out * sizeof(real));
    struct linear_gradients all[3] = {{.dx = dx, .accumulate = accumulate}, {.dweight = dw}, {.dbias = db}};
    for (int k = 0; k < (frozen ? 1 : 3); k++) RUN(linear_backward, &t.map, rows, x, dy, all[k]);
    for (int64_t i = 0; i < rows * in; i++) {
        double sum = accumulate ? before[0].at[i] : 0;
        for (int64_t o = 0; o < out; o++) sum += (double)dy.at[i / in * out + o] * t.weight.at[o * in + i % in];
        close_to(dx.at[i], sum, "dx", i);
    }
    for (int64_t i = 0; i < out * in; i++) {
        double sum = before[1].at[i];
        for (int64_t r = 0; r < rows && !frozen; r++) sum += (double)dy.at[r * out + i / in] * x.at[r * in + i % in];
        close_to(dw.at[i], sum, "dweight", i);
    }
    for (int64_t o = 0; o < out; o++) {
        double sum = before[2].at[o];
        for (int64_t r = 0; r < rows && !frozen; r++) sum += dy.at[r * out + o];
        close_to(db.at[o], sum, "dbias", o);
    }
    discard(&t);
    release(8, x, dy, dx, dw, db, before[0], before[1], before[2]);
}

static void gradients_of_maps_agree_with_plain_loops(void **state) {
    (void)state;
    static const int64_t SIZES[][3] = {{0, 5, 3}, {1, 1, 1}, {3, 37, 29}, {65, 33, 17}, {257, 20, 300}, {5, 300, 513}};
    for (int kind = 0; kind < N_KINDS; kind++)
        for (int s = 0; s < 6; s++)
            for (int accumulate = 0; accumulate < 2; accumulate++)
                check_backward((enum weights)kind, SIZES[s][0], SIZES[s][1], SIZES[s][2], accumulate);
}

/* ---- rows ---- */
/* The same last bits in a row alone as among others. NULL: this precision is not there. */
static int rows_stand_alone(enum storage storage, enum precision_of_products precision, int accumulate) {
    enum { IN = 384, OUT = 200, ROWS = 513 };
    struct tested t = make(TRAINED, IN, OUT, 1);
    t.map.weight = (dev_real){NULL};
    t.map.f = ACTIVATION_GELU, t.map.accumulate = accumulate;
    for (int64_t i = 0; i < OUT * IN; i++) t.stored[i] = bf16_from_float((float)t.weight.at[i]);
    t.map.packed = device.run->linear_pack(&device, IN, OUT, storage == STORAGE_BF16 ? (void *)t.stored : t.weight.at,
                                           storage, precision);
    if (!t.map.packed && precision != PRODUCTS_F32) {
        assert_non_null(strstr(device_error(&device), precision == PRODUCTS_BF16 ? "bf16" : "tf32"));
        device.error[0] = 0; /* not on this processor, or not in this build */
        discard(&t);
        return 0;
    }
    assert_int_equal(
        t.map.packed->weight_bytes,
        storage == STORAGE_BF16 || (precision == PRODUCTS_BF16 && sizeof(real) == 4) ? 2 : (int)sizeof(real));
    dev_real x = values(ROWS * IN), old = values(ROWS * OUT), y = zeros(ROWS * OUT), one = zeros(OUT);
    memcpy(y.at, old.at, ROWS * OUT * sizeof(real));
    RUN(linear, &t.map, ROWS, x, y);
    for (int64_t r = 0; r < ROWS; r += 37) {
        memcpy(one.at, old.at + r * OUT, OUT * sizeof(real));
        RUN(linear, &t.map, 1, dev_real_at(x, r * IN), one);
        if (memcmp(one.at, y.at + r * OUT, OUT * sizeof(real)) != 0)
            fail_msg(
                "row %lld alone has other last bits than among others (storage %d, precision %d): the library of "
                "products sums in an order that depends on the position of a row (stream-K?), so that encode's "
                "rows depend on theirs",
                (long long)r, storage, precision);
    }
    /* two roundings to 8 bits a product, 384 products of size 1/3: about 2^-8 sqrt(384) / 3 */
    double sum = before_activation(&t, x.at, 5) + (accumulate ? old.at[5] : 0);
    assert_true(fabs(y.at[5] - case_activation(ACTIVATION_GELU, sum)) < 0.1);
    discard(&t);
    release(4, x, old, y, one);
    return 1;
}

static void a_row_of_a_frozen_map_does_not_depend_on_its_position(void **state) {
    (void)state;
    for (int accumulate = 0; accumulate < 2; accumulate++)
        for (int storage = 0; storage < 2; storage++)
            for (int precision = PRODUCTS_F32; precision <= PRODUCTS_BF16; precision++) {
                int there = rows_stand_alone((enum storage)storage, (enum precision_of_products)precision, accumulate);
                assert_true(there || precision != PRODUCTS_F32);
            }
}

/* Few rows, which are multiplied by widened weights, and many; with what y held, and an activation. */
static void bf16_products_of_borrowed_weights_agree_with_plain_loops(void **state) {
    (void)state;
    enum { ROWS = 300, IN = 36, OUT = 300 };
    struct tested t = make(BORROWED_BF16, IN, OUT, 1);
    device.run->linear_free(&device, t.map.packed);
    t.map.packed = device.run->linear_borrow(&device, IN, OUT, t.stored, STORAGE_BF16, PRODUCTS_BF16);
    if (!t.map.packed) device.error[0] = 0; /* as above */
    t.map.f = ACTIVATION_SILU, t.map.accumulate = 1;
    dev_real x = values(ROWS * IN), y = zeros(ROWS * OUT);
    for (int64_t rows = 3; rows <= ROWS && t.map.packed; rows += ROWS - 3) {
        for (int64_t i = 0; i < rows * OUT; i++) y.at[i] = 1;
        RUN(linear, &t.map, rows, x, y);
        for (int64_t i = 0; i < rows * OUT; i++) /* x rounded to 8 bits: about 2^-9 sqrt(36) / 3 */
            assert_true(fabs(y.at[i] - case_activation(ACTIVATION_SILU, 1 + before_activation(&t, x.at + i / OUT * IN,
                                                                                              i % OUT))) < 0.03);
    }
    discard(&t);
    release(2, x, y);
}

/* bf16 products of bf16 weights: dx is that of plain loops but for the rounding of dy. */
static void bf16_products_give_dx(void **state) {
    (void)state;
    enum { ROWS = 70, IN = 36, OUT = 50 };
    struct tested t = make(FROZEN_BF16, IN, OUT, 0);
    device.run->linear_free(&device, t.map.packed);
    t.map.packed = device.run->linear_pack(&device, IN, OUT, t.stored, STORAGE_BF16, PRODUCTS_BF16);
    if (t.map.packed) {
        dev_real dy = values(ROWS * OUT), dx = values(ROWS * IN), old = values(ROWS * IN);
        memcpy(dx.at, old.at, ROWS * IN * sizeof(real));
        RUN(linear_backward, &t.map, ROWS, dy, dy, (struct linear_gradients){.dx = dx, .accumulate = 1});
        for (int64_t i = 0; i < ROWS * IN; i++) {
            double sum = old.at[i];
            for (int o = 0; o < OUT; o++) sum += (double)dy.at[i / IN * OUT + o] * t.weight.at[o * IN + i % IN];
            assert_true(fabs(dx.at[i] - sum) < 0.03); /* dy rounded to 8 bits: about 2^-9 sqrt(50) / 2 */
        }
        release(3, dy, dx, old);
    } else
        device.error[0] = 0; /* as above */
    discard(&t);
}

int test_linear(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_agree_with_plain_loops),
        cmocka_unit_test(a_nan_goes_through_a_map),
        cmocka_unit_test(gradients_of_maps_agree_with_plain_loops),
        cmocka_unit_test(a_row_of_a_frozen_map_does_not_depend_on_its_position),
        cmocka_unit_test(bf16_products_of_borrowed_weights_agree_with_plain_loops),
        cmocka_unit_test(bf16_products_give_dx),
    };
    return cmocka_run_group_tests_name("linear maps", tests, NULL, NULL);
}
