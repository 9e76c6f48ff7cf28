/* Cases that are only measured; the tests of these primitives are kernels/tests/test_attention.c and its like. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

static const struct dropout DROPPED = {.rate = 0.1, .seed = 1, .stream = 2, .step = 3};

/* ---- attention. Sizes: codes, mean nodes, mean tokens, heads, dim ---- */
struct asking {
    struct call_segments nodes, tokens;
    int64_t heads, dim, n_pairs; /* pairs of a node and a token of the same code */
};

static struct asking asking(struct call *c) {
    const int64_t *s = c->size;
    struct asking a = {.nodes = call_segments(c, s[0], s[1], GRAPH_LENGTHS), .heads = s[3], .dim = s[4]};
    a.tokens = call_segments(c, s[0], s[2], TEXT_LENGTHS);
    struct operand n_pairs = call_ints(c, 1);
    LAY_OUT(c)
    for (int64_t i = 0; i < s[0]; i++)
        n_pairs.host_ints[0] +=
            (a.nodes.offsets[i + 1] - a.nodes.offsets[i]) * (a.tokens.offsets[i + 1] - a.tokens.offsets[i]);
    a.n_pairs = n_pairs.host_ints[0];
    return a;
}

static void asking_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = step->nodes;
    size[2] = step->tokens;
    size[3] = step->heads;
    size[4] = step->dim;
}

/* Nodes ask the tokens of their code; a row has key and value side by side. */
static struct attention graph_asks(struct call *c, const struct asking *s) {
    int64_t rows = s->nodes.rows.n_rows, tokens = s->tokens.rows.n_rows, heads = s->heads, dim = s->dim;
    struct operand keys = call_keys(c, s->nodes.rows.n), q = call_in(c, rows * dim, NUMBERS);
    struct operand kv = call_in(c, tokens * 2 * dim, NUMBERS);
    call_shape(c, "%lld nodes to %lld tokens, %lld heads x %lld", (ll)rows, (ll)tokens, (ll)heads, (ll)(dim / heads));
    return (struct attention){.queries = spans_of(s->nodes.rows),
                              .keys = spans_of(s->tokens.rows),
                              .heads = heads,
                              .kv_heads = heads,
                              .head_dim = dim / heads,
                              .ld_q = dim,
                              .ld_kv = 2 * dim,
                              .scale = 1 / sqrt((double)(dim / heads)),
                              .q = q.real,
                              .k = kv.real,
                              .v = dev_real_at(kv.real, dim),
                              .drop_keys = keys.ints,
                              .dropout = DROPPED,
                              .n_pairs = s->n_pairs};
}

static void attention(struct call *c) {
    struct asking s = asking(c);
    struct attention a = graph_asks(c, &s);
    struct operand stats = call_out(c, s.nodes.rows.n_rows * s.heads * 2),
                   out = call_out(c, s.nodes.rows.n_rows * s.dim);
    a.stats = stats.real;
    CALL(c, attention, &a, out.real, (dev_real){NULL});
}

static void attention_backward(struct call *c) {
    struct asking s = asking(c);
    struct attention a = graph_asks(c, &s);
    int64_t rows = s.nodes.rows.n_rows, tokens = s.tokens.rows.n_rows;
    struct operand stats = call_in(c, rows * s.heads * 2, POSITIVE), out = call_in(c, rows * s.dim, NUMBERS);
    struct operand dout = call_in(c, rows * s.dim, NUMBERS), dq = call_out(c, rows * s.dim);
    struct operand dkv = call_out(c, tokens * 2 * s.dim);
    struct attention_gradients g = {
        .out = out.real, .dout = dout.real, .dq = dq.real, .dk = dkv.real, .dv = dev_real_at(dkv.real, s.dim)};
    a.stats = stats.real;
    CALL(c, attention_backward, &a, &g);
}

