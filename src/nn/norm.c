/* Normalisation of rows. */
#include "nn/layer.h"

struct norm_op {
    struct op op;
    struct var *x, *gain, *bias, *y;
    struct norm norm;
};

static void norm_backward(struct tape *tape, struct op *op) {
    struct norm_op *n = (struct norm_op *)op;
    struct norm_gradients to = {.accumulate = 0};
    dev_real dy = tape_grad(tape, n->y);
    if (n->x->needs_grad) to.dx = tape_grad_begin(tape, n->x, &to.accumulate);
    if (n->gain && n->gain->needs_grad) to.dgain = tape_grad(tape, n->gain);
    if (n->bias && n->bias->needs_grad) to.dbias = tape_grad(tape, n->bias);
    RUN(tape)->norm_backward(tape->device, &n->norm, dy, to);
}

/* y = the norm of x, or of x + other, which is written over x. Backward needs what was normalised, which x then holds. */
static struct var *normalize(struct tape *tape, struct var *x, const struct var *other, struct norm_terms terms) {
    struct var *y = tape_var(tape, x->rows, x->cols, x, terms.gain, terms.bias);
    struct norm norm = {.rows = x->rows, .cols = x->cols, .center = terms.center, .epsilon = terms.epsilon};
    norm.x = x->value;
    if (other) norm.residual = other->value, norm.sum = x->value;
    if (terms.gain) norm.gain = terms.gain->value;
    if (terms.bias) norm.bias = terms.bias->value;
    if (y->needs_grad) norm.rstd = tape_scratch(tape, x->rows);
    if (y->needs_grad && terms.center) norm.mean = tape_scratch(tape, x->rows);
    if (tape->failed) return y;
    RUN(tape)->norm(tape->device, &norm, y->value);
    struct norm_op *n = tape_record(tape, sizeof *n, norm_backward, y);
    if (!n) return y;
    norm.residual = norm.sum = (dev_real){NULL};
    n->x = x, n->gain = terms.gain, n->bias = terms.bias, n->y = y, n->norm = norm;
    tape_save(x);
    if (terms.gain) tape_save(terms.gain);
    return y;
}

struct var *nn_norm(struct tape *tape, struct var *x, struct norm_terms terms) {
    return normalize(tape, x, NULL, terms);
}

/* As nn_add, which it records, and nn_norm, but the sum is made by the norm's own pass over memory. */
struct var *nn_add_norm(struct tape *tape, struct var *a, struct var *b, struct norm_terms terms, struct var **sum) {
    struct var *s = tape_over(tape, b, a);
    nn_record_add(tape, a, s);
    if (sum) *sum = s;
    return normalize(tape, s, a, terms);
}

struct l2_normalize_op {
    struct op op;
    struct var *x, *y;
    dev_real norm;
};

static void l2_normalize_backward(struct tape *tape, struct op *op) {
    struct l2_normalize_op *n = (struct l2_normalize_op *)op;
    RUN(tape)->l2_normalize_backward(tape->device, n->x->rows, n->x->cols, n->y->value, n->norm, tape_grad(tape, n->y),
                                     tape_grad(tape, n->x));
}

struct var *nn_l2_normalize(struct tape *tape, struct var *x) {
    struct var *y = tape_var(tape, x->rows, x->cols, x);
    dev_real norm = tape_scratch(tape, x->rows);
    if (tape->failed) return y;
    RUN(tape)->l2_normalize(tape->device, x->rows, x->cols, x->value, y->value, norm);
    struct l2_normalize_op *n = tape_record(tape, sizeof *n, l2_normalize_backward, y);
    if (!n) return y;
    n->x = x, n->y = y, n->norm = norm;
    tape_save(y);
    return y;
}
