/* Rows: picked, summed by bags, turned by position, averaged by segment, side by side. */
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

struct bag_op {
    struct op op;
    struct var *table, *weight, *y;
    struct bag bags;
};

static void bag_backward(struct tape *tape, struct op *op) {
    struct bag_op *b = (struct bag_op *)op;
    dev_real dweight = {NULL}, dtable = tape_grad(tape, b->table);
    if (b->weight) dweight = tape_grad(tape, b->weight);
    RUN(tape)->bag_backward(tape->device, &b->bags, b->table->value, tape_grad(tape, b->y), dtable, dweight);
}

struct var *nn_bag(struct tape *tape, struct var *table, struct var *weight, struct bag bags) {
    struct var *y = tape_var(tape, bags.items.n, table->cols, table, weight);
    if (tape->failed) return y;
    bags.cols = table->cols;
    bags.weight.at = weight ? weight->value.at : NULL;
    RUN(tape)->bag(tape->device, &bags, table->value, y->value, 0);
    struct bag_op *b = tape_record(tape, sizeof *b, bag_backward, y);
    if (!b) return y;
    b->table = table, b->weight = weight, b->y = y, b->bags = bags;
    if (!weight) return y;
    tape_save(weight);
    if (weight->needs_grad) tape_save(table);
    return y;
}

struct rope_op {
    struct op op;
    struct var *y;
    struct rope rope;
};

static void rope_backward(struct tape *tape, struct op *op) {
    struct rope_op *r = (struct rope_op *)op;
    RUN(tape)->rope(tape->device, &r->rope, -1, tape_grad(tape, r->y));
}

struct var *nn_rope(struct tape *tape, struct var *x, struct rope rope) {
    struct var *y = tape_over(tape, x, NULL);
    if (tape->failed) return y;
    rope.rows = y->rows;
    rope.ld = y->cols;
    RUN(tape)->rope(tape->device, &rope, 1, y->value);
    struct rope_op *r = tape_record(tape, sizeof *r, rope_backward, y);
    if (r) r->y = y, r->rope = rope;
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

/* The same values and the same gradient. */
struct var *nn_split_rows(struct tape *tape, struct var *x, int64_t parts) {
    struct var *y = tape_over(tape, x, NULL);
    if (tape->failed) return y;
    y->rows *= parts;
    y->cols /= parts;
    return y;
}

/* The columns of dy from `first` on, to v's gradient. */
static void add_columns(struct tape *tape, struct var *v, dev_real dy, int64_t first, int64_t cols) {
    if (!v->needs_grad) return;
    int accumulate;
    dev_real dv = tape_grad_begin(tape, v, &accumulate);
    RUN(tape)->copy_matrix(tape->device, v->rows, v->cols, (struct matrix){dev_real_at(dy, first), cols},
                           (struct matrix){dv, v->cols}, accumulate);
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
    RUN(tape)->copy_matrix(tape->device, a->rows, left, (struct matrix){a->value, left},
                           (struct matrix){y->value, cols}, 0);
    RUN(tape)->copy_matrix(tape->device, a->rows, b->cols, (struct matrix){b->value, b->cols},
                           (struct matrix){dev_real_at(y->value, left), cols}, 0);
    struct pair_op *p = tape_record(tape, sizeof *p, concat_backward, y);
    if (p) p->a = a, p->b = b, p->y = y;
    return y;
}
