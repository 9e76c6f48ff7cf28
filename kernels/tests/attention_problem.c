/* See attention_problem.h. */
#include "attention_problem.h"

#include <stdlib.h>
#include <string.h>

#include "dropout.h"
#include "support.h"

#ifdef MEDTOK_REAL_DOUBLE
enum { LONG = 100, LONGER = 100 }; /* the differences of the double build check the same code, in fewer keys */
#else
enum { LONG = 600, LONGER = 2100 };
#endif

const struct attention_shape ATTENTION_SHAPES[] = {
    {"nothing", 0, 3, 3, 2, 2, 4, ALONE, 0, 0, 0, 0, 0, 0},
    {"no keys", 2, 3, 0, 2, 2, 8, ALONE, 0, 0, 0, 0, 0, 0},
    {"one of each", 1, 1, 1, 1, 1, 1, ALONE, 0, 0, 0, 0, 0, 0},
    {"narrow", 4, 6, 5, 2, 2, 4, ALONE, 0, 0, 0, 0, 0, 0},
    {"narrow, odd", 5, 11, 9, 3, 3, 5, ALONE, 0, 1, 0, 0, 0, 0},
    {"narrow, grouped", 3, 20, 9, 4, 2, 16, FUSED, 0, 0, 0, 0, 0, 0},
    {"narrow, shared", 3, 9, 7, 3, 1, 8, SHARED, 0, 0, 0, 0, 0, 0},
    {"narrow, tiles of queries", 2, 300, 21, 2, 2, 8, ALONE, 0, 0, 0, 0, 0, 0},
    {"narrow, long", 1, LONG, LONG, 4, 4, 4, ALONE, 0, 0, 0, 0, 0, 0},
    {"wide", 4, 6, 9, 2, 2, 32, ALONE, 0, 0, 0, 0, 0, 0},
    {"wide, odd", 4, 7, 19, 2, 2, 27, ALONE, 0, 1, 0, 0, 0, 0},
    {"wide, few queries", 5, 3, 40, 2, 2, 24, ALONE, 0, 0, 0, 0, 0, 0},
    {"wide, many rows", 2, 40, 530, 2, 1, 24, ALONE, 0, 0, 0, 0, 0, 0},
    {"wide, long", 1, LONG, LONG, 3, 3, 20, FUSED, 1, 0, 0, 0, 0, 0},
    {"wide, more keys than a cache holds", 1, 17, LONGER, 1, 1, 32, ALONE, 0, 0, 0, 0, 0, 0},
    {"wider than a row of threads", 2, 3, 9, 1, 1, 300, ALONE, 0, 0, 0, 0, 0, 0},
    {"one query", 5, 0, 12, 4, 1, 16, SHARED, 0, 0, 0, 0, 0, 1},
    {"one query, odd", 4, 0, 33, 3, 1, 33, SHARED, 0, 0, 0, 0, 0, 1},
    {"one query, no sums", 3, 0, 9, 2, 1, 5, SHARED, 0, 0, 0, 0, 0, 0},
    {"one query, a cache", 3, 0, 50, 8, 2, 16, ALONE, 1, 1, 0, 0, 0, 0},
    {"causal", 3, 9, 9, 2, 2, 8, FUSED, 1, 0, 0, 0, 0, 0},
    {"causal, unlike lengths", 6, 7, 12, 4, 2, 6, ALONE, 1, 1, 0, 0, 0, 1},
    {"causal, rows", 2, 90, 100, 2, 2, 16, ALONE, 1, 0, 0, 0, 0, 0},
    {"edges", 7, 0, 6, 2, 2, 8, ALONE, 0, 0, 1, 0, 0, 0},
    {"edges of kinds", 7, 0, 9, 4, 4, 5, ALONE, 0, 0, 1, 3, BIAS, 1},
    {"pages", 3, 6, 20, 4, 2, 16, ALONE, 1, 1, 1, 0, 0, 0},
    {"shared edges", 3, 5, 9, 4, 2, 8, SHARED, 0, 0, 1, 0, 0, 1},
    {"types", 3, 7, 8, 2, 2, 8, ALONE, 0, 0, 0, 3, BIAS, 1},
    {"types, no sums", 3, 7, 8, 2, 2, 16, FUSED, 0, 0, 0, 5, BIAS, 0},
    {"types of queries", 3, 7, 8, 2, 2, 9, ALONE, 0, 0, 0, 7, DOTS, 1},
    {"types of queries, few", 4, 2, 9, 4, 2, 8, FUSED, 1, 0, 0, 3, DOTS, 0},
    {"types of queries, long", 1, 40, 530, 2, 2, 24, ALONE, 0, 0, 0, 4, DOTS, 1},
    {"types, no bias", 1, 20, 515, 2, 2, 17, ALONE, 1, 0, 0, 2, 0, 1},
    {"all at once", 4, 20, 30, 6, 2, 10, ALONE, 1, 1, 1, 4, BIAS + DOTS, 1},
};
const int N_ATTENTION_SHAPES = sizeof ATTENTION_SHAPES / sizeof *ATTENTION_SHAPES;

