/* Linear maps, whole and head by head, and their biases. */
#include "nn/layer.h"

struct linear_op {
    struct op op;
    struct var *x, *weight, *bias, *y; /* weight NULL: frozen */
    struct linear map;
};

/* dy becomes the gradient before the activation, in place: nobody else reads it any more. */
static void linear_backward(struct tape *tape, struct op *op) {
    struct linear_op *l = (struct linear_op *)op;
    struct linear_gradients to = {.accumulate = 0};
    dev_real dy = tape_grad(tape, l->y);
    if (l->map.f != ACTIVATION_NONE)
        RUN(tape)->activate_backward(tape->device, l->map.f, l->y->rows * l->y->cols, l->y->value, dy, dy, 0);
    if (l->x->needs_grad) to.dx = tape_grad_begin(tape, l->x, &to.accumulate);
    if (l->weight && l->weight->needs_grad) to.dweight = tape_grad(tape, l->weight);
    if (l->bias && l->bias->needs_grad) to.dbias = tape_grad(tape, l->bias);
    RUN(tape)->linear_backward(tape->device, &l->map, l->x->rows, l->x->value, dy, to);
}

static struct linear map_of(struct linear_terms m) {
    return (struct linear){.in = m.packed ? m.packed->in : m.weight->cols,
                           .out = m.packed ? m.packed->out : m.weight->rows,
                           .weight = m.packed ? (dev_real){NULL} : m.weight->value,
                           .packed = m.packed,
                           .bias = m.bias ? m.bias->value : (dev_real){NULL},
                           .f = m.f};
}

/* The activation is part of the product where that leaves what backward needs. */
struct var *nn_linear_map(struct tape *tape, struct var *x, struct linear_terms m) {
    struct var *weight = m.packed ? NULL : m.weight;
    struct linear map = map_of(m);
    struct var *y = tape_var(tape, x->rows, map.out, x, weight, m.bias);
    if (y->needs_grad && !activation_from_output(m.f)) map.f = ACTIVATION_NONE;
    if (tape->failed) return y;
    RUN(tape)->linear(tape->device, &map, x->rows, x->value, y->value);
    struct linear_op *l = tape_record(tape, sizeof *l, linear_backward, y);
    if (l) {
        l->x = x, l->weight = weight, l->bias = m.bias, l->y = y, l->map = map;
        if (weight && weight->needs_grad) tape_save(x);
        if (weight && x->needs_grad) tape_save(weight);
        if (map.f != ACTIVATION_NONE) tape_save(y);
    }
    return map.f == m.f ? y : nn_activate(tape, m.f, y);
}

struct var *nn_linear(struct tape *tape, struct var *x, struct var *weight, struct var *bias) {
    return nn_linear_map(tape, x, (struct linear_terms){.weight = weight, .bias = bias});
}

static void add_bias_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    RUN(tape)->sum_rows(tape->device, p->y->rows, p->y->cols, tape_grad(tape, p->y), tape_grad(tape, p->b));
}

struct var *nn_add_bias(struct tape *tape, struct var *x, struct var *bias) {
    struct var *y = tape_over(tape, x, bias);
    if (tape->failed) return y;
    RUN(tape)->add_bias(tape->device, y->rows, y->cols, bias->value, y->value);
    struct pair_op *p = tape_record(tape, sizeof *p, add_bias_backward, bias);
    if (p) p->b = bias, p->y = y;
    return y;
}

/* ---- head by head ---- */
struct head_linear_op {
    struct op op;
    struct var *x, *weight, *y;
    int64_t heads;
};

/* Head h of an operand with the heads side by side in its rows, and of one with them one below the other. */
static struct matrices beside(dev_real x, int64_t heads, int64_t cols) {
    return (struct matrices){x, heads * cols, cols};
}

static struct matrices below(dev_real x, int64_t rows, int64_t cols) { return (struct matrices){x, cols, rows * cols}; }

/* Records a map from x to y; what it needs. */
static void record_head_linear(struct tape *tape, void (*backward)(struct tape *, struct op *), struct var *x,
                               struct var *weight, struct var *y, int64_t heads) {
    struct head_linear_op *l = tape_record(tape, sizeof *l, backward, y);
    if (!l) return;
    l->x = x, l->weight = weight, l->y = y, l->heads = heads;
    if (weight->needs_grad) tape_save(x);
    if (x->needs_grad) tape_save(weight);
}

