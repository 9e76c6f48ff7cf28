/* The tape: its memory, what it refuses, and blocks that are computed again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "nn/layers.h"

/* A device of the CPU's that counts its buffers and their bytes; buffers beyond the first few MB are not touched. */
static struct device device;
static struct device_backend counting;
static const struct device_backend *cpu;
static struct kernels primitives;
static int64_t allocated, n_allocated, n_fills;
static struct tape tape;

static void *count_alloc(struct device *d, size_t bytes) {
    allocated += (int64_t)bytes;
    n_allocated++;
    return cpu->alloc(d, bytes);
}

static void (*fill_on_cpu)(struct device *, int64_t, double, dev_real);
static void count_fill(struct device *d, int64_t n, double value, dev_real x) {
    n_fills++;
    fill_on_cpu(d, n, value, x);
}

static int open_counting(void **state) {
    (void)state;
    if (device_open_cpu(&device, 1)) return -1;
    cpu = device.memory;
    counting = *cpu;
    counting.alloc = count_alloc;
    device.memory = &counting;
    primitives = *device.run;
    fill_on_cpu = primitives.fill;
    primitives.fill = count_fill;
    device.run = &primitives;
    allocated = n_allocated = n_fills = 0;
    tape_init(&tape, &device);
    return 0;
}

static int close_counting(void **state) {
    (void)state;
    tape_free(&tape);
    device_close(&device);
    return 0;
}

/* ---- the pool ---- */
/* On a GPU of 16 GB twice what is needed would be a false "out of memory". */
static void a_step_takes_at_most_256_mb_more_than_it_needs(void **state) {
    (void)state;
    enum { REALS = 1 << 20 };
    for (int64_t n = 1; n <= 300; n++) {
        assert_non_null(tape_reals(&tape, REALS).at);
        int64_t needed = n * REALS * (int64_t)sizeof(real);
        if (allocated > needed + (256 << 20)) fail_msg("%lld bytes for %lld", (long long)allocated, (long long)needed);
    }
    int64_t before = allocated;
    tape_reset(&tape, 0); /* one block instead of all */
    int64_t after = allocated;
    assert_true(after <= 2 * before);
    for (int n = 0; n < 300; n++) assert_non_null(tape_reals(&tape, REALS).at);
    assert_true(allocated == after);
}

enum { MOST_PIECES = 200 };
struct piece {
    dev_real at;
    int64_t count;
};

static void write_piece(struct piece p, int id) {
    for (int64_t k = 0; k < p.count; k++) p.at.at[k] = (real)id;
}

static void check_piece(struct piece p, int id) {
    assert_int_equal((uintptr_t)p.at.at % 64, 0);
    for (int64_t k = 0; k < p.count; k++) assert_true(p.at.at[k] == (real)id);
}

static void pieces_of_the_pool_never_overlap_and_join_again(void **state) {
    (void)state;
    struct piece pieces[MOST_PIECES] = {0};
    struct pool *pool = &tape.pool;
    for (uint64_t i = 0; i < 20000; i++) {
        uint32_t words[4];
        rng_words(3, 1, 0, i, 0, words);
        int id = (int)(words[0] % MOST_PIECES);
        struct piece *p = &pieces[id];
        if (p->at.at) {
            check_piece(*p, id);
            pool_give(pool, p->at, p->count);
            p->at.at = NULL;
        } else {
            *p = (struct piece){.count = words[1] % 5000};
            p->at = pool_take(pool, p->count);
            assert_non_null(p->at.at);
            write_piece(*p, id);
        }
    }
    for (int id = 0; id < MOST_PIECES; id++) {
        if (!pieces[id].at.at) continue;
        check_piece(pieces[id], id);
        pool_give(pool, pieces[id].at, pieces[id].count);
    }
    assert_int_equal(pool->used, 0);
    pool_reset(pool);
    int64_t held = pool->held, before = n_allocated;
    dev_real all = pool_take(pool, held); /* all in one piece */
    assert_non_null(all.at);
    pool_give(pool, all, held);
    for (int i = 0; i < 16; i++) pieces[i].at = pool_take(pool, held / 16 / 16 * 16);
    for (int i = 0; i < 16; i += 2) pool_give(pool, pieces[i].at, held / 16 / 16 * 16);
    for (int i = 15; i > 0; i -= 2) pool_give(pool, pieces[i].at, held / 16 / 16 * 16);
    assert_non_null(pool_take(pool, held).at); /* whatever the order in which they came back */
    assert_int_equal(n_allocated, before);
}

