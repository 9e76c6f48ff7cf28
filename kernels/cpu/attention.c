/* Attention: cuts a call into units of work, one for each thread at a time, which attention_columns.c and attention_blocks.c
 * compute: a few segments, or of long ones one kv head. The cut does not depend on the number of threads, nor does any result. */
#include "cpu/attention.h"

#include <omp.h>

#include "cpu/tiles.h"

enum {
    LONG_SEGMENT =
        1 << 20,      /* probabilities: from there on threads share the kv heads, and dropout is drawn row by row */
    MOST_BLOCKS = 256 /* into which the segments are divided */
};

const real *attention_factors(const struct attention_segment *s, int64_t t, int64_t h) {
    int64_t first = (t * s->heads + h) * s->n_keys, chunk = first / DROPOUT_CHUNK;
    if (s->factor) return s->factor + first;
    for (int64_t c = chunk; c * DROPOUT_CHUNK < first + s->n_keys; c++)
        cpu_dropout_factors(s->a->dropout, (uint64_t)(uint32_t)s->drop_key, c,
                            s->factor_of_row + (c - chunk) * DROPOUT_CHUNK);
    return s->factor_of_row + first % DROPOUT_CHUNK;
}

/* ---- the plan of a call ---- */
struct attention_call {
    const struct attention *a;
    const struct attention_gradients *g; /* NULL: forward */
    dev_real out, sums;                  /* forward */
    int64_t block, n_blocks, parts;      /* segments of a unit; units are n_blocks x parts of the kv heads */
    int by_row;                          /* dropout */
    struct {
        int64_t factors, gathered, work, all; /* values of a thread; gathered: of one of key, value, dkey, dvalue */
    } scratch;
    real *scratch_base;
    double *dbias; /* [n_blocks, heads, n_types] */
};

static int64_t first_row(const struct spans *s, int64_t i) { return s->first.at ? s->first.at[i] : i; }
static int64_t n_rows(const struct spans *s, int64_t i) {
    return s->first.at ? (int64_t)s->end.at[i] - s->first.at[i] : 1;
}