enum { GAP = 2, QUERY_KINDS = 3, KEY_KINDS = 4 };

/* ---- data ---- */
static int32_t random_below(int64_t n) { return (int32_t)((uniform() + 1) / 2 * 0.999999 * (double)n); }

static dev_int random_ints(struct device *on, int64_t n, int64_t below) {
    dev_int x = device_alloc_ints(on, n);
    assert_non_null(x.at);
    for (int64_t i = 0; i < n; i++) x.at[i] = random_below(below);
    return x;
}

static dev_real random_reals(struct device *on, int64_t n) {
    dev_real x = device_alloc_reals(on, n);
    assert_non_null(x.at);
    for (int64_t i = 0; i < n; i++) x.at[i] = (real)uniform();
    return x;
}

/* The emulation of CUDA is slow, and the kernels know no difference beyond so many rows. */
enum { MOST_ON_CUDA = 140 };

static struct spans random_spans(struct device *on, int64_t n, int64_t most, int gaps) {
    if (strcmp(on->name, "cpu") != 0 && most > MOST_ON_CUDA) most = MOST_ON_CUDA;
    struct spans s = {n, 0, device_alloc_ints(on, n + 1), {NULL}};
    assert_non_null(s.first.at);
    s.end = gaps ? device_alloc_ints(on, n) : dev_int_at(s.first, 1);
    s.first.at[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        if (gaps) s.first.at[i] = (int32_t)s.n_rows + GAP;
        s.end.at[i] = s.first.at[i] + (i == 0 ? (int32_t)most : random_below(most + 1));
        s.n_rows = s.end.at[i];
    }
    return s;
}

/* q, k, v, and how far their rows lie apart. */
static void make_rows(struct attention_problem *p, const struct attention_shape *shape, int64_t key_rows) {
    struct attention *a = &p->a;
    int64_t q = a->heads * a->head_dim, kv = a->kv_heads * a->head_dim, rows = a->queries.n_rows;
    if (p->fused) {
        a->ld_q = a->ld_kv = q + 2 * kv;
        a->q = random_reals(p->on, (rows > key_rows ? rows : key_rows) * a->ld_q);
        a->k = dev_real_at(a->q, q);
        a->v = dev_real_at(a->k, kv);
    } else {
        a->ld_q = q + a->head_dim % 4; /* where quads are possible, they stay so */
        a->ld_kv = kv + (a->head_dim % 4 ? 3 : 4);
        a->q = random_reals(p->on, rows * a->ld_q);
        a->k = random_reals(p->on, key_rows * a->ld_kv);
        a->v = shape->layout == SHARED ? a->k : random_reals(p->on, key_rows * a->ld_kv);
    }
    p->n_q = rows * a->ld_q;
    p->n_kv = key_rows * a->ld_kv;
}

