/* A transformer's block in each of its forms, in double precision: values against plain loops, gradients against central
 * differences, and what must not change a bit: recomputation, frozen parameters, neighbours, a cache of keys and values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "nn/transformer.h"

enum { DIM = 8, INNER = 6, ROWS = 5, MEMORY_ROWS = 4, SEGMENTS = 3, MOST_WIDTH = 32, LAYERS = 8 };

/* The second segment is empty; the first has no memory. */
static int32_t OFFSETS[] = {0, 2, 2, 5}, MEMORY_OFFSETS[] = {0, 0, 1, 4}, KEYS[] = {7, 8, 9};
static int32_t POSITIONS[] = {0, 1, 0, 1, 2};
static const struct segments SEGMENTS_OF_X = {{SEGMENTS, ROWS, {OFFSETS}}, {KEYS}};
static const struct segments SEGMENTS_OF_MEMORY = {{SEGMENTS, MEMORY_ROWS, {MEMORY_OFFSETS}}, {KEYS}};

static const struct form {
    const char *name;
    struct block_shape shape;
} FORMS[] = {
    {"BERT", {.heads = 2, .f = ACTIVATION_GELU, .epsilon = 1e-12, .center = 1}},
    {"GPT-2", {.heads = 2, .pre_norm = 1, .causal = 1, .f = ACTIVATION_GELU_TANH, .epsilon = 1e-5, .center = 1}},
    {"ETHOS", {.heads = 4, .pre_norm = 1, .causal = 1, .without_bias = 1, .f = ACTIVATION_GELU, .center = 1}},
    {"BART's decoder", {.heads = 2, .causal = 1, .cross = 1, .f = ACTIVATION_GELU, .epsilon = 1e-5, .center = 1}},
    {"pre-norm decoder", {.heads = 2, .pre_norm = 1, .causal = 1, .cross = 1, .f = ACTIVATION_TANH, .center = 1}},
    {"Llama",
     {.heads = 4,
      .kv_heads = 2,
      .head_dim = 4,
      .pre_norm = 1,
      .causal = 1,
      .gated = 1,
      .without_bias = 1,
      .f = ACTIVATION_SILU,
      .epsilon = 1e-5,
      .rotary_base = 100}},
};
enum { N_FORMS = sizeof FORMS / sizeof *FORMS, LLAMA = N_FORMS - 1 };

static struct device device;
static struct tape tape;
static double x[ROWS * DIM], memory[MEMORY_ROWS * DIM];

struct model {
    struct block_shape shape;
    struct parameter_set set;
    struct block block;
};

static void fill(double *values, int64_t n, uint32_t stream, double scale) {
    for (int64_t i = 0; i < n; i++) values[i] = scale * rng_normal(5, stream, 0, (uint64_t)i);
}

/* All parameters are random numbers, those that begin as 0 or 1, too. */
static void make_model(struct model *m, const struct form *form, unsigned flags) {
    *m = (struct model){.shape = form->shape};
    block_add(&m->set, &m->block, &m->shape, DIM, INNER, flags, "block");
    assert_int_equal(parameter_set_allocate(&m->set, &device, 0, 1, 1), STATUS_OK);
    for (int i = 0; i < m->set.n; i++) {
        struct parameter *p = m->set.list[i];
        double values[4 * DIM * MOST_WIDTH];
        fill(values, p->rows * p->cols, 1 + (uint32_t)i, 0.5);
        if (p->flags & PARAMETER_PACKED)
            assert_int_equal(parameter_pack(&m->set, p, values, STORAGE_REAL, PRODUCTS_F32), STATUS_OK);
        else
            memcpy(p->value.at, values, (size_t)(p->rows * p->cols) * sizeof *values);
    }
}

static struct block_rows rows_of(struct var *of_memory) {
    return (struct block_rows){.segments = SEGMENTS_OF_X,
                               .position = {POSITIONS},
                               .memory = of_memory,
                               .memory_segments = SEGMENTS_OF_MEMORY,
                               .dropout = {.seed = 3, .stream = 10, .step = 2}};
}

