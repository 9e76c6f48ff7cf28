/* Attention as MedTok and BERT have it. What each option does (types of pairs, key indices, gaps, frozen inputs) is in
 * kernels/tests/test_attention.c. */
#include <math.h>
#include <stdlib.h>

#include "cases/families.h"
#include "dropout.h"

typedef long long ll;

/* ---- in plain loops ---- */
/* An attention as it lies on the host. */
struct attending {
    struct attention a;
    const int32_t *queries, *keys; /* offsets of the segments; queries NULL: segment i is row i alone */
    const int32_t *drop_keys;
    const double *q, *k, *v; /* k and v: [., ld_kv] */
};

/* The query row t of segment i, which has n_keys keys from first_key on and sees n_seen of them. */
struct asking_row {
    int64_t i, row, t, n_keys, n_seen, first_key;
};

/* Of one head: out[head_dim], and the sum of the weights. */
static double attend_row(const struct attending *g, const struct asking_row *r, int64_t h, double *p, double *out) {
    const struct attention *a = &g->a;
    const double *q = g->q + r->row * a->ld_q + h * a->head_dim;
    int64_t column = h * a->kv_heads / a->heads * a->head_dim;
    double most = -INFINITY, total = 0, sum = 0;
    for (int64_t j = 0; j < r->n_seen; j++) {
        p[j] = 0;
        for (int64_t c = 0; c < a->head_dim; c++)
            p[j] += a->scale * q[c] * g->k[(r->first_key + j) * a->ld_kv + column + c];
        most = p[j] > most ? p[j] : most;
    }
    for (int64_t j = 0; j < r->n_seen; j++) total += p[j] = exp(p[j] - most);
    for (int64_t c = 0; c < a->head_dim; c++) out[c] = 0;
    for (int64_t j = 0; j < r->n_seen; j++) {
        uint64_t element = (uint64_t)((r->t * a->heads + h) * r->n_keys + j);
        double weight = p[j] / total;
        if (a->dropout.rate > 0)
            weight *= dropout_keeps(a->dropout, (uint64_t)g->drop_keys[r->i], element) ? 1 / (1 - a->dropout.rate) : 0;
        for (int64_t c = 0; c < a->head_dim; c++) out[c] += weight * g->v[(r->first_key + j) * a->ld_kv + column + c];
        sum += weight;
    }
    return sum;
}

/* out [rows, heads head_dim], sums [rows, heads] (may be NULL) */
static void attend(const struct attending *g, double *out, double *sums) {
    int64_t heads = g->a.heads;
    double *p = malloc((size_t)(g->a.keys.n_rows + 1) * sizeof *p);
    if (!p) abort();
    for (int64_t i = 0; i < g->a.queries.n; i++) {
        int64_t first = g->queries ? g->queries[i] : i, n = g->queries ? g->queries[i + 1] - first : 1;
        struct asking_row r = {.i = i, .n_keys = g->keys[i + 1] - g->keys[i], .first_key = g->keys[i]};
        for (r.t = 0; r.t < n; r.t++) {
            r.row = first + r.t;
            r.n_seen = g->a.causal ? r.n_keys - n + r.t + 1 : r.n_keys;
            for (int64_t h = 0; h < heads; h++) {
                double sum = attend_row(g, &r, h, p, out + (r.row * heads + h) * g->a.head_dim);
                if (sums) sums[r.row * heads + h] = sum;
            }
        }
    }
    free(p);
}

/* ---- nodes ask the tokens of their code. Sizes: codes, mean nodes, mean tokens, heads, dim; kv_heads (0: as heads); causal;
 *      certain: nothing is dropped. The statistics are checked through the gradients: of rows without keys they are not said. */
static const int64_t ASKED[][CASE_SIZES] = {{0, 3, 4, 2, 8},          {1, 1, 1, 1, 1},        {4, 3, 5, 2, 8},
                                            {4, 3, 5, 2, 8, 0, 0, 1}, {5, 4, 3, 3, 15},       {3, 9, 6, 2, 64},
                                            {3, 5, 8, 4, 64, 2},      {3, 8, 9, 4, 20, 2, 1}, {3, 8, 9, 2, 48, 1, 1}};