struct attention_problem attention_problem(struct device *on, const struct attention_shape *shape, double rate) {
    struct attention_problem p = {.what = shape->what, .on = on, .fused = shape->layout == FUSED};
    struct attention *a = &p.a;
    *a = (struct attention){.heads = shape->heads,
                            .kv_heads = shape->kv_heads,
                            .head_dim = shape->head_dim,
                            .scale = 1.3 / sqrt((double)shape->head_dim),
                            .causal = shape->causal,
                            .dropout = {rate, 3, 8, 1}};
    a->queries = shape->most_queries ? random_spans(on, shape->n, shape->most_queries, shape->gaps)
                                     : spans_of_single_rows(shape->n);
    a->keys = random_spans(on, shape->n, shape->most_keys, shape->gaps);
    a->drop_keys = random_ints(on, shape->n, 1 << 30);
    int64_t key_rows = a->keys.n_rows, rows = a->queries.n_rows;
    if (shape->indexed) key_rows = key_rows / 2 + 1, a->key_index = random_ints(on, a->keys.n_rows, key_rows);
    make_rows(&p, shape, key_rows);
    p.n_types = shape->n_types ? shape->n_types : 1;
    if (shape->n_types) {
        a->types = (struct pair_types){.n_types = shape->n_types, .n_kinds = KEY_KINDS};
        a->types.kind_of_query = random_ints(on, rows, QUERY_KINDS);
        a->types.kind_of_key = random_ints(on, a->keys.n_rows, KEY_KINDS);
        a->types.type = random_ints(on, QUERY_KINDS * KEY_KINDS, shape->n_types);
    }
    if (shape->with_bias & BIAS) {
        p.n_bias = a->heads * shape->n_types;
        a->types.bias = random_reals(on, p.n_bias);
    }
    if (shape->with_bias & DOTS) {
        p.n_dots = rows * a->heads * shape->n_types;
        a->types.dots = random_reals(on, p.n_dots);
    }
    p.n_out = rows * a->heads * a->head_dim;
    p.n_sums = shape->with_sums ? rows * a->heads * p.n_types : 0;
    a->stats = random_reals(on, rows * a->heads * 2);
    p.out = random_reals(on, p.n_out + p.n_sums);
    p.dout = random_reals(on, p.n_out + p.n_sums);
    if (shape->with_sums) p.sums = dev_real_at(p.out, p.n_out), p.dsums = dev_real_at(p.dout, p.n_out);
    return p;
}

void free_problem(struct attention_problem *p) {
    struct attention *a = &p->a;
    if (a->queries.end.at && a->queries.end.at != a->queries.first.at + 1) device_free_ints(p->on, a->queries.end);
    if (a->keys.end.at != a->keys.first.at + 1) device_free_ints(p->on, a->keys.end);
    const dev_int all[] = {a->queries.first, a->keys.first,        a->drop_keys,          a->key_index,
                           a->types.type,    a->types.kind_of_key, a->types.kind_of_query};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) device_free_ints(p->on, all[i]);
    if (!p->fused && a->v.at != a->k.at) device_free_reals(p->on, a->v);
    if (!p->fused) device_free_reals(p->on, a->k);
    const dev_real reals[] = {a->q, a->types.bias, a->types.dots, a->stats, p->out, p->dout};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) device_free_reals(p->on, reals[i]);
}

/* ---- runs ---- */
static void ended(const struct attention_problem *p) {
    device_synchronize(p->on);
    if (device_error(p->on)) fail_msg("%s: %s", p->what, device_error(p->on));
}

void run_attention(void *problem) {
    struct attention_problem *p = problem;
    p->on->run->attention(p->on, &p->a, p->out, p->sums);
    ended(p);
}

struct attention_gradients new_gradients(const struct attention_problem *p, int add, int zero) {
    struct attention_gradients g = {.out = p->out, .sums = p->sums, .dout = p->dout, .dsums = p->dsums};
    g.dq = random_reals(p->on, p->n_q);
    g.dk = random_reals(p->on, p->n_kv);
    g.dv = p->a.v.at == p->a.k.at ? g.dk : random_reals(p->on, p->n_kv);
    if (p->n_bias > 0) g.dbias = random_reals(p->on, p->n_bias);
    if (p->n_dots > 0) g.ddots = random_reals(p->on, p->n_dots);
    g.add_q = g.add_kv = add;
    for (int64_t e = 0; zero && e < p->n_q; e++) g.dq.at[e] = 0;
    for (int64_t e = 0; zero && e < p->n_kv; e++) g.dk.at[e] = g.dv.at[e] = 0;
    for (int64_t e = 0; zero && e < p->n_bias; e++) g.dbias.at[e] = 0;
    for (int64_t e = 0; zero && e < p->n_dots; e++) g.ddots.at[e] = 0;
    return g;
}