/* The block twice; the sum of the result with random weights. dx, dmemory: where the inputs' gradients are added, if backward runs. */
static double run(const struct model *m, int backward, double *dx, double *dmemory) {
    tape_reset(&tape, 0);
    struct var *in = tape_borrow(&tape, ROWS, DIM, (dev_real){x}, (dev_real){dx});
    struct block_rows rows = rows_of(tape_borrow(&tape, MEMORY_ROWS, DIM, (dev_real){memory}, (dev_real){dmemory}));
    struct var *y = nn_block(&tape, in, &m->block, &m->shape, &rows, NULL, 0);
    y = nn_block(&tape, y, &m->block, &m->shape, &rows, NULL, CROSS_BLOCK_SITES);
    double sum = 0;
    for (int64_t i = 0; i < ROWS * DIM; i++) {
        double w = rng_normal(6, 1, 0, (uint64_t)i);
        sum += w * y->value.at[i];
        if (backward && y->needs_grad) tape_grad(&tape, y).at[i] += w;
    }
    if (backward) tape_backward(&tape);
    if (tape_status(&tape) != STATUS_OK) fail_msg("%s", status_message());
    return sum;
}

/* ---- plain loops ---- */
static void map_rows(struct linear_map map, int64_t n, const double *in, double *out) {
    int64_t wide = map.weight->rows, cols = map.weight->cols;
    for (int64_t r = 0; r < n; r++)
        for (int64_t o = 0; o < wide; o++) {
            double sum = map.bias ? map.bias->value.at[o] : 0;
            for (int64_t c = 0; c < cols; c++) sum += in[r * cols + c] * map.weight->value.at[o * cols + c];
            out[r * wide + o] = sum;
        }
}

static void norm_rows(const struct block_shape *s, struct norm_map map, int64_t n, const double *in, double *out) {
    for (int64_t r = 0; r < n; r++) {
        double mean = 0, square = 0;
        for (int c = 0; s->center && c < DIM; c++) mean += in[r * DIM + c] / DIM;
        for (int c = 0; c < DIM; c++) square += (in[r * DIM + c] - mean) * (in[r * DIM + c] - mean) / DIM;
        for (int c = 0; c < DIM; c++)
            out[r * DIM + c] = (in[r * DIM + c] - mean) / sqrt(square + s->epsilon) * map.gain->value.at[c] +
                               (map.bias ? map.bias->value.at[c] : 0);
    }
}

static double activation(enum activation f, double v) {
    switch (f) {
        case ACTIVATION_GELU: return v * 0.5 * (1 + erf(v / sqrt(2)));
        case ACTIVATION_GELU_TANH: return v * 0.5 * (1 + tanh(sqrt(2 / acos(-1)) * (v + 0.044715 * v * v * v)));
        case ACTIVATION_TANH: return tanh(v);
        case ACTIVATION_SILU: return v / (1 + exp(-v));
        default: fail_msg("no such activation here"); return 0;
    }
}

static void rotate(const struct block_shape *s, int64_t heads, int64_t dim, int64_t ld, double *rows) {
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t c = 0; c < dim / 2; c++) {
                double angle = POSITIONS[r] * pow(s->rotary_base, -2.0 * (double)c / (double)dim);
                double *a = &rows[r * ld + h * dim + c], *b = a + dim / 2, old = *a;
                *a = old * cos(angle) - *b * sin(angle);
                *b = *b * cos(angle) + old * sin(angle);
            }
}

/* Row t, head h: what it takes of the keys first .. end - 1. kv: heads of keys, then of values. */
static void attend_row(const struct block_shape *s, int64_t dim, const double *q, const double *kv, int64_t first,
                       int64_t end, double *out) {
    int64_t kv_heads = s->kv_heads ? s->kv_heads : s->heads, ld = 2 * kv_heads * dim;
    for (int64_t h = 0; h < s->heads; h++) {
        int64_t shared = h / (s->heads / kv_heads) * dim;
        double total = 0;
        memset(out + h * dim, 0, (size_t)dim * sizeof *out);
        for (int64_t j = first; j < end; j++) {
            double logit = 0;
            for (int64_t c = 0; c < dim; c++) logit += q[h * dim + c] * kv[j * ld + shared + c];
            double p = exp(logit / sqrt((double)dim));
            total += p;
            for (int64_t c = 0; c < dim; c++) out[h * dim + c] += p * kv[j * ld + kv_heads * dim + shared + c];
        }
        for (int64_t c = 0; c < dim && total > 0; c++) out[h * dim + c] /= total;
    }
}