/* ---- a network of blocks: x <- LayerNorm(x + dropout(W_2 relu(W_1 x + b_1) + b_2)) ---- */
enum { DIM = 16, ROWS = 3000, N_VALUES = 2 * DIM * DIM + 4 * DIM, BLOCKS = 6, SIZE = ROWS * DIM };
static real values[N_VALUES], gradients[N_VALUES];
static int32_t one_segment[] = {0, ROWS}, key[] = {5};
static const struct segments SEGMENT = {{1, ROWS, {one_segment}}, {key}};

static struct norm_terms layer_norm_of(struct var *gain, struct var *bias) {
    return (struct norm_terms){.gain = gain, .bias = bias, .epsilon = 1e-5, .center = 1};
}

static struct var *parameter(int64_t first, int64_t rows) {
    return tape_borrow(&tape, rows, DIM, (dev_real){values + first}, (dev_real){gradients + first});
}

static struct var *block(struct tape *t, void *self, struct var *x) {
    struct dropout drop = {0.3, 1, *(const uint32_t *)self, 2};
    enum { W1 = 0, W2 = DIM * DIM, B1 = 2 * DIM * DIM, B2 = B1 + DIM, GAIN = B2 + DIM, BIAS = GAIN + DIM };
    struct var *h = nn_activate(t, ACTIVATION_RELU, nn_linear(t, x, parameter(W1, DIM), parameter(B1, 1)));
    h = nn_dropout(t, nn_linear(t, h, parameter(W2, DIM), parameter(B2, 1)), SEGMENT, drop);
    return nn_norm(t, nn_add(t, x, h), layer_norm_of(parameter(GAIN, 1), parameter(BIAS, 1)));
}

static struct var *block_in_block(struct tape *t, void *self, struct var *x) {
    return nn_recompute(t, block(t, self, x), block, self);
}

static void fill_parameters(void) {
    for (int i = 0; i < N_VALUES; i++) values[i] = (real)(0.3 * rng_normal(1, 1, 0, (uint64_t)i));
    memset(gradients, 0, sizeof gradients);
}

static struct var *input(uint64_t seed) {
    struct var *x = tape_leaf(&tape, ROWS, DIM);
    for (int i = 0; i < SIZE; i++) x->value.at[i] = (real)rng_normal(seed, 2, 0, (uint64_t)i);
    return x;
}

static void add_loss(struct var *y) {
    dev_real dy = tape_grad(&tape, y);
    for (int i = 0; i < SIZE; i++) dy.at[i] += (real)rng_normal(2, 3, 0, (uint64_t)i);
}

/* How the blocks are computed. */
enum way { PLAIN, AGAIN, NESTED };
static uint32_t streams[BLOCKS] = {10, 11, 12, 13, 14, 15};

static struct var *network(struct var *x, enum way way) {
    for (int b = 0; b < BLOCKS; b += 1 + (way == NESTED)) {
        if (way == PLAIN) x = block(&tape, &streams[b], x);
        if (way == AGAIN) x = nn_recompute(&tape, x, block, &streams[b]);
        if (way == NESTED) x = nn_recompute(&tape, x, block_in_block, &streams[b]);
    }
    return x;
}

/* Of NESTED: two blocks of one stream in a row. */
static struct var *network_of_pairs(struct var *x) {
    for (int b = 0; b < BLOCKS; b += 2) x = block(&tape, &streams[b], block(&tape, &streams[b], x));
    return x;
}

/* A step; its gradients, those of the input behind the parameters', to `out`. */
static void step(enum way way, int pairs, real *out) {
    tape_reset(&tape, 0);
    tape.pool.most_used = 0;
    fill_parameters();
    struct var *x = input(4), *y = pairs && way == PLAIN ? network_of_pairs(x) : network(x, way);
    add_loss(y);
    tape_backward(&tape);
    assert_int_equal(tape_status(&tape), STATUS_OK);
    memcpy(out, gradients, sizeof gradients);
    memcpy(out + N_VALUES, tape_grad(&tape, x).at, SIZE * sizeof *out);
}

static void blocks_computed_again_give_the_same_gradients_in_less_memory(void **state) {
    (void)state;
    enum { N = N_VALUES + SIZE };
    real *plain = malloc(N * sizeof *plain), *again = malloc(N * sizeof *again);
    step(PLAIN, 0, plain);
    int64_t peak = tape.pool.most_used;
    step(AGAIN, 0, again);
    assert_memory_equal(plain, again, N * sizeof *plain);
    assert_true(plain[0] != 0 && plain[N - 1] != 0);
    /* The inputs and gradients of the blocks, and three values and two gradients within one. */
    assert_true(tape.pool.most_used < (BLOCKS + 8) * SIZE && tape.pool.most_used < peak);
    step(PLAIN, 1, plain);
    step(NESTED, 1, again);
    assert_memory_equal(plain, again, N * sizeof *plain);
    free(plain);
    free(again);
}

