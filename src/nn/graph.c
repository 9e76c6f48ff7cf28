/* Graphs: convolution and attention over edges. */
#include "nn/layer.h"

struct gcn_op {
    struct op op;
    struct var *x, *y;
    struct graphs graphs;
    dev_real scale;
};

static void gcn_backward(struct tape *tape, struct op *op) {
    struct gcn_op *g = (struct gcn_op *)op;
    int accumulate;
    dev_real dy = tape_grad(tape, g->y), dx = tape_grad_begin(tape, g->x, &accumulate);
    RUN(tape)->gcn_aggregate_backward(tape->device, g->graphs.nodes.rows, g->graphs.edges, g->x->cols, g->scale, dy, dx,
                                      accumulate);
}

struct var *nn_gcn_aggregate(struct tape *tape, struct var *x, struct graphs graphs) {
    struct var *y = tape_var(tape, x->rows, x->cols, x);
    dev_real scale = tape_scratch(tape, graphs.nodes.rows.n_rows);
    if (tape->failed) return y;
    RUN(tape)->gcn_scale(tape->device, graphs.nodes.rows.n_rows, graphs.edges.offsets, scale);
    RUN(tape)->gcn_aggregate(tape->device, graphs.nodes.rows, graphs.edges, x->cols, scale, x->value, y->value);
    struct gcn_op *g = tape_record(tape, sizeof *g, gcn_backward, y);
    if (g) g->x = x, g->y = y, g->graphs = graphs, g->scale = scale;
    return y;
}

static void head_dots_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    int64_t heads = p->y->cols;
    RUN(tape)->head_dots_backward(tape->device, p->a->rows, heads, p->a->cols / heads, p->a->value, p->b->value,
                                  tape_grad(tape, p->y), tape_grad_or_scratch(tape, p->a),
                                  tape_grad_or_scratch(tape, p->b));
}

struct var *nn_head_dots(struct tape *tape, struct var *x, struct var *a, int64_t heads) {
    struct var *y = tape_var(tape, x->rows, heads, x, a);
    if (tape->failed) return y;
    RUN(tape)->head_dots(tape->device, x->rows, heads, x->cols / heads, x->value, a->value, y->value);
    struct pair_op *p = tape_record(tape, sizeof *p, head_dots_backward, y);
    if (!p) return y;
    p->a = x, p->b = a, p->y = y;
    tape_save(x);
    tape_save(a);
    return y;
}

struct graph_attention_op {
    struct op op;
    struct var *x, *source, *target, *y;
    struct graphs graphs;
    dev_real probs;
};

static void graph_attention_backward(struct tape *tape, struct op *op) {
    struct graph_attention_op *a = (struct graph_attention_op *)op;
    const struct graphs *g = &a->graphs;
    int64_t heads = a->source->cols;
    RUN(tape)->graph_attention_backward(tape->device, g->nodes.rows, g->edges, heads, a->x->cols / heads,
                                        a->source->value, a->target->value, a->x->value, a->probs,
                                        tape_grad(tape, a->y), tape_grad_or_scratch(tape, a->source),
                                        tape_grad_or_scratch(tape, a->target), tape_grad_or_scratch(tape, a->x));
}

struct var *nn_graph_attention(struct tape *tape, struct var *x, struct var *source, struct var *target,
                               struct graphs graphs) {
    struct var *y = tape_var(tape, x->rows, x->cols, x, source, target);
    int64_t heads = source->cols;
    dev_real probs = tape_scratch(tape, (graphs.nodes.rows.n_rows + graphs.edges.n) * heads);
    if (tape->failed) return y;
    RUN(tape)->graph_attention(tape->device, graphs.nodes.rows, graphs.edges, heads, x->cols / heads, source->value,
                               target->value, x->value, probs, y->value);
    struct graph_attention_op *a = tape_record(tape, sizeof *a, graph_attention_backward, y);
    if (!a) return y;
    a->x = x, a->source = source, a->target = target, a->y = y, a->graphs = graphs, a->probs = probs;
    tape_save(x);
    tape_save(source);
    tape_save(target);
    return y;
}