/* y += the attention of `of` to `to`, whose segments are `to_offsets`. */
static void add_attention(const struct model *m, const struct attention_maps *maps, const double *of, const double *to,
                          const int32_t *to_offsets, double *y) {
    const struct block_shape *s = &m->shape;
    int is_self = of == to;
    int64_t width = maps->query.weight->rows, dim = width / s->heads, kv_width = maps->key_value.weight->rows;
    double q[ROWS * MOST_WIDTH], kv[ROWS * MOST_WIDTH], out[ROWS * MOST_WIDTH], added[ROWS * DIM];
    map_rows(maps->query, ROWS, of, q);
    map_rows(maps->key_value, to_offsets[SEGMENTS], to, kv);
    if (is_self && s->rotary_base > 0) {
        rotate(s, s->heads, dim, width, q);
        rotate(s, kv_width / 2 / dim, dim, kv_width, kv);
    }
    for (int i = 0; i < SEGMENTS; i++)
        for (int64_t t = OFFSETS[i]; t < OFFSETS[i + 1]; t++)
            attend_row(s, dim, q + t * width, kv, to_offsets[i], is_self && s->causal ? t + 1 : to_offsets[i + 1],
                       out + t * width);
    map_rows(maps->output, ROWS, out, added);
    for (int64_t i = 0; i < ROWS * DIM; i++) y[i] += added[i];
}

static void add_feed_forward(const struct model *m, const double *of, double *y) {
    double up[ROWS * INNER], gate[ROWS * INNER], added[ROWS * DIM];
    map_rows(m->block.up, ROWS, of, up);
    if (m->shape.gated) map_rows(m->block.gate, ROWS, of, gate);
    for (int64_t i = 0; i < ROWS * INNER; i++)
        up[i] = m->shape.gated ? activation(m->shape.f, gate[i]) * up[i] : activation(m->shape.f, up[i]);
    map_rows(m->block.down, ROWS, up, added);
    for (int64_t i = 0; i < ROWS * DIM; i++) y[i] += added[i];
}

static void plain_block(const struct model *m, double *y) {
    const struct block_shape *s = &m->shape;
    const struct norm_map norms[] = {m->block.self.norm, m->block.cross.norm, m->block.norm};
    memcpy(y, x, sizeof x);
    for (int part = 0; part < 3; part++) {
        double of[ROWS * DIM];
        if (part == 1 && !s->cross) continue;
        memcpy(of, y, sizeof of);
        if (s->pre_norm) norm_rows(s, norms[part], ROWS, y, of);
        if (part == 0) add_attention(m, &m->block.self, of, of, OFFSETS, y);
        if (part == 1) add_attention(m, &m->block.cross, of, memory, MEMORY_OFFSETS, y);
        if (part == 2) add_feed_forward(m, of, y);
        memcpy(of, y, sizeof of);
        if (!s->pre_norm) norm_rows(s, norms[part], ROWS, of, y);
    }
}

static void values_are_those_of_plain_loops(void **state) {
    (void)state;
    for (int f = 0; f < N_FORMS; f++) {
        struct model m;
        double wanted[ROWS * DIM];
        make_model(&m, &FORMS[f], 0);
        plain_block(&m, wanted);
        tape_reset(&tape, 1);
        struct block_rows rows = rows_of(tape_borrow(&tape, MEMORY_ROWS, DIM, (dev_real){memory}, (dev_real){NULL}));
        struct var *in = tape_borrow(&tape, ROWS, DIM, (dev_real){x}, (dev_real){NULL});
        struct var *y = nn_block(&tape, in, &m.block, &m.shape, &rows, NULL, 0);
        if (tape_status(&tape) != STATUS_OK) fail_msg("%s: %s", FORMS[f].name, status_message());
        for (int64_t i = 0; i < ROWS * DIM; i++) /* rounding of some 100 operations on numbers around 1 */
            if (!(fabs(y->value.at[i] - wanted[i]) < 1e-12))
                fail_msg("%s, value %lld: %.15g, not %.15g", FORMS[f].name, (long long)i, y->value.at[i], wanted[i]);
        parameter_set_free(&m.set);
    }
}