static struct var *sum_with_memory(struct tape *t, void *self, struct var *x) {
    return nn_add(t, self, nn_linear(t, x, parameter(0, DIM), parameter(2 * DIM * DIM, 1)));
}

/* The input is a constant: the parameters' gradients and that of what the block reads besides are wanted all the same.
 * */
static void a_block_may_read_what_was_made_before(void **state) {
    (void)state;
    real *plain = malloc((N_VALUES + SIZE) * sizeof *plain);
    for (int again = 0; again < 2; again++) {
        tape_reset(&tape, 0);
        fill_parameters();
        struct var *leaf = input(4), *memory = nn_linear(&tape, leaf, parameter(DIM * DIM, DIM), NULL);
        struct var *x = tape_constant(&tape, ROWS, DIM);
        for (int i = 0; i < SIZE; i++) x->value.at[i] = (real)i;
        add_loss(again ? nn_recompute(&tape, x, sum_with_memory, memory) : sum_with_memory(&tape, memory, x));
        tape_backward(&tape);
        assert_int_equal(tape_status(&tape), STATUS_OK);
        real *grad = tape_grad(&tape, leaf).at;
        if (again) {
            assert_memory_equal(plain, gradients, sizeof gradients);
            assert_memory_equal(plain + N_VALUES, grad, SIZE * sizeof *grad);
        }
        memcpy(plain, gradients, sizeof gradients);
        memcpy(plain + N_VALUES, grad, SIZE * sizeof *grad);
        assert_true(plain[0] != 0 && plain[N_VALUES] != 0);
    }
    free(plain);
}

static void memory_goes_back_as_the_backward_pass_runs(void **state) {
    (void)state;
    real *out = malloc((N_VALUES + SIZE) * sizeof *out);
    step(PLAIN, 0, out);
    /* A block leaves three values, and two small vectors of the norm; at most four gradients are there at once. */
    assert_true(tape.pool.most_used < BLOCKS * (3 * SIZE + 2 * ROWS + 64) + 5 * SIZE + (1 << 14));
    struct var *x = tape.newest; /* what is left is the leaf: its value and its gradient, which was cut from zeros */
    assert_true(x->is_leaf && !x->older);
    assert_true(tape.pool.used <= 3 * SIZE + (1 << 14)); /* and zeros that may yet be wanted */
    int64_t before = n_allocated;
    for (int i = 0; i < 3; i++) step(PLAIN, 0, out);
    before = n_allocated;
    for (int i = 0; i < 5; i++) step(PLAIN, 0, out);
    assert_int_equal(n_allocated, before);
    free(out);
}

static void evaluating_in_scopes_needs_memory_for_one_block(void **state) {
    (void)state;
    fill_parameters();
    tape_reset(&tape, 1);
    struct var *x = input(4), *plain = network(x, PLAIN);
    tape_keep(plain);
    int64_t whole = tape.pool.used;
    struct tape_scope scope = tape_scope_begin(&tape);
    struct var *y = tape_scope_end(&tape, scope, network(x, AGAIN));
    assert_int_equal(tape_status(&tape), STATUS_OK);
    assert_memory_equal(plain->value.at, y->value.at, SIZE * sizeof(real));
    assert_int_equal(tape.pool.used, whole + SIZE);
    assert_true(tape.pool.most_used <= whole + BLOCKS * SIZE + 4 * SIZE);
    int64_t used = tape.pool.used;
    for (int i = 0; i < 20; i++) {
        scope = tape_scope_begin(&tape);
        struct tape_scope inner = tape_scope_begin(&tape);
        struct var *h = tape_scope_end(&tape, inner, block(&tape, &streams[0], y));
        assert_ptr_equal(tape_scope_end(&tape, scope, x), x); /* made before it: stays as it is */
        assert_null(h->value.at);
        assert_int_equal(tape.pool.used, used);
    }
    assert_int_equal(tape_status(&tape), STATUS_OK);
}

