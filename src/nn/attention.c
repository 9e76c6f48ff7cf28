/* Attention over ragged rows. */
#include "nn/layer.h"

struct attention_op {
    struct op op;
    struct var *q, *kv, *y;
    struct segments queries, keys;
    struct attention_pairs pairs;
    dev_real probs;
    int64_t heads;
    struct dropout dropout;
};

static void attention_backward(struct tape *tape, struct op *op) {
    struct attention_op *a = (struct attention_op *)op;
    int adds_q, adds_kv;
    dev_real dq = tape_grad_begin(tape, a->q, &adds_q), dkv = tape_grad_begin(tape, a->kv, &adds_kv);
    int accumulate = adds_q || adds_kv; /* then both begin as zero */
    if (!a->q->needs_grad) dq = tape_scratch(tape, a->q->rows * a->q->cols);
    if (!a->kv->needs_grad) dkv = tape_scratch(tape, a->kv->rows * a->kv->cols);
    if (accumulate && !adds_q) RUN(tape)->fill(tape->device, a->q->rows * a->q->cols, 0, dq);
    if (accumulate && !adds_kv) RUN(tape)->fill(tape->device, a->kv->rows * a->kv->cols, 0, dkv);
    RUN(tape)->attention_backward(tape->device, a->queries.rows, a->keys.rows, a->pairs, a->heads, a->q->cols,
                                  a->queries.keys, a->dropout, a->q->value, a->kv->value, a->probs,
                                  tape_grad(tape, a->y), dq, dkv, accumulate);
}

struct var *nn_attention(struct tape *tape, struct var *q, struct segments queries, struct var *kv,
                         struct segments keys, struct attention_pairs pairs, int64_t heads, struct dropout dropout) {
    struct var *y = tape_var(tape, q->rows, q->cols, q, kv);
    dev_real probs = tape_scratch(tape, pairs.n * heads);
    if (tape->failed) return y;
    if (tape->evaluating) dropout.rate = 0;
    RUN(tape)->attention(tape->device, queries.rows, keys.rows, pairs, heads, q->cols, queries.keys, dropout, q->value,
                         kv->value, probs, y->value);
    struct attention_op *a = tape_record(tape, sizeof *a, attention_backward, y);
    if (!a) return y;
    a->q = q, a->kv = kv, a->y = y, a->queries = queries, a->keys = keys;
    a->pairs = pairs, a->probs = probs, a->heads = heads, a->dropout = dropout;
    tape_save(q);
    tape_save(kv);
    return y;
}

/* ---- of one query row, keys and values shared by the heads ---- */
struct shared_attention_op {
    struct op op;
    struct var *q, *x, *y, *sums;
    struct segments keys;
    dev_real probs;
    int64_t heads;
    double scale;
    struct dropout dropout;
};

static void shared_attention_backward(struct tape *tape, struct op *op) {
    struct shared_attention_op *a = (struct shared_attention_op *)op;
    RUN(tape)->shared_attention_backward(tape->device, a->keys.rows, a->heads, a->x->cols, a->scale, a->keys.keys,
                                         a->dropout, a->q->value, a->x->value, a->probs, tape_grad(tape, a->y),
                                         tape_grad(tape, a->sums), tape_grad_or_scratch(tape, a->q),
                                         tape_grad_or_scratch(tape, a->x));
}

struct var *nn_shared_attention(struct tape *tape, struct var *q, struct var *x, struct segments keys, int64_t heads,
                                double scale, struct dropout dropout, struct var **sums) {
    struct var *y = tape_var(tape, q->rows, q->cols, q, x);
    dev_real probs = tape_scratch(tape, keys.rows.n_rows * heads);
    *sums = tape_var(tape, q->rows, heads, q, x);
    if (tape->failed) return y;
    if (tape->evaluating) dropout.rate = 0;
    RUN(tape)->shared_attention(tape->device, keys.rows, heads, x->cols, scale, keys.keys, dropout, q->value, x->value,
                                probs, y->value, (*sums)->value);
    struct shared_attention_op *a = tape_record(tape, sizeof *a, shared_attention_backward, y);
    if (!a) return y;
    a->q = q, a->x = x, a->y = y, a->sums = *sums, a->keys = keys, a->probs = probs;
    a->heads = heads, a->scale = scale, a->dropout = dropout;
    tape_save(q);
    tape_save(x);
    return y;
}
