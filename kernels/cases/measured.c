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

static void add_layer_norm(struct call *c) {
    int64_t n = matrix(c), cols = c->size[1];
    struct operand x = call_in(c, n, NUMBERS), residual = call_in(c, n, NUMBERS), gain = call_in(c, cols, NUMBERS);
    struct operand bias = call_in(c, cols, NUMBERS), y = call_out(c, n);
    CALL(c, add_layer_norm, c->size[0], cols, x.real, residual.real, gain.real, bias.real, 1e-12, y.real);
}

const struct kernel_case MEASURED_CASES[] = {
    {"relu", relu, NO_SHAPES, hidden_of_a_step},
    {"relu_backward", relu_backward, NO_SHAPES, hidden_of_a_step},
    {"layer_norm", layer_norm, NO_SHAPES, nodes_of_a_step},
    {"layer_norm_backward", layer_norm_backward, NO_SHAPES, nodes_of_a_step},
    {"attention", attention, NO_SHAPES, asking_of_a_step},
    {"attention.self", attention_self, NO_SHAPES, texts_of_a_step},
    {"attention_backward", attention_backward, NO_SHAPES, asking_of_a_step},
    {"shared_attention", shared_attention, NO_SHAPES, asking_of_a_step},
    {"shared_attention_backward", shared_attention_backward, NO_SHAPES, asking_of_a_step},
    {"linear", linear, NO_SHAPES, map_of_a_step},
    {"add_layer_norm", add_layer_norm, NO_SHAPES, tokens_of_a_step},
};
END_OF_FAMILY(MEASURED_CASES);