/* ---- gradients, all under dropout ---- */
static void make_training_model(struct model *m, const struct form *form, unsigned flags) {
    make_model(m, form, flags);
    m->shape.hidden_dropout = 0.3;
    m->shape.attention_dropout = 0.2;
}

/* Central differences of step 1e-5 err by some 1e-10 times the third derivative, and by 1e-16 / 1e-5 of the loss. */
static void check_slopes(const struct model *m, const char *form, const char *what, double *values, int64_t n,
                         const double *gradient) {
    for (int64_t i = 0; i < n; i++) {
        double old = values[i], step = 1e-5;
        values[i] = old + step;
        double up = run(m, 0, NULL, NULL);
        values[i] = old - step;
        double slope = (up - run(m, 0, NULL, NULL)) / (2 * step);
        values[i] = old;
        if (!(fabs(slope - gradient[i]) < 1e-7 * (1 + fabs(slope))))
            fail_msg("%s, %s, value %lld: gradient %.12g, difference %.12g", form, what, (long long)i, gradient[i],
                     slope);
    }
}

static void gradients_agree_with_differences(void **state) {
    (void)state;
    for (int f = 0; f < N_FORMS; f++) {
        struct model m;
        double dx[ROWS * DIM] = {0}, dmemory[MEMORY_ROWS * DIM] = {0};
        make_training_model(&m, &FORMS[f], 0);
        run(&m, 1, dx, dmemory);
        check_slopes(&m, FORMS[f].name, "x", x, ROWS * DIM, dx);
        check_slopes(&m, FORMS[f].name, "memory", memory, MEMORY_ROWS * DIM, dmemory);
        for (int i = 0; i < m.set.n; i++) {
            struct parameter *p = m.set.list[i];
            double largest = 0;
            check_slopes(&m, FORMS[f].name, p->name, p->value.at, p->rows * p->cols, p->grad.at);
            for (int64_t k = 0; k < p->rows * p->cols; k++) largest = fmax(largest, fabs(p->grad.at[k]));
            if (largest < 1e-3) fail_msg("%s: %s makes no difference", FORMS[f].name, p->name);
        }
        parameter_set_free(&m.set);
    }
}

static void recomputation_changes_no_bit(void **state) {
    (void)state;
    for (int f = 0; f < N_FORMS; f++) {
        struct model kept, again;
        double dx[2][ROWS * DIM] = {{0}}, dmemory[2][MEMORY_ROWS * DIM] = {{0}};
        make_training_model(&kept, &FORMS[f], 0);
        make_training_model(&again, &FORMS[f], 0);
        again.shape.recompute = 1;
        assert_true(run(&kept, 1, dx[0], dmemory[0]) == run(&again, 1, dx[1], dmemory[1]));
        assert_memory_equal(dx[0], dx[1], sizeof dx[0]);
        assert_memory_equal(dmemory[0], dmemory[1], sizeof dmemory[0]);
        const struct parameter_stretch *a = &kept.set.group[PARAMETERS_DENSE], *b = &again.set.group[PARAMETERS_DENSE];
        assert_memory_equal(a->grad.at, b->grad.at, (size_t)a->n * sizeof *a->grad.at);
        parameter_set_free(&kept.set);
        parameter_set_free(&again.set);
    }
}

/* Frozen, or frozen and packed: x gets the same gradient. Packed products add in another order. */
static void frozen_parameters_pass_gradients_on(void **state) {
    (void)state;
    static const unsigned FLAGS[] = {PARAMETER_FROZEN, PARAMETER_FROZEN | PARAMETER_PACKED};
    for (int f = 0; f < N_FORMS; f++)
        for (int k = 0; k < 2; k++) {
            struct model trained, frozen;
            double dx[2][ROWS * DIM] = {{0}}, dmemory[2][MEMORY_ROWS * DIM] = {{0}};
            make_training_model(&trained, &FORMS[f], 0);
            make_training_model(&frozen, &FORMS[f], FLAGS[k]);
            double sum = run(&trained, 1, dx[0], dmemory[0]), found = run(&frozen, 1, dx[1], dmemory[1]);
            assert_true(fabs(sum - found) < 1e-10);
            for (int i = 0; i < ROWS * DIM; i++) assert_true(fabs(dx[0][i] - dx[1][i]) < 1e-10);
            for (int i = 0; i < MEMORY_ROWS * DIM; i++) assert_true(fabs(dmemory[0][i] - dmemory[1][i]) < 1e-10);
            assert_null(frozen.set.group[PARAMETERS_FROZEN].grad.at);
            parameter_set_free(&trained.set);
            parameter_set_free(&frozen.set);
        }
}