struct asking {
    struct call_segments nodes, tokens;
    int64_t heads, dim, n_pairs; /* pairs of a node and a token of the same code */
};

static struct dropout dropped(int64_t percent) {
    return (struct dropout){.rate = (double)percent / 100, .seed = 1, .stream = 2, .step = 3};
}

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

/* A row has key and value side by side. */
static struct attending graph_asks(struct call *c, const struct asking *s, struct operand *q, struct operand *kv) {
    int64_t rows = s->nodes.rows.n_rows, tokens = s->tokens.rows.n_rows, heads = s->heads, dim = s->dim;
    int64_t kv_heads = c->size[5] ? c->size[5] : heads, width = kv_heads * (dim / heads);
    struct operand keys = call_keys(c, s->nodes.rows.n);
    *q = call_in(c, rows * dim, NUMBERS);
    *kv = call_in(c, tokens * 2 * width, NUMBERS);
    call_shape(c, "%lld nodes to %lld tokens, %lld heads x %lld", (ll)rows, (ll)tokens, (ll)heads, (ll)(dim / heads));
    return (struct attending){.a = {.queries = spans_of(s->nodes.rows),
                                    .keys = spans_of(s->tokens.rows),
                                    .heads = heads,
                                    .kv_heads = kv_heads,
                                    .head_dim = dim / heads,
                                    .ld_q = dim,
                                    .ld_kv = 2 * width,
                                    .scale = 1 / sqrt((double)(dim / heads)),
                                    .causal = c->size[6] != 0,
                                    .q = q->real,
                                    .k = kv->real,
                                    .v = dev_real_at(kv->real, width),
                                    .drop_keys = keys.ints,
                                    .dropout = dropped(c->size[7] ? 0 : 10),
                                    .n_pairs = s->n_pairs},
                              .queries = s->nodes.offsets,
                              .keys = s->tokens.offsets,
                              .drop_keys = keys.host_ints,
                              .q = q->host,
                              .k = kv->host,
                              .v = kv->host ? kv->host + width : NULL};
}

static void attention(struct call *c) {
    struct operand q, kv;
    struct asking s = asking(c);
    struct attending g = graph_asks(c, &s, &q, &kv);
    struct operand stats = call_out(c, c->measured ? s.nodes.rows.n_rows * s.heads * 2 : 0),
                   out = call_out(c, s.nodes.rows.n_rows * s.dim);
    if (c->measured) g.a.stats = stats.real;
    CALL(c, attention, &g.a, out.real, (dev_real){NULL});
    REFERENCE(c) attend(&g, out.host, NULL);
}

static void attention_backward(struct call *c) {
    struct operand q, kv;
    struct asking s = asking(c);
    struct attending g = graph_asks(c, &s, &q, &kv);
    int64_t rows = s.nodes.rows.n_rows;
    struct operand stats = call_made(c, rows * s.heads * 2), out = call_made(c, rows * s.dim);
    struct operand dout = call_cotangent(c, out), dq = call_gradient(c, q, 0), dkv = call_gradient(c, kv, 0);
    struct attention_gradients to = {
        .out = out.real, .dout = dout.real, .dq = dq.real, .dk = dkv.real, .dv = dev_real_at(dkv.real, g.a.ld_kv / 2)};
    g.a.stats = stats.real;
    PREPARE(c, attention, &g.a, out.real, (dev_real){NULL});
    CALL(c, attention_backward, &g.a, &to);
    REFERENCE(c) attend(&g, out.host, NULL);
}

/* ---- BERT's: each token asks those of its text; no gradient follows. Sizes: texts, mean tokens, heads, dim ---- */
static const int64_t ASKED_THEMSELVES[][CASE_SIZES] = {{0, 3, 2, 8}, {1, 1, 1, 1}, {5, 4, 3, 24}, {3, 13, 2, 64}};

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
    REFERENCE(c) {
        struct attending g = {a, texts.offsets, texts.offsets, NULL, q.host, kv.host, kv.host + dim};
        attend(&g, out.host, NULL);
    }
}

