/* The frozen transformer. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

static double activated(double x, enum activation f) {
    switch (f) {
        case ACTIVATION_RELU: return x > 0 ? x : 0;
        case ACTIVATION_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
        case ACTIVATION_GELU_TANH: return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        default: return x;
    }
}

/* Rows of one block, of several, and one more. */
static void linear_maps_agree_with_plain_loops(void **state) {
    (void)state;
    enum { IN = 37, OUT = 29, MOST = 600 };
    static const int64_t ROWS[] = {0, 1, 255, 256, 257, MOST};
    dev_real w = values(OUT * IN), b = values(OUT), x = values(MOST * IN), y = values(MOST * OUT);
    struct linear *l = device.run->linear_pack(&device, IN, OUT, w.at, b.at, PRODUCTS_F32);
    assert_non_null(l);
    for (int64_t i = 0; i < MOST * IN; i++) x.at[i] *= 2; /* into the curved and the flat parts of f */
    for (int f = ACTIVATION_NONE; f <= ACTIVATION_GELU_TANH; f++)
        for (size_t s = 0; s < sizeof ROWS / sizeof *ROWS; s++) {
            RUN(linear, l, ROWS[s], x, (enum activation)f, y);
            for (int64_t r = 0; r < ROWS[s]; r++)
                for (int64_t o = 0; o < OUT; o++) {
                    double sum = b.at[o];
                    for (int64_t i = 0; i < IN; i++) sum += (double)x.at[r * IN + i] * w.at[o * IN + i];
                    close_to(y.at[r * OUT + o], activated(sum, (enum activation)f), "linear", r);
                }
        }
    x.at[3] = NAN; /* is not lost */
    RUN(linear, l, 2, x, ACTIVATION_GELU, y);
    assert_true(isnan(y.at[0]) && !isnan(y.at[OUT]));
    RUN(linear, l, 2, x, ACTIVATION_RELU, y);
    assert_true(isnan(y.at[0]) && !isnan(y.at[OUT]));
    device.run->linear_free(l);
    release(4, w, b, x, y);
}

static void a_row_of_a_linear_map_does_not_depend_on_its_place(void **state) {
    (void)state;
    enum { IN = 384, OUT = 200, ROWS = 513 };
    for (int precision = PRODUCTS_F32; precision <= PRODUCTS_BF16; precision++) {
        dev_real w = values(OUT * IN), b = values(OUT), x = values(ROWS * IN), y = values(ROWS * OUT),
                 one = values(OUT);
        struct linear *l = device.run->linear_pack(&device, IN, OUT, w.at, b.at, (enum precision_of_products)precision);
        if (!l && precision != PRODUCTS_F32) {
            assert_non_null(strstr(device_error(&device), precision == PRODUCTS_BF16 ? "bf16" : "tf32"));
            device.error[0] = 0; /* not on this processor, or not in this build */
            release(5, w, b, x, y, one);
            continue;
        }
        RUN(linear, l, ROWS, x, ACTIVATION_GELU, y);
        for (int64_t r = 0; r < ROWS; r += 37) {
            RUN(linear, l, 1, dev_real_at(x, r * IN), ACTIVATION_GELU, one);
            if (memcmp(one.at, y.at + r * OUT, OUT * sizeof(real)) != 0)
                fail_msg(
                    "row %lld alone has other last bits than among others (precision %d): the library of products sums "
                    "in "
                    "an order that depends on the place of a row (stream-K?), so that encode's rows depend on theirs",
                    (long long)r, precision);
        }
        if (precision == PRODUCTS_BF16) {
            double sum = b.at[5];
            for (int64_t i = 0; i < IN; i++) sum += (double)x.at[i] * w.at[5 * IN + i];
            /* two roundings to 8 bits a product, 384 products of size 1/3: about 2^-8 sqrt(384) / 3 */
            assert_true(fabs(y.at[5] - activated(sum, ACTIVATION_GELU)) < 0.1);
        }
        device.run->linear_free(l);
        release(5, w, b, x, y, one);
    }
}

static void the_residual_norm_agrees(void **state) {
    (void)state;
    enum { N = 7, DIM = 24 };
    dev_real y = values(N * DIM), gain = values(DIM), bias = values(DIM), x = values(N * DIM), nothing = {NULL};
    for (int residual = 0; residual < 2; residual++) {
        double sums[N * DIM];
        for (int i = 0; i < N * DIM; i++) sums[i] = (double)x.at[i] + (residual ? y.at[i] : 0);
        RUN(add_layer_norm, N, DIM, x, residual ? y : nothing, gain, bias, 0.25, x); /* in place */
        for (int r = 0; r < N; r++) {
            double mean = 0, square = 0;
            for (int c = 0; c < DIM; c++) mean += sums[r * DIM + c] / DIM;
            for (int c = 0; c < DIM; c++) square += pow(sums[r * DIM + c] - mean, 2) / DIM;
            for (int c = 0; c < DIM; c++)
                close_to(x.at[r * DIM + c], (sums[r * DIM + c] - mean) / sqrt(square + 0.25) * gain.at[c] + bias.at[c],
                         "norm", r);
        }
    }
    release(4, y, gain, bias, x);
}

int test_transformer(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_maps_agree_with_plain_loops),
        cmocka_unit_test(a_row_of_a_linear_map_does_not_depend_on_its_place),
        cmocka_unit_test(the_residual_norm_agrees),
    };
    return cmocka_run_group_tests_name("transformer", tests, NULL, NULL);
}
