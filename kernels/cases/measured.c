/* Cases that are only measured; the tests of these primitives are kernels/tests/test_attention.c and its like. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

static const struct dropout DROPPED = {.rate = 0.1, .seed = 1, .stream = 2, .step = 3};

static int64_t matrix(struct call *c) {
    call_shape(c, "%lld x %lld", (ll)c->size[0], (ll)c->size[1]);
    return c->size[0] * c->size[1];
}

/* ---- attention. Sizes: codes, mean nodes, mean tokens, heads, dim ---- */
struct asking {
    struct call_segments nodes, tokens;
    struct attention_pairs pairs;
    int64_t heads, dim;
};

static struct asking asking(struct call *c) {
    const int64_t *s = c->size;
    struct asking a = {.nodes = call_segments(c, s[0], s[1], GRAPH_LENGTHS), .heads = s[3], .dim = s[4]};
    a.tokens = call_segments(c, s[0], s[2], TEXT_LENGTHS);
    struct operand pairs = call_ints(c, s[0] + 1);
    LAY_OUT(c)
    for (int64_t i = 0; i < s[0]; i++)
        pairs.host_ints[i + 1] = pairs.host_ints[i] + (a.nodes.offsets[i + 1] - a.nodes.offsets[i]) *
                                                          (a.tokens.offsets[i + 1] - a.tokens.offsets[i]);
    a.pairs = (struct attention_pairs){pairs.host_ints[s[0]], pairs.ints};
    return a;
}

static void asking_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = step->nodes;
    size[2] = step->tokens;
    size[3] = step->heads;
    size[4] = step->dim;
}

static void graph_asks(struct call *c, const struct asking *a) {
    call_shape(c, "%lld nodes to %lld tokens, %lld heads x %lld", (ll)a->nodes.rows.n_rows, (ll)a->tokens.rows.n_rows,
               (ll)a->heads, (ll)(a->dim / a->heads));
}

static void attention(struct call *c) {
    struct asking a = asking(c);
    struct operand keys = call_keys(c, a.nodes.rows.n), q = call_in(c, a.nodes.rows.n_rows * a.dim, NUMBERS);
    struct operand kv = call_in(c, a.tokens.rows.n_rows * 2 * a.dim, NUMBERS), probs = call_out(c, a.heads * a.pairs.n);
    struct operand out = call_out(c, a.nodes.rows.n_rows * a.dim);
    graph_asks(c, &a);
    CALL(c, attention, a.nodes.rows, a.tokens.rows, a.pairs, a.heads, a.dim, keys.ints, DROPPED, q.real, kv.real,
         probs.real, out.real);
}

static void attention_backward(struct call *c) {
    struct asking a = asking(c);
    int64_t rows = a.nodes.rows.n_rows, tokens = a.tokens.rows.n_rows;
    struct operand keys = call_keys(c, a.nodes.rows.n), q = call_in(c, rows * a.dim, NUMBERS);
    struct operand kv = call_in(c, tokens * 2 * a.dim, NUMBERS), probs = call_in(c, a.heads * a.pairs.n, POSITIVE);
    struct operand dout = call_in(c, rows * a.dim, NUMBERS), dq = call_out(c, rows * a.dim);
    struct operand dkv = call_out(c, tokens * 2 * a.dim);
    graph_asks(c, &a);
    CALL(c, attention_backward, a.nodes.rows, a.tokens.rows, a.pairs, a.heads, a.dim, keys.ints, DROPPED, q.real,
         kv.real, probs.real, dout.real, dq.real, dkv.real, 0);
}

/* BERT's: each token asks those of its text; no gradient follows. Sizes: texts, mean tokens, heads, dim. */
static void attention_self(struct call *c) {
    int64_t heads = c->size[2], dim = c->size[3];
    struct call_segments texts = call_segments(c, c->size[0], c->size[1], TEXT_LENGTHS);
    int64_t rows = texts.rows.n_rows;
    struct operand keys = call_keys(c, texts.rows.n), n_pairs = call_ints(c, 1), q = call_in(c, rows * dim, NUMBERS);
    struct operand kv = call_in(c, rows * 2 * dim, NUMBERS), out = call_out(c, rows * dim);
    LAY_OUT(c)
    for (int64_t i = 0; i < texts.rows.n; i++) {
        int32_t n = texts.offsets[i + 1] - texts.offsets[i];
        n_pairs.host_ints[0] += n * n;
    }
    struct attention_pairs pairs = {.n = n_pairs.host_ints[0]};
    call_shape(c, "%lld tokens to their texts, %lld heads x %lld", (ll)rows, (ll)heads, (ll)(dim / heads));
    CALL(c, attention, texts.rows, texts.rows, pairs, heads, dim, keys.ints, (struct dropout){0}, q.real, kv.real,
         (dev_real){NULL}, out.real);
}