/* ---- one row of each segment ---- */
static int32_t FULL_OFFSETS[] = {0, 1, 3, 5}, FIRST_ROWS[] = {0, 1, 3}, LAST_ROWS[] = {0, 2, 4},
               SINGLE[] = {0, 1, 2, 3};

/* A block of which the rows `wanted` are read: it gives these alone, or all and they are gathered. y [SEGMENTS, DIM]; gradients of a sum
 * of it with random weights are added to dx, dmemory and the model's. */
static void read_rows(struct model *m, int32_t *wanted, int alone, double *y, double *dx, double *dmemory) {
    tape_reset(&tape, 0);
    struct var *in = tape_borrow(&tape, ROWS, DIM, (dev_real){x}, (dev_real){dx});
    struct block_rows rows = rows_of(tape_borrow(&tape, MEMORY_ROWS, DIM, (dev_real){memory}, (dev_real){dmemory}));
    rows.segments.rows.offsets.at = FULL_OFFSETS;
    if (alone) rows.wanted = (struct block_wanted){{wanted}, {{SEGMENTS, SEGMENTS, {SINGLE}}, {KEYS}}};
    struct var *out = nn_block(&tape, in, &m->block, &m->shape, &rows, NULL, 0);
    if (!alone) out = nn_gather(&tape, out, (dev_int){wanted}, SEGMENTS);
    assert_int_equal(out->rows, SEGMENTS);
    memcpy(y, out->value.at, SEGMENTS * DIM * sizeof *y);
    for (int64_t i = 0; i < SEGMENTS * DIM; i++) tape_grad(&tape, out).at[i] += rng_normal(6, 1, 0, (uint64_t)i);
    tape_backward(&tape);
    if (tape_status(&tape) != STATUS_OK) fail_msg("%s", status_message());
}

/* Values and gradients of x, memory and all parameters. */
static void expect_same_reading(struct model *a, struct model *b, int32_t *wanted, int b_alone, double tolerance) {
    double y[2][SEGMENTS * DIM], dx[2][ROWS * DIM] = {{0}}, dmemory[2][MEMORY_ROWS * DIM] = {{0}};
    const struct parameter_stretch *of_a = &a->set.group[PARAMETERS_DENSE], *of_b = &b->set.group[PARAMETERS_DENSE];
    parameter_set_clear_gradients(&a->set);
    parameter_set_clear_gradients(&b->set);
    read_rows(a, wanted, 1, y[0], dx[0], dmemory[0]);
    read_rows(b, wanted, b_alone, y[1], dx[1], dmemory[1]);
    for (int i = 0; i < SEGMENTS * DIM; i++) assert_true(fabs(y[0][i] - y[1][i]) <= tolerance);
    for (int i = 0; i < ROWS * DIM; i++) assert_true(fabs(dx[0][i] - dx[1][i]) <= tolerance);
    for (int i = 0; i < MEMORY_ROWS * DIM; i++) assert_true(fabs(dmemory[0][i] - dmemory[1][i]) <= tolerance);
    for (int64_t i = 0; i < of_a->n; i++) assert_true(fabs(of_a->grad.at[i] - of_b->grad.at[i]) <= tolerance);
}

/* Sums are made in other orders: rounding. Under dropout, which is keyed by other positions then, a block that is computed again gives
 * the same bits. */
static void rows_that_are_wanted_alone_are_those_of_the_whole_block(void **state) {
    (void)state;
    for (int f = 0; f < N_FORMS; f++) {
        struct model m, again;
        if (FORMS[f].shape.rotary_base > 0) continue;
        make_model(&m, &FORMS[f], 0);
        expect_same_reading(&m, &m, LAST_ROWS, 0, 1e-12);
        if (!m.shape.causal) expect_same_reading(&m, &m, FIRST_ROWS, 0, 1e-12);
        parameter_set_free(&m.set);
        make_training_model(&m, &FORMS[f], 0);
        make_training_model(&again, &FORMS[f], 0);
        again.shape.recompute = 1;
        expect_same_reading(&m, &again, LAST_ROWS, 1, 0);
        parameter_set_free(&m.set);
        parameter_set_free(&again.set);
    }
}