void free_gradients(const struct attention_problem *p, struct attention_gradients *g) {
    if (g->dv.at != g->dk.at) device_free_reals(p->on, g->dv);
    device_free_reals(p->on, g->dq);
    device_free_reals(p->on, g->dk);
    device_free_reals(p->on, g->dbias);
    device_free_reals(p->on, g->ddots);
}

void run_attention_backward(const struct attention_problem *p, const struct attention_gradients *g) {
    p->on->run->attention_backward(p->on, &p->a, g);
    ended(p);
}

/* ---- in plain loops ---- */
static void *zeros_of(int64_t n, size_t size) {
    void *x = calloc((size_t)n + 1, size);
    assert_non_null(x);
    return x;
}

/* Of one query row and head: where its keys lie, and what is found on the way. */
struct reference_row {
    const struct attention_problem *p;
    int64_t segment, t, head; /* t: of the segment */
    int64_t row, n_keys, n_seen;
    int64_t *key, *type;           /* values before the key in k and v; types */
    double *prob, *factor, *slope; /* slope: the gradient of prob */
};

static void find_keys(struct reference_row *r, int64_t n_queries, int64_t first_key) {
    const struct attention *a = &r->p->a;
    int64_t n = a->causal ? r->n_keys - n_queries + r->t + 1 : r->n_keys;
    r->n_seen = n < 0 ? 0 : n;
    for (int64_t j = 0; j < r->n_seen; j++) {
        int64_t at = first_key + j, row = a->key_index.at ? a->key_index.at[at] : at;
        uint64_t element = (uint64_t)((r->t * a->heads + r->head) * r->n_keys + j);
        r->key[j] = row * a->ld_kv + r->head / (a->heads / a->kv_heads) * a->head_dim;
        r->type[j] =
            a->types.n_types
                ? a->types.type.at[a->types.kind_of_query.at[r->row] * a->types.n_kinds + a->types.kind_of_key.at[at]]
                : 0;
        r->factor[j] = 1;
        if (a->dropout.rate > 0)
            r->factor[j] =
                dropout_keeps(a->dropout, (uint64_t)a->drop_keys.at[r->segment], element) / (1 - a->dropout.rate);
    }
}

static void reference_forward(struct reference_row *r, struct attention_wanted *w) {
    const struct attention *a = &r->p->a;
    const real *q = a->q.at + r->row * a->ld_q + r->head * a->head_dim;
    int64_t at = r->row * a->heads + r->head;
    double most = -INFINITY, total = 0;
    for (int64_t j = 0; j < r->n_seen; j++) {
        double dot = 0;
        for (int64_t c = 0; c < a->head_dim; c++) dot += (double)q[c] * (double)a->k.at[r->key[j] + c];
        if (a->types.dots.at) dot += (double)a->types.dots.at[at * r->p->n_types + r->type[j]];
        r->prob[j] = (double)(real)a->scale * dot;
        if (a->types.bias.at) r->prob[j] += (double)a->types.bias.at[r->head * r->p->n_types + r->type[j]];
        if (r->prob[j] > most) most = r->prob[j];
    }
    for (int64_t j = 0; j < r->n_seen; j++) total += r->prob[j] = exp(r->prob[j] - most);
    w->most[at] = most;
    w->total[at] = total;
    for (int64_t j = 0; j < r->n_seen; j++) {
        double weight = (r->prob[j] /= total) * r->factor[j];
        w->sums[at * r->p->n_types + r->type[j]] += weight;
        for (int64_t c = 0; c < a->head_dim; c++)
            w->out[at * a->head_dim + c] += weight * (double)a->v.at[r->key[j] + c];
    }
}

