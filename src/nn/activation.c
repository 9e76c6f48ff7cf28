/* Element by element: sums, activations, gated units, dropout. */
#include "nn/layer.h"

/* y = a + b over b: b's gradient is y's. */
static void add_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    int accumulate;
    dev_real dy = tape_grad(tape, p->y), da = tape_grad_begin(tape, p->a, &accumulate);
    RUN(tape)->copy_matrix(tape->device, p->a->rows, p->a->cols, dy, p->a->cols, da, p->a->cols, accumulate);
}

void nn_record_add(struct tape *tape, struct var *a, struct var *y) {
    struct pair_op *p = tape_record(tape, sizeof *p, add_backward, a);
    if (p) p->a = a, p->y = y;
}

struct var *nn_add(struct tape *tape, struct var *a, struct var *b) {
    struct var *y = tape_over(tape, b, a);
    if (tape->failed) return y;
    RUN(tape)->axpy(tape->device, y->rows * y->cols, 1, a->value, y->value);
    nn_record_add(tape, a, y);
    return y;
}

struct activation_op {
    struct op op;
    enum activation f;
    struct var *x, *y;
};

/* In place: the gradient with respect to y becomes that with respect to x, whose memory it is. */
static void activate_backward(struct tape *tape, struct op *op) {
    struct activation_op *a = (struct activation_op *)op;
    dev_real dy = tape_grad(tape, a->y), dx = dy, v = a->y->value;
    int accumulate = 0;
    if (!activation_from_output(a->f)) v = a->x->value, dx = tape_grad_begin(tape, a->x, &accumulate);
    RUN(tape)->activate_backward(tape->device, a->f, a->y->rows * a->y->cols, v, dy, dx, accumulate);
}

struct var *nn_activate(struct tape *tape, enum activation f, struct var *x) {
    if (f == ACTIVATION_NONE) return x;
    int in_place = activation_from_output(f);
    struct var *y = in_place ? tape_over(tape, x, NULL) : tape_var(tape, x->rows, x->cols, x);
    if (tape->failed) return y;
    RUN(tape)->activate(tape->device, f, y->rows * y->cols, x->value, y->value);
    struct activation_op *a = tape_record(tape, sizeof *a, activate_backward, y);
    if (!a) return y;
    a->f = f, a->x = x, a->y = y;
    tape_save(in_place ? y : x);
    return y;
}

struct glu_op {
    struct op op;
    enum activation f;
    struct var *gate, *up, *y;
};

static struct glu glu_of(enum activation f, const struct var *gate, const struct var *up) {
    return (struct glu){.n = gate->rows * gate->cols, .f = f, .gate = gate->value, .up = up->value};
}

/* One after the other: one may be the other, or have begun alone. */
static void glu_backward(struct tape *tape, struct op *op) {
    struct glu_op *o = (struct glu_op *)op;
    struct glu g = glu_of(o->f, o->gate, o->up);
    struct var *in[2] = {o->gate, o->up};
    dev_real dy = tape_grad(tape, o->y);
    for (int i = 0; i < 2; i++) {
        struct glu_gradients to = {.accumulate = 0};
        if (in[i]->needs_grad) *(i ? &to.dup : &to.dgate) = tape_grad_begin(tape, in[i], &to.accumulate);
        if (in[i]->needs_grad) RUN(tape)->glu_backward(tape->device, &g, dy, to);
    }
}

struct var *nn_glu(struct tape *tape, enum activation f, struct var *gate, struct var *up) {
    struct var *y = tape_var(tape, gate->rows, gate->cols, gate, up);
    struct glu g = glu_of(f, gate, up);
    if (tape->failed) return y;
    RUN(tape)->glu(tape->device, &g, y->value);
    struct glu_op *o = tape_record(tape, sizeof *o, glu_backward, y);
    if (!o) return y;
    o->f = f, o->gate = gate, o->up = up, o->y = y;
    tape_save(gate);
    if (gate->needs_grad) tape_save(up);
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
