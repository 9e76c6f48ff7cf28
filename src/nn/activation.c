/* Element by element: sums, activations, gated units, dropout. */
#include "nn/layer.h"

/* y = a + b over b: b's gradient is y's. */
static void add_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    int accumulate;
    dev_real dy = tape_grad(tape, p->y), da = tape_grad_begin(tape, p->a, &accumulate);
    int64_t cols = p->a->cols;
    RUN(tape)->copy_matrix(tape->device, p->a->rows, cols, (struct matrix){dy, cols}, (struct matrix){da, cols},
                           accumulate);
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

struct combine_op {
    struct op op;
    struct var *y;
    int n;
    struct {
        double alpha;
        struct var *x;
    } terms[];
};

static void combine_backward(struct tape *tape, struct op *op) {
    struct combine_op *c = (struct combine_op *)op;
    dev_real dy = tape_grad(tape, c->y);
    for (int i = 0; i < c->n; i++) {
        dev_real dx = tape_grad(tape, c->terms[i].x);
        if (dx.at) RUN(tape)->axpy(tape->device, c->y->rows * c->y->cols, c->terms[i].alpha, dy, dx);
    }
}

struct var *nn_combine(struct tape *tape, int n, const double *alpha, struct var *const *x) {
    struct var *y = tape_make(tape, __func__, x[0]->rows, x[0]->cols, n, x);
    int64_t size = y->rows * y->cols;
    if (tape->failed) return y;
    RUN(tape)->fill(tape->device, size, 0, y->value);
    for (int i = 0; i < n; i++) RUN(tape)->axpy(tape->device, size, alpha[i], x[i]->value, y->value);
    struct combine_op *c = tape_record(tape, sizeof *c + (size_t)n * sizeof c->terms[0], combine_backward, y);
    if (!c) return y;
    c->y = y, c->n = n;
    for (int i = 0; i < n; i++) c->terms[i].alpha = alpha[i], c->terms[i].x = x[i];
    return y;
}

struct mix_op {
    struct op op;
    struct var *s, *a, *b, *y;
    dev_real gate; /* g */
};

/* With rest = (1 - g) dy: db = rest, da = dy - rest, and ds = g (1 - g) dy.(a - b). */
static void mix_backward(struct tape *tape, struct op *op) {
    struct mix_op *m = (struct mix_op *)op;
    const struct kernels *run = RUN(tape);
    struct device *device = tape->device;
    int64_t n = m->y->rows * m->y->cols;
    dev_real dy = tape_grad(tape, m->y), rest = tape_scratch(tape, n), dgate = tape_scratch(tape, 1);
    dev_real ds = tape_grad(tape, m->s), da = tape_grad(tape, m->a), db = tape_grad(tape, m->b);
    if (tape->failed) return;
    run->fill(device, n, 0, rest);
    run->blend(device, n, m->gate, dy, rest);
    if (da.at) run->axpy(device, n, 1, dy, da);
    if (da.at) run->axpy(device, n, -1, rest, da);
    if (db.at) run->axpy(device, n, 1, rest, db);
    if (!ds.at) return;
    run->fill(device, 1, 0, dgate);
    run->dot(device, n, 1, dy, m->a->value, dgate);
    run->dot(device, n, -1, dy, m->b->value, dgate);
    run->activate_backward(device, ACTIVATION_SIGMOID, 1, m->gate, dgate, ds, 1);
}

struct var *nn_mix(struct tape *tape, struct var *s, struct var *a, struct var *b) {
    struct var *y = tape_var(tape, a->rows, a->cols, s, a, b);
    dev_real gate = tape_scratch(tape, 1);
    if (tape->failed) return y;
    RUN(tape)->activate(tape->device, ACTIVATION_SIGMOID, 1, s->value, gate);
    RUN(tape)->copy_matrix(tape->device, a->rows, a->cols, (struct matrix){a->value, a->cols},
                           (struct matrix){y->value, a->cols}, 0);
    RUN(tape)->blend(tape->device, y->rows * y->cols, gate, b->value, y->value);
    struct mix_op *m = tape_record(tape, sizeof *m, mix_backward, y);
    if (!m) return y;
    m->s = s, m->a = a, m->b = b, m->y = y, m->gate = gate;
    if (s->needs_grad) tape_save(a), tape_save(b);
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
    struct dropout_rows rows;
};

static void dropout_backward(struct tape *tape, struct op *op) {
    struct dropout_op *d = (struct dropout_op *)op;
    dev_real dy = tape_grad(tape, d->y);
    RUN(tape)->dropout(tape->device, &d->rows, dy, dy, 0);
}

struct var *nn_dropout(struct tape *tape, struct var *x, struct segments segments, struct dropout dropout) {
    if (tape->evaluating || tape->failed || dropout.rate == 0) return x;
    struct var *y = tape_over(tape, x, NULL);
    if (tape->failed) return y;
    struct dropout_rows rows = {segments.rows, y->cols, segments.keys, dropout};
    RUN(tape)->dropout(tape->device, &rows, y->value, y->value, 0);
    struct dropout_op *d = tape_record(tape, sizeof *d, dropout_backward, y);
    if (d) d->y = y, d->rows = rows;
    return y;
}