static void reference_backward(struct reference_row *r, struct attention_wanted *w) {
    const struct attention *a = &r->p->a;
    int64_t at = r->row * a->heads + r->head, q = r->row * a->ld_q + r->head * a->head_dim;
    const real *dout = r->p->dout.at + at * a->head_dim;
    double mean = 0, *dv = w->dv ? w->dv : w->dk;
    for (int64_t c = 0; c < a->head_dim; c++) w->q_used[q + c] = 1;
    for (int64_t j = 0; j < r->n_seen; j++) {
        r->slope[j] = r->p->dsums.at ? (double)r->p->dsums.at[at * r->p->n_types + r->type[j]] : 0;
        for (int64_t c = 0; c < a->head_dim; c++) r->slope[j] += (double)dout[c] * (double)a->v.at[r->key[j] + c];
        mean += r->prob[j] * (r->slope[j] *= r->factor[j]);
    }
    for (int64_t j = 0; j < r->n_seen; j++) {
        double dlogit = r->prob[j] * (r->slope[j] - mean);
        if (w->dbias) w->dbias[r->head * r->p->n_types + r->type[j]] += dlogit;
        if (w->ddots) w->ddots[at * r->p->n_types + r->type[j]] += (double)(real)a->scale * dlogit;
        for (int64_t c = 0; c < a->head_dim; c++) {
            w->dq[q + c] += (double)(real)a->scale * dlogit * (double)a->k.at[r->key[j] + c];
            w->dk[r->key[j] + c] += (double)(real)a->scale * dlogit * (double)a->q.at[q + c];
            dv[r->key[j] + c] += r->prob[j] * r->factor[j] * (double)dout[c];
        }
    }
}

static void mark_keys(const struct attention *a, int64_t first, int64_t end, char *used) {
    for (int64_t k = first; k < end; k++)
        for (int64_t c = 0; c < a->kv_heads * a->head_dim; c++)
            used[(a->key_index.at ? a->key_index.at[k] : k) * a->ld_kv + c] = 1;
}

struct attention_wanted attention_reference(const struct attention_problem *p) {
    const struct attention *a = &p->a;
    int64_t rows = a->queries.n_rows, heads = a->heads, n = a->keys.n_rows;
    struct attention_wanted w = {zeros_of(p->n_out, 8),
                                 zeros_of(rows * heads * p->n_types, 8),
                                 zeros_of(rows * heads, 8),
                                 zeros_of(rows * heads, 8),
                                 zeros_of(p->n_q, 8),
                                 zeros_of(p->n_kv, 8),
                                 a->v.at == a->k.at ? NULL : zeros_of(p->n_kv, 8),
                                 p->n_bias ? zeros_of(p->n_bias, 8) : NULL,
                                 p->n_dots ? zeros_of(p->n_dots, 8) : NULL,
                                 zeros_of(rows, 1),
                                 zeros_of(p->n_q, 1),
                                 zeros_of(p->n_kv, 1)};
    struct reference_row r = {.p = p,
                              .key = zeros_of(n, 8),
                              .type = zeros_of(n, 8),
                              .prob = zeros_of(n, 8),
                              .factor = zeros_of(n, 8),
                              .slope = zeros_of(n, 8)};
    for (r.segment = 0; r.segment < a->queries.n; r.segment++) {
        int64_t i = r.segment, first = a->queries.first.at ? a->queries.first.at[i] : i;
        int64_t n_queries = a->queries.first.at ? a->queries.end.at[i] - first : 1;
        r.n_keys = a->keys.end.at[i] - a->keys.first.at[i];
        mark_keys(a, a->keys.first.at[i], a->keys.end.at[i], w.kv_used);
        for (r.t = 0; r.t < n_queries; r.t++)
            for (r.head = 0; r.head < heads; r.head++) {
                r.row = first + r.t;
                w.row_used[r.row] = 1;
                find_keys(&r, n_queries, a->keys.first.at[i]);
                reference_forward(&r, &w);
                reference_backward(&r, &w);
            }
    }
    free(r.key), free(r.type), free(r.prob), free(r.factor), free(r.slope);
    return w;
}

void free_wanted(struct attention_wanted *w) {
    void *const all[] = {w->out, w->sums,  w->most,  w->total,    w->dq,     w->dk,
                         w->dv,  w->dbias, w->ddots, w->row_used, w->q_used, w->kv_used};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}