/* ---- row by row ---- */
enum { CAPACITY = 9, STEPS = 3 };

/* The segments of x, one row of each at a time: each has a stretch of the cache that is longer than it needs. */
static void a_cache_gives_what_the_whole_sequence_gives(void **state) {
    (void)state;
    static const int32_t FIRST[] = {1, 4, 5};
    struct model m;
    double rows[CAPACITY * 16] = {0}, wanted[ROWS * DIM];
    int32_t first[SEGMENTS], end[SEGMENTS];
    make_model(&m, &FORMS[LLAMA], 0);
    plain_block(&m, wanted);
    memcpy(first, FIRST, sizeof first);
    memcpy(end, FIRST, sizeof end);
    int64_t n_checked = 0;
    for (int step = 0; step < STEPS; step++) {
        int32_t offsets[SEGMENTS + 1] = {0}, added[SEGMENTS], position[SEGMENTS], from[SEGMENTS], n = 0;
        double now[SEGMENTS * DIM];
        for (int i = 0; i < SEGMENTS; i++) {
            if (OFFSETS[i] + step < OFFSETS[i + 1]) {
                from[n] = OFFSETS[i] + step;
                memcpy(now + n * DIM, x + from[n] * DIM, DIM * sizeof *now);
                position[n] = step;
                added[n++] = end[i]++;
            }
            offsets[i + 1] = n;
        }
        struct kv_cache cache = {{rows}, CAPACITY, {SEGMENTS, CAPACITY, {first}, {end}}, {added}};
        struct block_rows of = {.segments = {{SEGMENTS, n, {offsets}}, {KEYS}}, .position = {position}};
        tape_reset(&tape, 1);
        struct var *in = tape_borrow(&tape, n, DIM, (dev_real){now}, (dev_real){NULL});
        struct var *y = nn_block(&tape, in, &m.block, &m.shape, &of, &cache, 0);
        if (tape_status(&tape) != STATUS_OK) fail_msg("%s", status_message());
        for (int32_t r = 0; r < n; r++, n_checked++)
            for (int c = 0; c < DIM; c++)
                assert_true(fabs(y->value.at[r * DIM + c] - wanted[from[r] * DIM + c]) < 1e-12);
    }
    assert_int_equal(n_checked, ROWS);
    parameter_set_free(&m.set);
}

/* ---- memory ---- */
/* The most bytes that `layers` blocks take, one after the other; with a scope, what the last one left is given back. */
static int64_t peak_of(struct model *m, int layers, int evaluating, int with_scope) {
    struct tape own;
    tape_init(&own, &device);
    tape_reset(&own, evaluating);
    struct block_rows rows = rows_of(tape_borrow(&own, MEMORY_ROWS, DIM, (dev_real){memory}, (dev_real){NULL}));
    struct var *y = tape_borrow(&own, ROWS, DIM, (dev_real){x}, (dev_real){NULL});
    struct tape_scope scope = tape_scope_begin(&own);
    for (int i = 0; i < layers; i++) {
        y = nn_block(&own, y, &m->block, &m->shape, &rows, NULL, CROSS_BLOCK_SITES * i);
        if (with_scope) y = tape_scope_end(&own, scope, y);
    }
    assert_int_equal(tape_status(&own), STATUS_OK);
    int64_t bytes = tape_peak_bytes(&own);
    tape_free(&own);
    return bytes;
}

/* A second block has its input to keep beside what the first one takes; a third one has no more, or that of the second. Nothing
 * is kept of frozen blocks, under dropout either; of trained ones everything is, or their inputs if they are computed again. */