static void head_linear_backward(struct tape *tape, struct op *op) {
    struct head_linear_op *l = (struct head_linear_op *)op;
    struct var *x = l->x, *weight = l->weight;
    int64_t heads = l->heads, rows = x->rows, in = weight->cols, out = weight->rows / heads;
    struct matrices dy = beside(tape_grad(tape, l->y), heads, out);
    if (x->needs_grad) {
        int accumulate;
        dev_real dx = tape_grad_begin(tape, x, &accumulate);
        struct gemm g = {.m = rows, .n = in, .k = out, .alpha = 1, .beta = accumulate};
        RUN(tape)->gemm_batch(tape->device, heads, &g, dy, below(weight->value, out, in), beside(dx, heads, in));
    }
    if (weight->needs_grad) {
        struct gemm g = {.transpose_a = 1, .m = out, .n = in, .k = rows, .alpha = 1, .beta = 1};
        RUN(tape)->gemm_batch(tape->device, heads, &g, dy, beside(x->value, heads, in),
                              below(tape_grad(tape, weight), out, in));
    }
}

struct var *nn_head_linear(struct tape *tape, struct var *x, struct var *weight, int64_t heads) {
    int64_t in = weight->cols, out = weight->rows / heads;
    struct var *y = tape_var(tape, x->rows, weight->rows, x, weight);
    if (tape->failed) return y;
    struct gemm g = {.transpose_b = 1, .m = x->rows, .n = out, .k = in, .alpha = 1};
    RUN(tape)->gemm_batch(tape->device, heads, &g, beside(x->value, heads, in), below(weight->value, out, in),
                          beside(y->value, heads, out));
    record_head_linear(tape, head_linear_backward, x, weight, y, heads);
    return y;
}

static void head_linear_transposed_backward(struct tape *tape, struct op *op) {
    struct head_linear_op *l = (struct head_linear_op *)op;
    struct var *x = l->x, *weight = l->weight;
    int64_t heads = l->heads, rows = x->rows, in = weight->cols, out = weight->rows / heads;
    struct matrices dy = beside(tape_grad(tape, l->y), heads, in);
    if (x->needs_grad) {
        int accumulate;
        dev_real dx = tape_grad_begin(tape, x, &accumulate);
        struct gemm g = {.transpose_b = 1, .m = rows, .n = out, .k = in, .alpha = 1, .beta = accumulate};
        RUN(tape)->gemm_batch(tape->device, heads, &g, dy, below(weight->value, out, in), beside(dx, heads, out));
    }
    if (weight->needs_grad) {
        struct gemm g = {.transpose_a = 1, .m = out, .n = in, .k = rows, .alpha = 1, .beta = 1};
        RUN(tape)->gemm_batch(tape->device, heads, &g, beside(x->value, heads, out), dy,
                              below(tape_grad(tape, weight), out, in));
    }
}

struct var *nn_head_linear_transposed(struct tape *tape, struct var *x, struct var *weight, int64_t heads) {
    int64_t in = weight->cols, out = weight->rows / heads;
    struct var *y = tape_var(tape, x->rows, heads * in, x, weight);
    if (tape->failed) return y;
    struct gemm g = {.m = x->rows, .n = in, .k = out, .alpha = 1};
    RUN(tape)->gemm_batch(tape->device, heads, &g, beside(x->value, heads, out), below(weight->value, out, in),
                          beside(y->value, heads, in));
    record_head_linear(tape, head_linear_transposed_backward, x, weight, y, heads);
    return y;
}

/* Products with one column (scale) and one row (bias). */
static void add_scaled_bias_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    struct var *scale = p->a, *bias = p->b;
    int64_t rows = p->y->rows, heads = scale->cols, cols = p->y->cols / heads;
    struct matrices dy = beside(tape_grad(tape, p->y), heads, cols);
    struct gemm of_scale = {.transpose_b = 1, .m = rows, .n = 1, .k = cols, .alpha = 1, .beta = 1};
    struct gemm of_bias = {.transpose_a = 1, .m = 1, .n = cols, .k = rows, .alpha = 1, .beta = 1};
    if (scale->needs_grad)
        RUN(tape)->gemm_batch(tape->device, heads, &of_scale, dy, below(bias->value, 1, cols),
                              beside(tape_grad(tape, scale), heads, 1));
    if (bias->needs_grad)
        RUN(tape)->gemm_batch(tape->device, heads, &of_bias, beside(scale->value, heads, 1), dy,
                              below(tape_grad(tape, bias), 1, cols));
}

struct var *nn_add_scaled_bias(struct tape *tape, struct var *x, struct var *scale, struct var *bias) {
    struct var *y = tape_over(tape, x, scale, bias);
    if (tape->failed) return y;
    int64_t heads = scale->cols, cols = y->cols / heads;
    struct gemm g = {.m = y->rows, .n = cols, .k = 1, .alpha = 1, .beta = 1};
    RUN(tape)->gemm_batch(tape->device, heads, &g, beside(scale->value, heads, 1), below(bias->value, 1, cols),
                          beside(y->value, heads, cols));
    if (!scale->needs_grad && !bias->needs_grad) return y;
    struct pair_op *p = tape_record(tape, sizeof *p, add_scaled_bias_backward, y);
    if (!p) return y;
    p->a = scale, p->b = bias, p->y = y;
    if (scale->needs_grad) tape_save(bias);
    if (bias->needs_grad) tape_save(scale);
    return y;
}