/* Each call is a launch on a GPU. */
static void small_gradients_are_cleared_together(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        tape_reset(&tape, 0);
        n_fills = 0;
        struct var *y[40];
        for (int k = 0; k < 40; k++) { /* l2_normalize can only add */
            y[k] = nn_l2_normalize(&tape, nn_l2_normalize(&tape, input((uint64_t)k)));
            add_loss(y[k]);
        }
        tape_backward(&tape);
        assert_int_equal(tape_status(&tape), STATUS_OK);
    }
    assert_true(n_fills <= 120 * SIZE / (1 << 20) + 2); /* 120 gradients of SIZE values, 2^20 values a call */
}

static void gradients_of_parameters_collect_over_runs_of_the_tape(void **state) {
    (void)state;
    real first[N_VALUES], both[N_VALUES];
    fill_parameters();
    for (int micro = 0; micro < 2; micro++) {
        tape_reset(&tape, 0);
        add_loss(network(input((uint64_t)(20 + micro)), AGAIN));
        tape_backward(&tape);
        if (micro == 0) memcpy(first, gradients, sizeof first);
    }
    memcpy(both, gradients, sizeof both);
    memset(gradients, 0, sizeof gradients);
    tape_reset(&tape, 0);
    add_loss(network(input(21), PLAIN));
    tape_backward(&tape);
    assert_int_equal(tape_status(&tape), STATUS_OK);
    for (int i = 0; i < N_VALUES; i++) { /* sums of some 10,000 products: 1e-4 is a hundredfold of their rounding */
        double sum = (double)first[i] + (double)gradients[i];
        if (!(fabs(sum - (double)both[i]) <= 1e-4 * (fabs((double)first[i]) + fabs((double)gradients[i]) + 1)))
            fail_msg("parameter %d: %g, not %g + %g", i, (double)both[i], (double)first[i], (double)gradients[i]);
    }
}

/* ---- what the tape refuses ---- */
static struct var *own(struct var *x) {
    return nn_add_bias(&tape, nn_linear(&tape, x, parameter(0, DIM), NULL), parameter(0, 1));
}

static void uses_what_was_overwritten(struct var *x) {
    struct var *h = own(x);
    nn_activate(&tape, ACTIVATION_RELU, h);
    nn_linear(&tape, h, parameter(0, DIM), NULL);
}
static void overwrites_what_was_overwritten(struct var *x) {
    struct var *h = own(x);
    nn_activate(&tape, ACTIVATION_RELU, h);
    nn_add(&tape, x, h);
}
static void overwrites_what_a_record_needs(struct var *x) {
    struct var *h = own(x);
    nn_linear(&tape, h, parameter(0, DIM), NULL);
    nn_activate(&tape, ACTIVATION_RELU, h);
}
/* The logits are made again in the backward pass, with the bias. */
static void overwrites_a_bias_of_attention(struct var *x) {
    static int32_t kinds[ROWS], none[1];
    struct var *bias = nn_gather(&tape, parameter(0, DIM), (dev_int){none}, 1);
    struct nn_attention a = {.q = x, .k = x, .v = x, .bias = bias};
    a.shape.queries = a.shape.keys = spans_of_single_rows(ROWS);
    a.shape.heads = a.shape.kv_heads = 1, a.shape.head_dim = DIM;
    a.shape.types = (struct pair_types){DIM, 1, {kinds}, {kinds}, {none}, {NULL}, {NULL}};
    nn_attention(&tape, &a, NULL);
    nn_activate(&tape, ACTIVATION_RELU, bias);
}
static void drops_what_relu_needs(struct var *x) {
    struct dropout drop = {0.3, 1, 2, 2};
    nn_dropout(&tape, nn_activate(&tape, ACTIVATION_RELU, own(x)), SEGMENT, drop);
}
static void overwrites_a_parameter(struct var *x) { nn_add_bias(&tape, parameter(0, DIM), x); }
static void overwrites_what_has_a_loss(struct var *x) {
    struct var *h = own(x);
    add_loss(h);
    nn_add(&tape, x, h);
}
static void overwrites_what_has_a_loss_by_another_name(struct var *x) {
    struct var *h = nn_add_bias(&tape, own(x), parameter(0, 1));
    add_loss(h);
    nn_add_bias(&tape, h, parameter(0, 1));
}
static void uses_what_the_backward_pass_gave_back(struct var *x) {
    struct var *h = own(x);
    add_loss(h);
    tape_backward(&tape);
    nn_l2_normalize(&tape, h);
}
static struct var *relu_of_its_input(struct tape *t, void *self, struct var *x) {
    (void)self;
    return nn_activate(t, ACTIVATION_RELU, x);
}
static void recomputes_what_overwrites_its_input(struct var *x) {
    nn_recompute(&tape, own(x), relu_of_its_input, NULL);
}
static void overwrites_what_is_read_again(struct var *x) {
    struct var *h = own(x);
    nn_recompute(&tape, h, block, &streams[0]);
    nn_activate(&tape, ACTIVATION_RELU, h);
}
static struct var *with_a_loss(struct tape *t, void *self, struct var *x) {
    struct var *y = block(t, self, x);
    tape_grad(t, y);
    return y;
}
static void recomputes_a_loss(struct var *x) { nn_recompute(&tape, x, with_a_loss, &streams[0]); }