/* Where queries stand for vectors: see attention_columns.c, which knows no types, no sums and no query that sees no key. */
static int by_columns(const struct attention_call *c, int64_t n_queries, int64_t n_keys) {
    return n_queries >= TOGETHER && n_keys > 0 && (!c->a->causal || n_keys >= n_queries) &&
           n_keys * c->a->head_dim <= MOST_BY_COLUMNS && c->a->types.n_types == 0 && !c->sums.at &&
           !(c->g && c->g->dsums.at);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* The units and their scratch; 0 (error recorded) if memory is out. */
static int plan_call(struct device *device, struct attention_call *c) {
    const struct attention *a = c->a;
    int64_t n = a->queries.n, most_probs = 0, most_keys = 0, work = 0, backward = c->g != NULL;
    for (int64_t i = 0; i < n; i++) {
        int64_t q = n_rows(&a->queries, i), k = n_rows(&a->keys, i);
        most_probs = larger(most_probs, q * k * a->heads);
        most_keys = larger(most_keys, k);
        work = larger(work, by_columns(c, q, k) ? columns_scratch(q, k, a->head_dim, (int)backward)
                                                : blocks_scratch(k, a->head_dim, (int)backward));
    }
    c->by_row = most_probs > LONG_SEGMENT;
    c->parts = c->by_row ? a->kv_heads : 1;
    c->block = (n + MOST_BLOCKS - 1) / MOST_BLOCKS;
    if (backward && a->key_index.at) { /* segments add to the same rows, each kv head to its own columns of them */
        c->block = n;
        c->parts = a->kv_heads;
        c->by_row = 1;
    }
    if (n > 0) c->n_blocks = (n + c->block - 1) / c->block;
    if (a->dropout.rate > 0)
        c->scratch.factors = dropout_room(c->by_row ? most_keys : most_probs) + (c->by_row ? DROPOUT_CHUNK : 0);
    if (a->key_index.at) c->scratch.gathered = whole(most_keys * a->head_dim, COLUMNS);
    c->scratch.work = whole(work, COLUMNS);
    c->scratch.all = c->scratch.factors + (backward ? 4 : 2) * c->scratch.gathered + c->scratch.work;
    int64_t n_dbias = c->g && c->g->dbias.at ? c->n_blocks * a->heads * a->types.n_types : 0;
    int64_t doubles = whole(n_dbias, COLUMNS) * (int64_t)(sizeof(double) / sizeof(real));
    real *scratch = cpu_scratch(device, doubles + cpu_threads(device) * c->scratch.all);
    if (!scratch) return 0;
    if (n_dbias > 0) c->dbias = memset(scratch, 0, (size_t)n_dbias * sizeof *c->dbias);
    c->scratch_base = scratch + doubles;
    return 1;
}

/* ---- a kv head of a segment ---- */
/* to[n, dim] = rows of x by index, or with `back` those rows += to */
static void move_rows(const int32_t *index, int64_t n, int64_t dim, real *x, int64_t ld, real *to, int back) {
    for (int64_t k = 0; k < n; k++) {
        real *row = x + index[k] * ld;
        if (!back)
            memcpy(to + k * dim, row, (size_t)dim * sizeof *to);
        else
            for (int64_t c = 0; c < dim; c++) row[c] += to[k * dim + c];
    }
}

static void clear_rows(real *x, int64_t rows, int64_t ld, int64_t dim) {
    for (int64_t r = 0; r < rows; r++) memset(x + r * ld, 0, (size_t)dim * sizeof *x);
}

static real *moved(dev_real x, int64_t n) { return x.at ? x.at + n : NULL; }

/* Keys and values, and their gradients, of the kv head: where they lie, or gathered to `room`. */
static void take_kv_head(const struct attention_call *c, struct attention_segment *s, int64_t kv_head, real *room) {
    const struct attention *a = c->a;
    int64_t size = s->n_keys * s->dim, begin = kv_head * s->dim;
    const int32_t *index = a->key_index.at ? a->key_index.at + s->first_key : NULL;
    if (!index) begin += s->first_key * a->ld_kv;
    s->key = a->k.at + begin;
    s->value = a->v.at == a->k.at ? s->key : a->v.at + begin;
    s->ld_key = s->ld_dkey = a->ld_kv;
    if (c->g) {
        s->dkey = moved(c->g->dk, begin);
        s->dvalue = moved(c->g->dv, begin);
        if (!index && !c->g->add_kv && s->dkey) clear_rows(s->dkey, s->n_keys, s->ld_dkey, s->dim);
        if (!index && !c->g->add_kv && s->dvalue) clear_rows(s->dvalue, s->n_keys, s->ld_dkey, s->dim);
    }
    if (!index) return;
    int shared = s->value == s->key;
    move_rows(index, s->n_keys, s->dim, a->k.at + begin, a->ld_kv, room, 0);
    s->key = s->value = room;
    if (!shared) s->value = room += size, move_rows(index, s->n_keys, s->dim, a->v.at + begin, a->ld_kv, room, 0);
    s->ld_key = s->ld_dkey = s->dim;
    if (s->dkey) s->dkey = memset(room += size, 0, (size_t)size * sizeof *room);
    if (s->dvalue && c->g->dv.at == c->g->dk.at)
        s->dvalue = s->dkey;
    else if (s->dvalue)
        s->dvalue = memset(room + size, 0, (size_t)size * sizeof *room);
}

/* What was gathered goes back. */
static void give_kv_head(const struct attention_call *c, const struct attention_segment *s, int64_t kv_head) {
    const struct attention *a = c->a;
    if (!c->g || !a->key_index.at) return;
    const int32_t *index = a->key_index.at + s->first_key;
    int64_t begin = kv_head * s->dim;
    if (s->dkey) move_rows(index, s->n_keys, s->dim, c->g->dk.at + begin, a->ld_kv, s->dkey, 1);
    if (s->dvalue && s->dvalue != s->dkey)
        move_rows(index, s->n_keys, s->dim, c->g->dv.at + begin, a->ld_kv, s->dvalue, 1);
}

static void run_kv_head(const struct attention_call *c, struct attention_segment *s, int64_t kv_head, real *room) {
    int64_t group = s->heads / c->a->kv_heads, first = kv_head * group;
    take_kv_head(c, s, kv_head, room);
    if (!by_columns(c, s->n_queries, s->n_keys)) {
        if (c->g)
            blocks_backward(s, first, group);
        else
            blocks_forward(s, first, group);
    } else
        for (int64_t h = first; h < first + group; h++) {
            if (c->g)
                columns_backward(s, h);
            else
                columns_forward(s, h);
        }
    give_kv_head(c, s, kv_head);
}

/* ---- segments ---- */
static struct attention_segment make_segment(const struct attention_call *c, int64_t i, real *scratch) {
    const struct attention *a = c->a;
    int64_t q = first_row(&a->queries, i), width = a->heads * a->head_dim, n_types = attention_types(a);
    struct attention_segment s = {.a = a,
                                  .n_queries = n_rows(&a->queries, i),
                                  .n_keys = n_rows(&a->keys, i),
                                  .heads = a->heads,
                                  .dim = a->head_dim,
                                  .first_query = q,
                                  .first_key = first_row(&a->keys, i),
                                  .q = a->q.at + q * a->ld_q,
                                  .scale = (real)a->scale,
                                  .work = scratch + c->scratch.all - c->scratch.work};
    if (c->g) {
        s.dout = c->g->dout.at + q * width;
        s.dsums = moved(c->g->dsums, q * a->heads * n_types);
        s.dq = moved(c->g->dq, q * a->ld_q);
        s.ddots = moved(c->g->ddots, q * a->heads * n_types);
        s.add_q = c->g->add_q;
    } else {
        s.out = c->out.at + q * width;
        s.sums = moved(c->sums, q * a->heads * n_types);
    }
    if (a->dropout.rate == 0) return s;
    s.drop_key = a->drop_keys.at[i];
    s.factor_of_row = scratch;
    if (c->by_row) return s;
    cpu_dropout_segment(a->dropout, s.drop_key, s.n_queries * s.n_keys * s.heads, scratch);
    s.factor = scratch;
    return s;
}

static void run_unit(const struct attention_call *c, int64_t unit) {
    const struct attention *a = c->a;
    real *scratch = c->scratch_base + omp_get_thread_num() * c->scratch.all;
    int64_t block = unit / c->parts, heads = a->kv_heads / c->parts, first = unit % c->parts * heads;
    int64_t end = (block + 1) * c->block < a->queries.n ? (block + 1) * c->block : a->queries.n;
    for (int64_t i = block * c->block; i < end; i++) {
        struct attention_segment s = make_segment(c, i, scratch);
        if (c->dbias) s.dbias = c->dbias + block * a->heads * a->types.n_types;
        for (int64_t h = first; h < first + heads; h++) run_kv_head(c, &s, h, scratch + c->scratch.factors);
    }
}

static void run_call(struct device *device, struct attention_call *c) {
    if (device->error[0] || !plan_call(device, c)) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 1)
    for (int64_t unit = 0; unit < c->n_blocks * c->parts; unit++) run_unit(c, unit);
}

void cpu_attention(struct device *device, const struct attention *attention, dev_real out, dev_real sums) {
    struct attention_call c = {.a = attention, .out = out, .sums = sums};
    run_call(device, &c);
}

void cpu_attention_backward(struct device *device, const struct attention *attention,
                            const struct attention_gradients *gradients) {
    struct attention_call c = {.a = attention, .g = gradients};
    run_call(device, &c);
    int64_t size = attention->heads * attention->types.n_types;
    for (int64_t e = 0; c.dbias && e < size; e++) {
        double sum = 0;
        for (int64_t b = 0; b < c.n_blocks; b++) sum += c.dbias[b * size + e];
        gradients->dbias.at[e] += (real)sum;
    }
}