static void texts_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = step->tokens;
    size[2] = step->text_dim % 64 ? step->text_dim / 32 : step->text_dim / 64;
    size[3] = step->text_dim;
}

/* ---- a code's text asks its nodes, which are key and value of all heads. Sizes as above; those of tokens do not count ---- */
static const int64_t ASKED_TOGETHER[][CASE_SIZES] = {
    {0, 3, 1, 2, 8}, {1, 1, 1, 1, 1}, {5, 4, 1, 3, 9}, {4, 6, 1, 4, 64}, {3, 12, 1, 2, 48}};

static struct attending text_asks(struct call *c, const struct asking *s, struct operand *q, struct operand *x) {
    int64_t n = s->nodes.rows.n, rows = s->nodes.rows.n_rows, dim = s->dim;
    struct operand keys = call_keys(c, n);
    *q = call_in(c, n * s->heads * dim, NUMBERS);
    *x = call_in(c, rows * dim, NUMBERS);
    call_shape(c, "%lld codes to %lld nodes, %lld heads x %lld", (ll)n, (ll)rows, (ll)s->heads, (ll)dim);
    return (struct attending){.a = {.queries = spans_of_single_rows(n),
                                    .keys = spans_of(s->nodes.rows),
                                    .heads = s->heads,
                                    .kv_heads = 1,
                                    .head_dim = dim,
                                    .ld_q = s->heads * dim,
                                    .ld_kv = dim,
                                    .scale = 1 / sqrt((double)dim),
                                    .q = q->real,
                                    .k = x->real,
                                    .v = x->real,
                                    .drop_keys = keys.ints,
                                    .dropout = dropped(10)},
                              .keys = s->nodes.offsets,
                              .drop_keys = keys.host_ints,
                              .q = q->host,
                              .k = x->host,
                              .v = x->host};
}

static void attention_shared(struct call *c) {
    struct operand q, x;
    struct asking s = asking(c);
    struct attending g = text_asks(c, &s, &q, &x);
    int64_t queries = s.nodes.rows.n * s.heads;
    struct operand stats = call_out(c, c->measured ? queries * 2 : 0), out = call_out(c, queries * s.dim),
                   sums = call_out(c, queries);
    if (c->measured) g.a.stats = stats.real;
    CALL(c, attention, &g.a, out.real, sums.real);
    REFERENCE(c) attend(&g, out.host, sums.host);
}

static void attention_backward_shared(struct call *c) {
    struct operand q, x;
    struct asking s = asking(c);
    struct attending g = text_asks(c, &s, &q, &x);
    int64_t queries = s.nodes.rows.n * s.heads;
    struct operand stats = call_made(c, queries * 2), out = call_made(c, queries * s.dim), sums = call_made(c, queries);
    struct operand dout = call_cotangent(c, out), dsums = call_cotangent(c, sums);
    struct operand dq = call_gradient(c, q, 0), dx = call_gradient(c, x, 1);
    struct attention_gradients to = {out.real, sums.real, dout.real, dsums.real, dq.real, dx.real,
                                     dx.real,  {NULL},    {NULL},    0,          1};
    g.a.stats = stats.real;
    PREPARE(c, attention, &g.a, out.real, sums.real);
    CALL(c, attention_backward, &g.a, &to);
    REFERENCE(c) attend(&g, out.host, sums.host);
}

const struct kernel_case ATTENTION_CASES[] = {
    {"attention", attention, SHAPES(ASKED), asking_of_a_step},
    {"attention.self", attention_self, SHAPES(ASKED_THEMSELVES), texts_of_a_step},
    {"attention_backward", attention_backward, SHAPES(ASKED), asking_of_a_step},
    {"attention.shared", attention_shared, SHAPES(ASKED_TOGETHER), asking_of_a_step},
    {"attention_backward.shared", attention_backward_shared, SHAPES(ASKED_TOGETHER), asking_of_a_step},
};
END_OF_FAMILY(ATTENTION_CASES);