static void memory_does_not_grow_with_the_blocks(void **state) {
    (void)state;
    const int64_t input = (ROWS * DIM + 15) / 16 * 16 * (int64_t)sizeof(real); /* in whole lines of 16 */
    for (int f = 0; f < N_FORMS; f++) {
        struct model frozen, trained;
        make_training_model(&frozen, &FORMS[f], PARAMETER_FROZEN);
        make_training_model(&trained, &FORMS[f], 0);
        int64_t whole = peak_of(&trained, 2, 0, 0);
        for (int evaluating = 0; evaluating < 2; evaluating++) {
            int64_t two = peak_of(&frozen, 2, evaluating, 1);
            assert_int_equal(peak_of(&frozen, LAYERS, evaluating, 1), two);
            assert_int_equal(peak_of(&frozen, LAYERS, evaluating, 0), two + (LAYERS - 2) * input);
            assert_true(two < whole);
        }
        assert_true(peak_of(&trained, LAYERS, 0, 1) > 3 * whole);
        trained.shape.recompute = 1;
        assert_true(peak_of(&trained, LAYERS, 0, 1) < 2 * whole);
        parameter_set_free(&frozen.set);
        parameter_set_free(&trained.set);
    }
}

static void too_long_a_name_is_an_error(void **state) {
    (void)state;
    char name[200];
    struct parameter_set set = {0};
    struct block block;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    block_add(&set, &block, &FORMS[0].shape, DIM, INNER, 0, name);
    assert_int_equal(parameter_set_allocate(&set, &device, 0, 1, 1), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "too long"));
    parameter_set_free(&set);
}

static void heads_that_do_not_fit_are_an_error(void **state) {
    (void)state;
    static const struct block_shape BAD[] = {
        {.heads = 3}, {.heads = 4, .kv_heads = 3}, {.heads = 0}, {.heads = 8, .rotary_base = 10}};
    for (int i = 0; i < 4; i++) {
        struct parameter_set set = {0};
        struct block block;
        block_add(&set, &block, &BAD[i], DIM, INNER, 0, "layer.0");
        assert_int_equal(parameter_set_allocate(&set, &device, 0, 1, 1), STATUS_FAILED);
        assert_non_null(strstr(status_message(), "layer.0"));
        parameter_set_free(&set);
    }
}

static void expect_failure(const struct model *m, const struct block_rows *rows, const struct kv_cache *cache,
                           const char *message) {
    struct tape own;
    tape_init(&own, &device);
    tape_reset(&own, 0);
    struct var *in = tape_borrow(&own, ROWS, DIM, (dev_real){x}, (dev_real){NULL});
    assert_non_null(nn_block(&own, in, &m->block, &m->shape, rows, cache, 0));
    assert_int_equal(tape_status(&own), STATUS_FAILED);
    assert_non_null(strstr(status_message(), message));
    tape_free(&own);
}

static void wrong_calls_fail_by_name(void **state) {
    (void)state;
    struct block_rows bare = {.segments = SEGMENTS_OF_X};
    struct kv_cache cache = {.capacity = CAPACITY};
    for (int f = 0; f < N_FORMS; f++) {
        struct model m;
        make_model(&m, &FORMS[f], 0);
        expect_failure(&m, &bare, &cache, "nn_block: a cache");
        if (m.shape.cross) expect_failure(&m, &bare, NULL, "nn_block: cross-attention");
        if (m.shape.rotary_base > 0) {
            struct block_rows some = rows_of(NULL);
            some.wanted = (struct block_wanted){{LAST_ROWS}, {{SEGMENTS, SEGMENTS, {SINGLE}}, {KEYS}}};
            expect_failure(&m, &bare, NULL, "nn_block: rotary");
            expect_failure(&m, &some, NULL, "nn_block: some rows alone");
        }
        parameter_set_free(&m.set);
    }
}

static int set_up(void **state) {
    (void)state;
    fill(x, ROWS * DIM, 100, 1);
    fill(memory, MEMORY_ROWS * DIM, 101, 1);
    int failed = device_open_cpu(&device, 2);
    tape_init(&tape, &device);
    return failed;
}

static int tear_down(void **state) {
    (void)state;
    tape_free(&tape);
    device_close(&device);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_plain_loops),
        cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(recomputation_changes_no_bit),
        cmocka_unit_test(frozen_parameters_pass_gradients_on),
        cmocka_unit_test(rows_that_are_wanted_alone_are_those_of_the_whole_block),
        cmocka_unit_test(a_cache_gives_what_the_whole_sequence_gives),
        cmocka_unit_test(memory_does_not_grow_with_the_blocks),
        cmocka_unit_test(too_long_a_name_is_an_error),
        cmocka_unit_test(heads_that_do_not_fit_are_an_error),
        cmocka_unit_test(wrong_calls_fail_by_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
