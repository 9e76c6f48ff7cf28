/* Losses: they end the tape, so that their gradients are added when the value is computed. */
#include "nn/layer.h"

void nn_cross_entropy(struct tape *tape, struct var *a, struct var *b, struct var *bias, struct cross_entropy how,
                      dev_real loss, dev_real log_probability) {
    if (!tape_reads(tape, a, b, bias)) return;
    how.n = a->rows;
    how.m = b->rows;
    how.dim = a->cols;
    how.a = a->value;
    how.b = b->value;
    how.bias.at = bias ? bias->value.at : NULL;
    dev_real dbias = {NULL};
    if (bias) dbias = tape_grad(tape, bias);
    dev_real da = tape_grad(tape, a), db = tape_grad(tape, b);
    if (!tape->failed) RUN(tape)->cross_entropy(tape->device, &how, loss, log_probability, da, db, dbias);
}

void nn_softmax_divergence(struct tape *tape, struct var *a, struct var *b, struct var *c, int64_t first, int64_t last,
                           double scale, double weight, dev_real loss) {
    if (!tape_reads(tape, a, b, c)) return;
    int64_t dim = c->cols;
    dev_real dc = tape_grad(tape, c), columns = dev_real_at(c->value, first * dim);
    if (dc.at) dc = dev_real_at(dc, first * dim);
    struct softmax_divergence d = {.n = a->rows,
                                   .m = last - first,
                                   .p = {dim, scale, a->value, columns},
                                   .g = {dim, scale, b->value, columns},
                                   .own = -1,
                                   .weight = weight};
    struct softmax_divergence_gradients to = {tape_grad(tape, a), dc, tape_grad(tape, b), dc};
    if (!tape->failed) RUN(tape)->softmax_divergence(tape->device, &d, loss, to);
}

void nn_bce(struct tape *tape, struct var *x, struct bce how, dev_real loss) {
    if (!tape_reads(tape, x)) return;
    how.rows = x->rows;
    how.labels = x->cols;
    how.x = x->value;
    dev_real dx = tape_grad(tape, x);
    if (!tape->failed) RUN(tape)->bce(tape->device, &how, loss, dx);
}

void nn_sum(struct tape *tape, struct var *x, double weight, dev_real loss) {
    if (!tape_reads(tape, x)) return;
    int64_t n = x->rows * x->cols;
    dev_real ones = tape_scratch(tape, n), dx = tape_grad(tape, x);
    if (tape->failed) return;
    RUN(tape)->fill(tape->device, n, 1, ones);
    if (loss.at) RUN(tape)->dot(tape->device, n, weight, x->value, ones, loss);
    if (dx.at) RUN(tape)->axpy(tape->device, n, weight, ones, dx);
}
