/* Cases that are only measured; the tests of these primitives are kernels/tests/test_attention.c and its like. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

static const struct dropout DROPPED = {.rate = 0.1, .seed = 1, .stream = 2, .step = 3};

/* ---- activation and norm of a batch's nodes. Sizes: rows, columns ---- */
static int64_t matrix(struct call *c) {
    call_shape(c, "%lld x %lld", (ll)c->size[0], (ll)c->size[1]);
    return c->size[0] * c->size[1];
}

static void hidden_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes;
    size[1] = step->hidden;
}

static void nodes_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes;
    size[1] = step->dim;
}

static void relu(struct call *c) {
    int64_t n = matrix(c);
    struct operand y = call_inout(c, n, NUMBERS);
    CALL(c, relu, n, y.real);
}

static void relu_backward(struct call *c) {
    int64_t n = matrix(c);
    struct operand y = call_in(c, n, NUMBERS), dy = call_inout(c, n, NUMBERS);
    CALL(c, relu_backward, n, y.real, dy.real);
}

static void layer_norm(struct call *c) {
    int64_t n = matrix(c), rows = c->size[0], cols = c->size[1];
    struct operand x = call_in(c, n, NUMBERS), gain = call_in(c, cols, NUMBERS), bias = call_in(c, cols, NUMBERS);
    struct operand y = call_out(c, n), mean = call_out(c, rows), rstd = call_out(c, rows);
    CALL(c, layer_norm, rows, cols, x.real, gain.real, bias.real, y.real, mean.real, rstd.real);
}

static void layer_norm_backward(struct call *c) {
    int64_t n = matrix(c), rows = c->size[0], cols = c->size[1];
    struct operand x = call_in(c, n, NUMBERS), gain = call_in(c, cols, NUMBERS), mean = call_in(c, rows, NUMBERS);
    struct operand rstd = call_in(c, rows, POSITIVE), dy = call_in(c, n, NUMBERS), dx = call_out(c, n);
    struct operand dgain = call_inout(c, cols, NUMBERS), dbias = call_inout(c, cols, NUMBERS);
    CALL(c, layer_norm_backward, rows, cols, x.real, gain.real, mean.real, rstd.real, dy.real, dx.real, dgain.real,
         dbias.real, 0);
}

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

/* ---- a frozen transformer. Sizes: rows, columns; of linear, then precision ---- */
static void linear(struct call *c) {
    int64_t rows = c->size[0], in = c->size[1], out = 4 * in;
    enum precision_of_products precision = (enum precision_of_products)c->size[2];
    struct operand x = call_in(c, rows * in, NUMBERS), y = call_out(c, rows * out);
    call_shape(c, "%lld x %lld x %lld, GELU", (ll)rows, (ll)out, (ll)in);
    if (c->pass == PASS_PREPARE && !c->linear) {
        real *weight = c->device->error[0] ? NULL : device_host_alloc_reals(c->device, (in + 1) * out);
        if (!weight) return;
        for (int64_t i = 0; i < (in + 1) * out; i++) weight[i] = (real)(number_normal(WEIGHTS, i) / sqrt((double)in));
        c->linear = c->device->run->linear_pack(c->device, in, out, weight, weight + in * out, precision);
        device_host_free_reals(c->device, weight);
    }
    CALL(c, linear, c->linear, rows, x.real, ACTIVATION_GELU, y.real);
}

static void map_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_tokens < step->linear_rows ? step->batch_tokens : step->linear_rows;
    size[1] = step->text_dim;
    size[2] = step->text_precision;
}

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

static void add_layer_norm(struct call *c) {
    int64_t n = matrix(c), cols = c->size[1];
    struct operand x = call_in(c, n, NUMBERS), residual = call_in(c, n, NUMBERS), gain = call_in(c, cols, NUMBERS);
    struct operand bias = call_in(c, cols, NUMBERS), y = call_out(c, n);
    CALL(c, add_layer_norm, c->size[0], cols, x.real, residual.real, gain.real, bias.real, 1e-12, y.real);
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
    {"relu", relu, NO_SHAPES, hidden_of_a_step},
    {"relu_backward", relu_backward, NO_SHAPES, hidden_of_a_step},
    {"layer_norm", layer_norm, NO_SHAPES, nodes_of_a_step},
    {"layer_norm_backward", layer_norm_backward, NO_SHAPES, nodes_of_a_step},
    {"attention", attention, NO_SHAPES, asking_of_a_step},
    {"attention.self", attention_self, NO_SHAPES, texts_of_a_step},
    {"attention_backward", attention_backward, NO_SHAPES, asking_of_a_step},
    {"attention.shared", attention_shared, NO_SHAPES, asking_of_a_step},
    {"attention_backward.shared", attention_backward_shared, NO_SHAPES, asking_of_a_step},
    {"linear", linear, NO_SHAPES, map_of_a_step},
    {"embed_tokens", embed_tokens, NO_SHAPES, tokens_of_a_step},
    {"add_layer_norm", add_layer_norm, NO_SHAPES, tokens_of_a_step},
    {"nce", nce, NO_SHAPES, codes_of_a_step},
};
END_OF_FAMILY(MEASURED_CASES);
