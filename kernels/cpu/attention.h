/* What the files of the CPU's attention share: attention.c cuts a call into heads of segments; attention_columns.c and
 * attention_blocks.c compute those. */
#ifndef MEDTOK_KERNELS_CPU_ATTENTION_H
#define MEDTOK_KERNELS_CPU_ATTENTION_H

#include "cpu/cpu.h"
#include "cpu/dropout_cpu.h"

enum {
    QUERY_TILE = 24, /* where vectors run along the queries: that many at once, three vectors */
    ROW_BLOCK = 32   /* rows of scores at once, otherwise */
};

/* Values of a head's keys up to which vectors run along the queries: each tile reads all keys, from the second cache. */
enum { MOST_BY_COLUMNS = 1 << 16 };

/* One segment, and of its keys and values those of one kv head. Rows of q, out and their gradients are numbered within the
 * segment; out and dout have rows of heads * dim values. */
struct attention_segment {
    const struct attention *a;
    int64_t n_queries, n_keys, heads, dim;
    int64_t first_query, first_key;
    const real *q, *key, *value; /* key and value: of the kv head */
    int64_t ld_key;              /* of key and value */
    real scale;
    const real *factor;  /* dropout, [query][head][key]; NULL: none, or row by row: */
    real *factor_of_row; /* room for a row's; NULL: none */
    int32_t drop_key;
    /* forward */
    real *out, *sums;
    /* backward; NULL where not wanted */
    const real *dout, *dsums;
    real *dq, *dkey, *dvalue, *ddots;
    int64_t ld_dkey;
    int add_q;
    double *dbias; /* [heads, n_types], of these segments */
    real *work;    /* scratch */
};

/* The types of sums: 1 where pairs have none. */
static inline int64_t attention_types(const struct attention *a) { return a->types.n_types > 0 ? a->types.n_types : 1; }

/* How many keys query row t sees. */
static inline int64_t visible_keys(const struct attention_segment *s, int64_t t) {
    int64_t n = s->a->causal ? s->n_keys - s->n_queries + t + 1 : s->n_keys;
    return n < 0 ? 0 : n;
}

/* Of query row t: the largest logit, and the sum of the exponentials of the others' distances to it. */
static inline real *attention_stats(const struct attention_segment *s, int64_t t, int64_t h) {
    return s->a->stats.at ? s->a->stats.at + ((s->first_query + t) * s->heads + h) * 2 : NULL;
}

static inline int drops(const struct attention_segment *s) { return s->factor || s->factor_of_row; }

/* Dropout's factors of the keys of a row; NULL: none. Valid until the next call. */
const real *attention_factors(const struct attention_segment *s, int64_t t, int64_t h);

/* Several queries, nothing but keys and values. Scratch in values, for n_keys keys. */
int64_t columns_scratch(int64_t n_queries, int64_t n_keys, int64_t dim, int backward);
void columns_forward(const struct attention_segment *s, int64_t h);
void columns_backward(const struct attention_segment *s, int64_t h);

/* All others: the heads first .. first + count - 1, which share the kv head. */
int64_t blocks_scratch(int64_t n_keys, int64_t dim, int backward);
void blocks_forward(const struct attention_segment *s, int64_t first, int64_t count);
void blocks_backward(const struct attention_segment *s, int64_t first, int64_t count);

#endif
