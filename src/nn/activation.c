/* Element by element: sums, ReLU, dropout. */
#include "nn/layer.h"

/* y = a + b over b: b's gradient is y's. */
static void add_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    int accumulate;
    dev_real dy = tape_grad(tape, p->y), da = tape_grad_begin(tape, p->a, &accumulate);
    RUN(tape)->copy_matrix(tape->device, p->a->rows, p->a->cols, dy, p->a->cols, da, p->a->cols, accumulate);
}

struct var *nn_add(struct tape *tape, struct var *a, struct var *b) {
    struct var *y = tape_over(tape, b, a);
    if (tape->failed) return y;
    RUN(tape)->axpy(tape->device, y->rows * y->cols, 1, a->value, y->value);
    struct pair_op *p = tape_record(tape, sizeof *p, add_backward, a);
    if (p) p->a = a, p->y = y;
    return y;
}

/* The gradient with respect to y becomes that with respect to x, in place. */
static void relu_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    RUN(tape)->relu_backward(tape->device, p->y->rows * p->y->cols, p->y->value, tape_grad(tape, p->y));
}

struct var *nn_relu(struct tape *tape, struct var *x) {
    struct var *y = tape_over(tape, x, NULL);
    if (tape->failed) return y;
    RUN(tape)->relu(tape->device, y->rows * y->cols, y->value);
    struct pair_op *p = tape_record(tape, sizeof *p, relu_backward, y);
    if (!p) return y;
    p->y = y;
    tape_save(y);
    return y;
}

struct dropout_op {
    struct op op;
    struct var *y;
    struct segments segments;
    struct dropout dropout;
};

static void dropout_backward(struct tape *tape, struct op *op) {
    struct dropout_op *d = (struct dropout_op *)op;
    dev_real dy = tape_grad(tape, d->y);
    RUN(tape)->dropout(tape->device, d->segments.rows, d->y->cols, d->segments.keys, d->dropout, dy, dy, 0);
}

struct var *nn_dropout(struct tape *tape, struct var *x, struct segments segments, struct dropout dropout) {
    if (tape->evaluating || tape->failed || dropout.rate == 0) return x;
    struct var *y = tape_over(tape, x, NULL);
    if (tape->failed) return y;
    RUN(tape)->dropout(tape->device, segments.rows, y->cols, segments.keys, dropout, y->value, y->value, 0);
    struct dropout_op *d = tape_record(tape, sizeof *d, dropout_backward, y);
    if (d) d->y = y, d->segments = segments, d->dropout = dropout;
    return y;
}
