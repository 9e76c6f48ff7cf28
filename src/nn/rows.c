/* Rows: picked, averaged by segment, side by side. */
#include "nn/layer.h"

struct gather_op {
    struct op op;
    struct var *table, *y;
    dev_int index;
};

static void gather_backward(struct tape *tape, struct op *op) {
    struct gather_op *g = (struct gather_op *)op;
    RUN(tape)->scatter_add_rows(tape->device, g->y->rows, g->y->cols, tape_grad(tape, g->y), g->index,
                                tape_grad(tape, g->table));
}

struct var *nn_gather(struct tape *tape, struct var *table, dev_int index, int64_t n) {
    struct var *y = tape_var(tape, n, table->cols, table);
    if (tape->failed) return y;
    RUN(tape)->gather_rows(tape->device, n, table->cols, table->value, index, y->value);
    struct gather_op *g = tape_record(tape, sizeof *g, gather_backward, y);
    if (g) g->table = table, g->y = y, g->index = index;
    return y;
}

struct segment_mean_op {
    struct op op;
    struct var *x, *y;
    struct segments segments;
};

static void segment_mean_backward(struct tape *tape, struct op *op) {
    struct segment_mean_op *s = (struct segment_mean_op *)op;
    int accumulate;
    dev_real dy = tape_grad(tape, s->y), dx = tape_grad_begin(tape, s->x, &accumulate);
    RUN(tape)->segment_mean_backward(tape->device, s->segments.rows, s->x->cols, dy, dx, accumulate);
}

struct var *nn_segment_mean(struct tape *tape, struct var *x, struct segments segments) {
    struct var *y = tape_var(tape, segments.rows.n, x->cols, x);
    if (tape->failed) return y;
    RUN(tape)->segment_mean(tape->device, segments.rows, x->cols, x->value, y->value);
    struct segment_mean_op *s = tape_record(tape, sizeof *s, segment_mean_backward, y);
    if (s) s->x = x, s->y = y, s->segments = segments;
    return y;
}

/* The columns of dy from `first` on, to v's gradient. */
static void add_columns(struct tape *tape, struct var *v, dev_real dy, int64_t first, int64_t cols) {
    if (!v->needs_grad) return;
    int accumulate;
    dev_real dv = tape_grad_begin(tape, v, &accumulate);
    RUN(tape)->copy_matrix(tape->device, v->rows, v->cols, dev_real_at(dy, first), cols, dv, v->cols, accumulate);
}

static void concat_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    dev_real dy = tape_grad(tape, p->y);
    add_columns(tape, p->a, dy, 0, p->y->cols);
    add_columns(tape, p->b, dy, p->a->cols, p->y->cols);
}

struct var *nn_concat(struct tape *tape, struct var *a, struct var *b) {
    int64_t left = a->cols, cols = a->cols + b->cols;
    struct var *y = tape_var(tape, a->rows, cols, a, b);
    if (tape->failed) return y;
    RUN(tape)->copy_matrix(tape->device, a->rows, left, a->value, left, y->value, cols, 0);
    RUN(tape)->copy_matrix(tape->device, a->rows, b->cols, b->value, b->cols, dev_real_at(y->value, left), cols, 0);
    struct pair_op *p = tape_record(tape, sizeof *p, concat_backward, y);
    if (p) p->a = a, p->b = b, p->y = y;
    return y;
}