static const struct {
    void (*misuse)(struct var *x);
    const char *begins;
} MISUSES[] = {
    {uses_what_was_overwritten, "nn_linear_map: an input was overwritten by an in-place layer"},
    {overwrites_what_was_overwritten, "nn_add: an input was overwritten by an in-place layer"},
    {overwrites_what_a_record_needs, "nn_activate: works in place, but another layer needs its input's value"},
    {overwrites_a_bias_of_attention, "nn_activate: works in place, but another layer needs its input's value"},
    {drops_what_relu_needs, "nn_dropout: works in place, but another layer needs its input's value"},
    {overwrites_a_parameter, "nn_add_bias: works in place, but its input's memory is not the tape's own"},
    {overwrites_what_has_a_loss, "nn_add: works in place, but a loss was computed of its input"},
    {overwrites_what_has_a_loss_by_another_name, "nn_add_bias: works in place, but a loss was computed of its input"},
    {uses_what_the_backward_pass_gave_back, "nn_l2_normalize: an input's memory was given back"},
    {recomputes_what_overwrites_its_input,
     "nn_activate: works in place on what was made outside of the recomputed block"},
    {overwrites_what_is_read_again, "nn_activate: works in place, but another layer needs its input's value"},
    {recomputes_a_loss, "nn_recompute: a loss in a block that is computed again"},
};

static void wrong_use_fails_by_the_layers_name(void **state) {
    (void)state;
    fill_parameters();
    for (size_t i = 0; i < sizeof MISUSES / sizeof *MISUSES; i++) {
        tape_free(&tape); /* a reset forgets no failure */
        tape_init(&tape, &device);
        struct var *x = input(4);
        MISUSES[i].misuse(x);
        struct var *later = block(&tape, &streams[0], x); /* goes on without harm */
        nn_add_scaled_bias(&tape, later, nn_head_dots(&tape, later, parameter(0, 1), 2), parameter(0, 1));
        tape_backward(&tape);
        assert_int_equal(tape_status(&tape), STATUS_FAILED);
        if (strncmp(status_message(), MISUSES[i].begins, strlen(MISUSES[i].begins)) != 0)
            fail_msg("misuse %zu: \"%s\" does not begin with \"%s\"", i, status_message(), MISUSES[i].begins);
    }
}

/* Sums go through in-place layers whose records need no value. */
static void right_use_in_place_is_let_through(void **state) {
    (void)state;
    fill_parameters();
    tape_reset(&tape, 0);
    struct var *x = input(4), *h = own(x), *mean = nn_segment_mean(&tape, h, SEGMENT);
    struct var *y = nn_add(&tape, x, nn_add_bias(&tape, h, parameter(0, 1))); /* the mean's backward needs no value */
    assert_non_null(mean->value.at);
    add_loss(nn_norm(&tape, y, layer_norm_of(parameter(0, 1), parameter(0, 1))));
    tape_backward(&tape);
    assert_int_equal(tape_status(&tape), STATUS_OK);
}

#define ON_A_TAPE(test) cmocka_unit_test_setup_teardown(test, open_counting, close_counting)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_A_TAPE(a_step_takes_at_most_256_mb_more_than_it_needs),
        ON_A_TAPE(pieces_of_the_pool_never_overlap_and_join_again),
        ON_A_TAPE(blocks_computed_again_give_the_same_gradients_in_less_memory),
        ON_A_TAPE(a_block_may_read_what_was_made_before),
        ON_A_TAPE(memory_goes_back_as_the_backward_pass_runs),
        ON_A_TAPE(evaluating_in_scopes_needs_memory_for_one_block),
        ON_A_TAPE(small_gradients_are_cleared_together),
        ON_A_TAPE(gradients_of_parameters_collect_over_runs_of_the_tape),
        ON_A_TAPE(wrong_use_fails_by_the_layers_name),
        ON_A_TAPE(right_use_in_place_is_let_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