/* BERT's: each token asks those of its text; no gradient follows. Sizes: texts, mean tokens, heads, dim. */
static void attention_self(struct call *c) {
    int64_t heads = c->size[2], dim = c->size[3];
    struct call_segments texts = call_segments(c, c->size[0], c->size[1], TEXT_LENGTHS);
    int64_t rows = texts.rows.n_rows;
    struct operand n_pairs = call_ints(c, 1), q = call_in(c, rows * dim, NUMBERS);
    struct operand kv = call_in(c, rows * 2 * dim, NUMBERS), out = call_out(c, rows * dim);
    LAY_OUT(c)
    for (int64_t i = 0; i < texts.rows.n; i++) {
        int32_t n = texts.offsets[i + 1] - texts.offsets[i];
        n_pairs.host_ints[0] += n * n;
    }
    struct attention a = {
        .queries = spans_of(texts.rows), .keys = spans_of(texts.rows), .heads = heads, .kv_heads = heads};
    a.head_dim = dim / heads, a.ld_q = dim, a.ld_kv = 2 * dim, a.scale = 1 / sqrt((double)a.head_dim);
    a.q = q.real, a.k = kv.real, a.v = dev_real_at(kv.real, dim), a.n_pairs = n_pairs.host_ints[0];
    call_shape(c, "%lld tokens to their texts, %lld heads x %lld", (ll)rows, (ll)heads, (ll)(dim / heads));
    CALL(c, attention, &a, out.real, (dev_real){NULL});
}

static void texts_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = step->tokens;
    size[2] = step->text_dim % 64 ? step->text_dim / 32 : step->text_dim / 64;
    size[3] = step->text_dim;
}

/* A code's text asks its nodes, which are key and value of all heads. */
static struct attention text_asks(struct call *c, const struct asking *s) {
    int64_t n = s->nodes.rows.n, rows = s->nodes.rows.n_rows, dim = s->dim;
    struct operand keys = call_keys(c, n), q = call_in(c, n * s->heads * dim, NUMBERS),
                   x = call_in(c, rows * dim, NUMBERS);
    call_shape(c, "%lld codes to %lld nodes, %lld heads x %lld", (ll)n, (ll)rows, (ll)s->heads, (ll)dim);
    return (struct attention){.queries = spans_of_single_rows(n),
                              .keys = spans_of(s->nodes.rows),
                              .heads = s->heads,
                              .kv_heads = 1,
                              .head_dim = dim,
                              .ld_q = s->heads * dim,
                              .ld_kv = dim,
                              .scale = 1 / sqrt((double)dim),
                              .q = q.real,
                              .k = x.real,
                              .v = x.real,
                              .drop_keys = keys.ints,
                              .dropout = DROPPED};
}

static void attention_shared(struct call *c) {
    struct asking s = asking(c);
    struct attention a = text_asks(c, &s);
    int64_t queries = s.nodes.rows.n * s.heads;
    struct operand stats = call_out(c, queries * 2), out = call_out(c, queries * s.dim), sums = call_out(c, queries);
    a.stats = stats.real;
    CALL(c, attention, &a, out.real, sums.real);
}

static void attention_backward_shared(struct call *c) {
    struct asking s = asking(c);
    struct attention a = text_asks(c, &s);
    int64_t queries = s.nodes.rows.n * s.heads;
    struct operand stats = call_in(c, queries * 2, POSITIVE), out = call_in(c, queries * s.dim, NUMBERS);
    struct operand sums = call_in(c, queries, NUMBERS), dout = call_in(c, queries * s.dim, NUMBERS);
    struct operand dsums = call_in(c, queries, NUMBERS), dq = call_out(c, queries * s.dim);
    struct operand dx = call_inout(c, s.nodes.rows.n_rows * s.dim, NUMBERS);
    struct attention_gradients g = {out.real, sums.real, dout.real, dsums.real, dq.real,
                                    dx.real,  dx.real,   {NULL},    0,          1};
    a.stats = stats.real;
    CALL(c, attention_backward, &a, &g);
}

const struct kernel_case MEASURED_CASES[] = {
    {"attention", attention, NO_SHAPES, asking_of_a_step},
    {"attention.self", attention_self, NO_SHAPES, texts_of_a_step},
    {"attention_backward", attention_backward, NO_SHAPES, asking_of_a_step},
    {"attention.shared", attention_shared, NO_SHAPES, asking_of_a_step},
    {"attention_backward.shared", attention_backward_shared, NO_SHAPES, asking_of_a_step},
};
END_OF_FAMILY(MEASURED_CASES);
