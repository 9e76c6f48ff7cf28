/* Attention over ragged rows. */
#include "nn/layer.h"

struct attention_op {
    struct op op;
    struct nn_attention a;
    struct attention call;
    struct var *y, *sums; /* sums NULL: not wanted */
};

static dev_real column_of(const struct var *x, int64_t column) { return dev_real_at(x->value, column); }

static struct attention attention_call(const struct nn_attention *a) {
    struct attention call = a->shape;
    call.q = column_of(a->q, a->q_column);
    call.k = column_of(a->k, a->k_column);
    call.v = column_of(a->v, a->v_column);
    call.ld_q = a->q->cols;
    call.ld_kv = a->k->cols;
    if (a->bias) call.types.bias = a->bias->value;
    if (a->dots) call.types.dots = a->dots->value;
    return call;
}

/* ---- gradients ---- */
static int shared(const struct nn_attention *a) { return a->k == a->v && a->k_column == a->v_column; }

/* Whether backward writes each value of x's gradient: the columns of q, k and v fill its rows, and the segments its height. To
 * rows picked by an index it adds. */
static int is_covered(const struct nn_attention *a, const struct var *x) {
    const struct attention *s = &a->shape;
    int64_t cols = 0;
    const struct spans *const spans[] = {&s->queries, &s->keys};
    if (x == a->q) cols += s->heads * s->head_dim;
    if (x == a->k) cols += s->kv_heads * s->head_dim;
    if (x == a->v && !shared(a)) cols += s->kv_heads * s->head_dim;
    if (cols < x->cols || (s->key_index.at && (x == a->k || x == a->v))) return 0;
    for (int i = 0; i < 2; i++) {
        if (i == 0 ? x != a->q : x != a->k && x != a->v) continue;
        int packed = !spans[i]->first.at || spans[i]->end.at == spans[i]->first.at + 1;
        if (!packed || spans[i]->n_rows != x->rows) return 0;
    }
    return 1;
}

/* x's gradient, to be overwritten or (*add) added to. NULL: none is wanted. */
static dev_real begin(struct tape *tape, const struct nn_attention *a, struct var *x, int *add) {
    *add = 0;
    if (!x->needs_grad) return (dev_real){NULL};
    if (is_covered(a, x)) return tape_grad_begin(tape, x, add);
    *add = 1;
    return tape_grad(tape, x);
}

static dev_real moved(dev_real x, int64_t column) { return x.at ? dev_real_at(x, column) : x; }

static void clear(struct tape *tape, const struct var *x, dev_real grad) {
    if (grad.at) RUN(tape)->fill(tape->device, x->rows * x->cols, 0, grad);
}

static void attention_backward(struct tape *tape, struct op *op) {
    struct attention_op *o = (struct attention_op *)op;
    const struct nn_attention *a = &o->a;
    struct attention call = o->call;
    int add_q, add_k, add_v;
    dev_real dq = begin(tape, a, a->q, &add_q), dk, dv;
    if (a->k == a->q)
        dk = dq, add_k = add_q;
    else
        dk = begin(tape, a, a->k, &add_k);
    if (a->v == a->k)
        dv = dk, add_v = add_k;
    else if (a->v == a->q)
        dv = dq, add_v = add_q;
    else
        dv = begin(tape, a, a->v, &add_v);
    if (add_v && !add_k) clear(tape, a->k, dk);
    if (add_k && !add_v) clear(tape, a->v, dv);
    if (a->k == a->q && (add_k || add_v)) add_q = 1; /* the clearing was of the queries' gradient, too */
    if (a->v == a->q && (add_k || add_v)) add_q = 1;
    struct attention_gradients g = {.out = o->y->value,
                                    .dout = tape_grad(tape, o->y),
                                    .dq = moved(dq, a->q_column),
                                    .dk = moved(dk, a->k_column),
                                    .dv = moved(dv, a->v_column),
                                    .add_q = add_q,
                                    .add_kv = add_k || add_v};
    if (o->sums) g.sums = o->sums->value, g.dsums = tape_grad(tape, o->sums);
    if (a->bias) g.dbias = tape_grad(tape, a->bias);
    if (a->dots) g.ddots = tape_grad(tape, a->dots);
    RUN(tape)->attention_backward(tape->device, &call, &g);
}

struct var *nn_attention(struct tape *tape, const struct nn_attention *a, struct var **sums) {
    const struct attention *s = &a->shape;
    int64_t rows = s->queries.n_rows, n_types = s->types.n_types > 0 ? s->types.n_types : 1;
    struct var *y = tape_var(tape, rows, s->heads * s->head_dim, a->q, a->k, a->v, a->bias, a->dots), *weights = NULL;
    if (sums) *sums = weights = tape_var(tape, rows, s->heads * n_types, a->q, a->k, a->v, a->bias, a->dots);
    dev_real stats = {NULL};
    if (y->needs_grad) stats = tape_scratch(tape, rows * s->heads * 2);
    if (tape->failed) return y;
    struct attention call = attention_call(a);
    call.stats = stats;
    if (tape->evaluating) call.dropout.rate = 0;
    RUN(tape)->attention(tape->device, &call, y->value, weights ? weights->value : (dev_real){NULL});
    struct attention_op *o = tape_record(tape, sizeof *o, attention_backward, y);
    if (!o) return y;
    o->a = *a, o->call = call, o->y = y, o->sums = weights;
    tape_save(a->q);
    tape_save(a->k);
    tape_save(a->v);
    tape_save(y);
    if (a->bias) tape_save(a->bias);
    if (a->dots) tape_save(a->dots);
    if (weights) tape_save(weights);
    return y;
}
