/* Normalisation of rows. */
#include "nn/layer.h"

struct layer_norm_op {
    struct op op;
    struct var *x, *gain, *bias, *y;
    dev_real mean, rstd;
};

static void layer_norm_backward(struct tape *tape, struct op *op) {
    struct layer_norm_op *l = (struct layer_norm_op *)op;
    int accumulate = 0;
    dev_real dy = tape_grad(tape, l->y);
    dev_real dx =
        l->x->needs_grad ? tape_grad_begin(tape, l->x, &accumulate) : tape_scratch(tape, l->x->rows * l->x->cols);
    RUN(tape)->layer_norm_backward(tape->device, l->x->rows, l->x->cols, l->x->value, l->gain->value, l->mean, l->rstd,
                                   dy, dx, tape_grad_or_scratch(tape, l->gain), tape_grad_or_scratch(tape, l->bias),
                                   accumulate);
}

struct var *nn_layer_norm(struct tape *tape, struct var *x, struct var *gain, struct var *bias) {
    struct var *y = tape_var(tape, x->rows, x->cols, x, gain, bias);
    dev_real mean = tape_scratch(tape, x->rows), rstd = tape_scratch(tape, x->rows);
    if (tape->failed) return y;
    RUN(tape)->layer_norm(tape->device, x->rows, x->cols, x->value, gain->value, bias->value, y->value, mean, rstd);
    struct layer_norm_op *l = tape_record(tape, sizeof *l, layer_norm_backward, y);
    if (!l) return y;
    l->x = x, l->gain = gain, l->bias = bias, l->y = y, l->mean = mean, l->rstd = rstd;
    tape_save(x);
    tape_save(gain);
    return y;
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
