/* Graphs: convolution and attention over edges. */
#include "nn/layer.h"

struct gcn_op {
    struct op op;
    struct var *x, *y;
    struct gcn gcn;
};

static void gcn_backward(struct tape *tape, struct op *op) {
    struct gcn_op *g = (struct gcn_op *)op;
    int accumulate;
    dev_real dy = tape_grad(tape, g->y), dx = tape_grad_begin(tape, g->x, &accumulate);
    RUN(tape)->gcn_aggregate_backward(tape->device, &g->gcn, dy, dx, accumulate);
}

struct var *nn_gcn_aggregate(struct tape *tape, struct var *x, struct graphs graphs) {
    struct var *y = tape_var(tape, x->rows, x->cols, x);
    dev_real scale = tape_scratch(tape, graphs.nodes.rows.n_rows);
    if (tape->failed) return y;
    struct gcn gcn = {graphs.nodes.rows, graphs.edges, x->cols, scale};
    RUN(tape)->gcn_scale(tape->device, graphs.nodes.rows.n_rows, graphs.edges.offsets, scale);
    RUN(tape)->gcn_aggregate(tape->device, &gcn, x->value, y->value);
    struct gcn_op *g = tape_record(tape, sizeof *g, gcn_backward, y);
    if (g) g->x = x, g->y = y, g->gcn = gcn;
    return y;
}

static struct head_dots head_dots_of(const struct var *x, const struct var *a, int64_t heads) {
    return (struct head_dots){.rows = x->rows, .heads = heads, .cols = x->cols / heads, .x = x->value, .a = a->value};
}

static void head_dots_backward(struct tape *tape, struct op *op) {
    struct pair_op *p = (struct pair_op *)op;
    struct head_dots dots = head_dots_of(p->a, p->b, p->y->cols);
    RUN(tape)->head_dots_backward(tape->device, &dots, tape_grad(tape, p->y), tape_grad_or_scratch(tape, p->a),
                                  tape_grad_or_scratch(tape, p->b));
}

struct var *nn_head_dots(struct tape *tape, struct var *x, struct var *a, int64_t heads) {
    struct var *y = tape_var(tape, x->rows, heads, x, a);
    if (tape->failed) return y;
    struct head_dots dots = head_dots_of(x, a, heads);
    RUN(tape)->head_dots(tape->device, &dots, y->value);
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

static struct graph_attention attention_of(const struct graph_attention_op *a) {
    return (struct graph_attention){.nodes = a->graphs.nodes.rows,
                                    .edges = a->graphs.edges,
                                    .heads = a->source->cols,
                                    .cols = a->x->cols / a->source->cols,
                                    .source = a->source->value,
                                    .target = a->target->value,
                                    .x = a->x->value,
                                    .probs = a->probs};
}

static void graph_attention_backward(struct tape *tape, struct op *op) {
    struct graph_attention_op *a = (struct graph_attention_op *)op;
    struct graph_attention attention = attention_of(a);
    RUN(tape)->graph_attention_backward(tape->device, &attention, tape_grad(tape, a->y),
                                        tape_grad_or_scratch(tape, a->source), tape_grad_or_scratch(tape, a->target),
                                        tape_grad_or_scratch(tape, a->x));
}

struct var *nn_graph_attention(struct tape *tape, struct var *x, struct var *source, struct var *target,
                               struct graphs graphs) {
    struct var *y = tape_var(tape, x->rows, x->cols, x, source, target);
    dev_real probs = tape_scratch(tape, (graphs.nodes.rows.n_rows + graphs.edges.n) * source->cols);
    if (tape->failed) return y;
    struct graph_attention_op now = {
        .x = x, .source = source, .target = target, .y = y, .graphs = graphs, .probs = probs};
    struct graph_attention attention = attention_of(&now);
    RUN(tape)->graph_attention(tape->device, &attention, y->value);
    struct graph_attention_op *a = tape_record(tape, sizeof *a, graph_attention_backward, y);
    if (!a) return y;
    a->x = x, a->source = source, a->target = target, a->y = y, a->graphs = graphs, a->probs = probs;
    tape_save(x);
    tape_save(source);
    tape_save(target);
    return y;
}