static void texts_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = step->tokens;
    size[2] = step->text_dim % 64 ? step->text_dim / 32 : step->text_dim / 64;
    size[3] = step->text_dim;
}

static void text_asks(struct call *c, const struct asking *a) {
    call_shape(c, "%lld codes to %lld nodes, %lld heads x %lld", (ll)a->nodes.rows.n, (ll)a->nodes.rows.n_rows,
               (ll)a->heads, (ll)a->dim);
}

static void shared_attention(struct call *c) {
    struct asking a = asking(c);
    int64_t queries = a.nodes.rows.n * a.heads, rows = a.nodes.rows.n_rows;
    struct operand keys = call_keys(c, a.nodes.rows.n), q = call_in(c, queries * a.dim, NUMBERS);
    struct operand x = call_in(c, rows * a.dim, NUMBERS), probs = call_out(c, a.heads * rows);
    struct operand out = call_out(c, queries * a.dim), sums = call_out(c, queries);
    text_asks(c, &a);
    CALL(c, shared_attention, a.nodes.rows, a.heads, a.dim, 1 / sqrt((double)a.dim), keys.ints, DROPPED, q.real, x.real,
         probs.real, out.real, sums.real);
}

static void shared_attention_backward(struct call *c) {
    struct asking a = asking(c);
    int64_t queries = a.nodes.rows.n * a.heads, rows = a.nodes.rows.n_rows;
    struct operand keys = call_keys(c, a.nodes.rows.n), q = call_in(c, queries * a.dim, NUMBERS);
    struct operand x = call_in(c, rows * a.dim, NUMBERS), probs = call_in(c, a.heads * rows, POSITIVE);
    struct operand dout = call_in(c, queries * a.dim, NUMBERS), dsums = call_in(c, queries, NUMBERS);
    struct operand dq = call_inout(c, queries * a.dim, NUMBERS), dx = call_inout(c, rows * a.dim, NUMBERS);
    text_asks(c, &a);
    CALL(c, shared_attention_backward, a.nodes.rows, a.heads, a.dim, 1 / sqrt((double)a.dim), keys.ints, DROPPED,
         q.real, x.real, probs.real, dout.real, dsums.real, dq.real, dx.real);
}

/* ---- a frozen transformer. Sizes: rows, columns ---- */
static void tokens_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_tokens;
    size[1] = step->text_dim;
}

static void embed_tokens(struct call *c) {
    int64_t n = c->size[0], cols = c->size[1];
    struct operand words = call_in(c, WORD_PIECES * cols, NUMBERS), places = call_in(c, TEXT_POSITIONS * cols, NUMBERS);
    struct operand id = call_indices(c, n, 0, WORD_PIECES, WORDS),
                   place = call_indices(c, n, 0, TEXT_POSITIONS, POSITIONS);
    struct operand y = call_out(c, matrix(c));
    CALL(c, embed_tokens, n, cols, words.real, id.ints, places.real, place.ints, y.real);
}

/* ---- the contrastive loss. Sizes: rows and columns, dim ---- */
static void nce(struct call *c) {
    int64_t n = c->size[0], dim = c->size[1];
    struct operand classes = call_keys(c, n), a = call_in_rows(c, n, dim, UNIT_ROWS),
                   b = call_in_rows(c, n, dim, UNIT_ROWS);
    struct operand loss = call_inout(c, 1, NUMBERS), da = call_inout(c, n * dim, NUMBERS),
                   db = call_inout(c, n * dim, NUMBERS);
    call_shape(c, "%lld to %lld x %lld", (ll)n, (ll)n, (ll)dim);
    CALL(c, nce, n, n, dim, 0, 0.07, 1e-3, classes.ints, classes.ints, a.real, b.real, loss.real, da.real, db.real);
}

static void codes_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = 2 * step->dim;
}

const struct kernel_case MEASURED_CASES[] = {
    {"attention", attention, NO_SHAPES, asking_of_a_step},
    {"attention.self", attention_self, NO_SHAPES, texts_of_a_step},
    {"attention_backward", attention_backward, NO_SHAPES, asking_of_a_step},
    {"shared_attention", shared_attention, NO_SHAPES, asking_of_a_step},
    {"shared_attention_backward", shared_attention_backward, NO_SHAPES, asking_of_a_step},
    {"embed_tokens", embed_tokens, NO_SHAPES, tokens_of_a_step},
    {"nce", nce, NO_SHAPES, codes_of_a_step},
};
END_OF_FAMILY(MEASURED_CASES);
