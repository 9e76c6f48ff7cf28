/* Attention, by blocks of rows of scores [row][key]. A row is a query of one head, or, where queries are few and share their
 * keys, a head of one query. Three ways to multiply: BLAS for long rows; tiles of four rows in registers, over transposed
 * keys; and row by row for fewer. */
#include "cpu/attention.h"
#include "cpu/row_math.h"
#include "cpu/tiles.h"
#include "cpu/vector_math.h"

enum { BLAS_ROWS = 16, BLAS_KEYS = 512 };

enum way { BY_ROWS, BY_TILES, BY_BLAS };

/* Rows 0 .. n-1: query `query` + i * query_step of head `head` + i * head_step. */
struct row_block {
    int64_t n, query, head;
    int query_step, head_step;
};

/* What one call works with. `first_q` and `first_o` are where the block's rows begin in q and in out. */
struct block {
    const struct attention_segment *s;
    struct row_block rows;
    enum way way;
    int64_t n_keys, padded; /* keys that some row sees; values from one row of scores to the next */
    int64_t first_q, ld_q, first_out, ld_out;
    real *keys, *values;    /* transposed [dim, padded], by tiles */
    real *p, *slope, *tile; /* scores [ROW_BLOCK, padded]; [TOGETHER, COLUMNS] */
};

static int64_t padded_keys(int64_t n) { return whole(n + 1, COLUMNS); }

int64_t blocks_scratch(int64_t n_keys, int64_t dim, int backward) {
    return (backward ? 2 : 1) * (dim + ROW_BLOCK) * padded_keys(n_keys) + TOGETHER * COLUMNS;
}

/* ---- products ---- */
IN_PLACE void tile_rows(const real *x, int64_t ld, int64_t first, int64_t n, const real *rows[TOGETHER]) {
    for (int i = 0; i < TOGETHER; i++) rows[i] = x + (first + i < n ? first + i : n - 1) * ld;
}

/* p[row, key] = scale x_row . y_key; transposed: y [dim, padded]. */
IN_PLACE void scores(const struct block *b, const real *x, int64_t ldx, const real *y, const real *transposed,
                     real scale, real *p) {
    int64_t dim = b->s->dim, ldy = b->s->ld_key, padded = b->padded;
    if (b->way == BY_BLAS) {
        cpu_product(0, 1, b->rows.n, b->n_keys, dim, scale, x, ldx, y, ldy, 0, p, padded);
        return;
    }
    if (b->way == BY_ROWS) {
        for (int64_t i = 0; i < b->rows.n; i++)
            for (int64_t k = 0; k < b->n_keys; k++) p[i * padded + k] = scale * row_dot(x + i * ldx, y + k * ldy, dim);
        return;
    }
    for (int64_t i = 0; i < b->rows.n; i += TOGETHER) {
        const real *rows[TOGETHER];
        tile_rows(x, ldx, i, b->rows.n, rows);
        for (int64_t k = 0; k < b->n_keys; k += COLUMNS)
            product_tile(rows, dim, transposed + k, padded, scale, p + i * padded + k, padded);
    }
}

/* to[row, 0..n) = tile, or += */
IN_PLACE void put_tile(const real *tile, int64_t rows, int64_t n, int accumulate, real *to, int64_t ld) {
    for (int64_t i = 0; i < rows && i < TOGETHER; i++)
        for (int64_t c = 0; c < n; c++)
            to[i * ld + c] = accumulate ? to[i * ld + c] + tile[i * COLUMNS + c] : tile[i * COLUMNS + c];
}

/* out_row = sum over keys of w[row, key] y_key, or += */
IN_PLACE void gather_keys(const struct block *b, const real *w, const real *y, int accumulate, real *out, int64_t ldo) {
    int64_t dim = b->s->dim, ldy = b->s->ld_key, padded = b->padded;
    if (b->way == BY_BLAS) {
        cpu_product(0, 0, b->rows.n, dim, b->n_keys, 1, w, padded, y, ldy, accumulate ? 1 : 0, out, ldo);
        return;
    }
    if (b->way == BY_ROWS) {
        for (int64_t i = 0; i < b->rows.n; i++) {
            if (!accumulate) memset(out + i * ldo, 0, (size_t)dim * sizeof *out);
            for (int64_t k = 0; k < b->n_keys; k++) row_add(w[i * padded + k], y + k * ldy, out + i * ldo, dim);
        }
        return;
    }
    for (int64_t i = 0; i < b->rows.n; i += TOGETHER) {
        const real *rows[TOGETHER];
        tile_rows(w, padded, i, b->rows.n, rows);
        for (int64_t c = 0; c < dim; c += COLUMNS) {
            int64_t n = dim - c < COLUMNS ? dim - c : COLUMNS;
            if (n == COLUMNS)
                product_tile(rows, b->n_keys, y + c, ldy, 1, b->tile, COLUMNS);
            else
                product_edge(rows, b->n_keys, y + c, ldy, n, b->tile, COLUMNS);
            put_tile(b->tile, b->rows.n - i, n, accumulate, out + i * ldo + c, ldo);
        }
    }
}

/* y_key += sum over rows of w[row, key] x_row */
IN_PLACE void spread_rows(const struct block *b, const real *w, const real *x, int64_t ldx, real *y) {
    int64_t dim = b->s->dim, ldy = b->s->ld_dkey, padded = b->padded;
    if (b->way == BY_BLAS)
        cpu_product(1, 0, b->n_keys, dim, b->rows.n, 1, w, padded, x, ldx, 1, y, ldy);
    else if (b->way == BY_TILES)
        add_weighted_rows(w, 1, padded, b->n_keys, b->rows.n, x, ldx, dim, y, ldy);
    else
        for (int64_t i = 0; i < b->rows.n; i++)
            for (int64_t k = 0; k < b->n_keys; k++) row_add(w[i * padded + k], x + i * ldx, y + k * ldy, dim);
}

/* ---- types of pairs ---- */
/* The types of a query's pairs with the keys of each kind; NULL: there is one type. */
IN_PLACE const int32_t *types_of_row(const struct attention_segment *s, int64_t t) {
    const struct pair_types *y = &s->a->types;
    return y->n_types > 0 ? y->type.at + y->kind_of_query.at[s->first_query + t] * y->n_kinds : NULL;
}

static void add_row_bias(const struct attention_segment *s, int64_t t, int64_t h, int64_t n, real *logit) {
    const struct pair_types *y = &s->a->types;
    if (y->n_types == 0 || (!y->bias.at && !y->dots.at)) return;
    const int32_t *type = types_of_row(s, t), *kind = y->kind_of_key.at + s->first_key;
    const real *bias = y->bias.at ? y->bias.at + h * y->n_types : NULL;
    const real *dots = y->dots.at ? y->dots.at + ((s->first_query + t) * s->heads + h) * y->n_types : NULL;
    for (int64_t k = 0; bias && k < n; k++) logit[k] += bias[type[kind[k]]];
    for (int64_t k = 0; dots && k < n; k++) logit[k] += s->scale * dots[type[kind[k]]];
}

static void sum_row(const struct attention_segment *s, int64_t t, int64_t h, int64_t n, const real *p) {
    int64_t n_types = attention_types(s->a);
    real *sums = s->sums + (t * s->heads + h) * n_types;
    const int32_t *type = types_of_row(s, t), *kind = type ? s->a->types.kind_of_key.at + s->first_key : NULL;
    memset(sums, 0, (size_t)n_types * sizeof *sums);
    for (int64_t k = 0; k < n; k++) sums[type ? type[kind[k]] : 0] += p[k];
}

static void add_row_dsums(const struct attention_segment *s, int64_t t, int64_t h, int64_t n, real *slope) {
    const real *dsums = s->dsums + (t * s->heads + h) * attention_types(s->a);
    const int32_t *type = types_of_row(s, t), *kind = type ? s->a->types.kind_of_key.at + s->first_key : NULL;
    for (int64_t k = 0; k < n; k++) slope[k] += dsums[type ? type[kind[k]] : 0];
}

static void sum_row_dbias(const struct attention_segment *s, int64_t t, int64_t h, int64_t n, const real *dlogit) {
    const int32_t *type = types_of_row(s, t), *kind = s->a->types.kind_of_key.at + s->first_key;
    double *dbias = s->dbias + h * s->a->types.n_types;
    for (int64_t k = 0; k < n; k++) dbias[type[kind[k]]] += dlogit[k];
}

/* slope: scale dlogit. A row of a head is in one unit, and no other adds to its dots. */
static void sum_row_ddots(const struct attention_segment *s, int64_t t, int64_t h, int64_t n, const real *slope) {
    const int32_t *type = types_of_row(s, t), *kind = s->a->types.kind_of_key.at + s->first_key;
    real *ddots = s->ddots + (t * s->heads + h) * s->a->types.n_types;
    for (int64_t k = 0; k < n; k++) ddots[type[kind[k]]] += slope[k];
}

/* ---- rows of scores ---- */
/* A logit whose exponential is 0 beside any other: fills rows up to whole vectors. */
static const real NOTHING = (real)-1e30;

/* p[n] = softmax(p), n > 0; stats = the largest p and the sum of exp(p - largest). */
IN_PLACE void row_softmax(real *p, int64_t n, real stats[2]) {
    real most = p[0], sum = 0;
#pragma omp simd reduction(max : most)
    for (int64_t k = 0; k < n; k++) most = p[k] > most ? p[k] : most;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < n; k++) {
        p[k] = real_exp(p[k] - most);
        sum += p[k];
    }
    real scale = 1 / sum;
#pragma omp simd
    for (int64_t k = 0; k < n; k++) p[k] *= scale;
    stats[0] = most;
    stats[1] = sum;
}

/* Scaled products become probabilities times dropout's factors. */
IN_PLACE void finish_row(const struct block *b, int64_t i) {
    const struct attention_segment *s = b->s;
    int64_t t = b->rows.query + i * b->rows.query_step, h = b->rows.head + i * b->rows.head_step,
            n = visible_keys(s, t), filled = whole(n, COLUMNS);
    real *p = b->p + i * b->padded, stats[2] = {0, 0}, *kept = attention_stats(s, t, h);
    add_row_bias(s, t, h, n, p);
    for (int64_t k = n; k < filled; k++) p[k] = NOTHING;
    if (n > 0) row_softmax(p, filled, stats);
    for (int64_t k = filled; k < b->n_keys; k++) p[k] = 0;
    if (kept) kept[0] = stats[0], kept[1] = stats[1];
    const real *factor = drops(s) && n > 0 ? attention_factors(s, t, h) : NULL;
    if (factor)
#pragma omp simd
        for (int64_t k = 0; k < n; k++) p[k] *= factor[k];
    if (s->sums) sum_row(s, t, h, n, p);
}

/* dlogit_k = p_k (slope_k - sum p slope) with slope_k = f_k (dout.value_k + dsums); p becomes p f, and slope scale dlogit. */
IN_PLACE void slope_row(const struct block *b, int64_t i) {
    const struct attention_segment *s = b->s;
    int64_t t = b->rows.query + i * b->rows.query_step, h = b->rows.head + i * b->rows.head_step,
            n = visible_keys(s, t), filled = whole(n, COLUMNS);
    real *p = b->p + i * b->padded, *slope = b->slope + i * b->padded, mean = 0;
    for (int64_t k = filled; k < b->n_keys; k++) p[k] = slope[k] = 0;
    if (n == 0) return;
    const real *stats = attention_stats(s, t, h), *factor = drops(s) ? attention_factors(s, t, h) : NULL;
    real most = stats[0], part = 1 / stats[1], scale = s->scale;
    add_row_bias(s, t, h, n, p);
    if (s->dsums) add_row_dsums(s, t, h, n, slope);
    for (int64_t k = n; k < filled; k++) p[k] = NOTHING, slope[k] = 0;
    if (factor)
#pragma omp simd
        for (int64_t k = 0; k < n; k++) slope[k] *= factor[k];
#pragma omp simd reduction(+ : mean)
    for (int64_t k = 0; k < filled; k++) {
        p[k] = real_exp(p[k] - most) * part;
        mean += p[k] * slope[k];
    }
#pragma omp simd
    for (int64_t k = 0; k < filled; k++) slope[k] = p[k] * (slope[k] - mean);
    if (s->dbias) sum_row_dbias(s, t, h, n, slope);
#pragma omp simd
    for (int64_t k = 0; k < filled; k++) slope[k] *= scale;
    if (s->ddots) sum_row_ddots(s, t, h, n, slope);
    if (factor)
#pragma omp simd
        for (int64_t k = 0; k < n; k++) p[k] *= factor[k];
}

/* ---- blocks ---- */
static struct block make_block(const struct attention_segment *s, int backward, int by_heads, int64_t n_rows) {
    int64_t padded = padded_keys(s->n_keys);
    struct block b = {.s = s, .padded = padded};
    b.way = n_rows < TOGETHER ? BY_ROWS : n_rows >= BLAS_ROWS && s->n_keys >= BLAS_KEYS ? BY_BLAS : BY_TILES;
    b.rows = (struct row_block){.query_step = !by_heads, .head_step = by_heads};
    b.ld_q = by_heads ? s->dim : s->a->ld_q;
    b.ld_out = by_heads ? s->dim : s->heads * s->dim;
    b.keys = s->work;
    b.values = backward && s->value != s->key ? b.keys + s->dim * padded : b.keys;
    b.p = s->work + (backward ? 2 : 1) * s->dim * padded;
    b.slope = b.p + ROW_BLOCK * padded;
    b.tile = backward ? b.slope + ROW_BLOCK * padded : b.slope;
    return b;
}

/* Behind the last key, columns of the last one again. */
IN_PLACE void transpose_keys(const struct block *b, int backward) {
    const struct attention_segment *s = b->s;
    if (b->way != BY_TILES || s->n_keys == 0) return;
    transpose_rows(s->key, s->n_keys, s->ld_key, s->dim, b->padded, b->keys);
    if (backward && b->values != b->keys) transpose_rows(s->value, s->n_keys, s->ld_key, s->dim, b->padded, b->values);
}

IN_PLACE void set_rows(struct block *b, int64_t query, int64_t head, int64_t n) {
    const struct attention_segment *s = b->s;
    b->rows.n = n;
    b->rows.query = query;
    b->rows.head = head;
    b->n_keys = visible_keys(s, query + (n - 1) * b->rows.query_step);
    b->first_q = query * s->a->ld_q + head * s->dim;
    b->first_out = query * s->heads * s->dim + head * s->dim;
}

IN_PLACE void block_forward(const struct block *b) {
    const struct attention_segment *s = b->s;
    if (b->n_keys > 0) scores(b, s->q + b->first_q, b->ld_q, s->key, b->keys, s->scale, b->p);
    for (int64_t i = 0; i < b->rows.n; i++) finish_row(b, i);
    if (b->n_keys > 0) {
        gather_keys(b, b->p, s->value, 0, s->out + b->first_out, b->ld_out);
        return;
    }
    for (int64_t i = 0; i < b->rows.n; i++)
        memset(s->out + b->first_out + i * b->ld_out, 0, (size_t)s->dim * sizeof *s->out);
}

IN_PLACE void block_backward(const struct block *b) {
    const struct attention_segment *s = b->s;
    const real *q = s->q + b->first_q, *dout = s->dout + b->first_out;
    if (b->n_keys == 0) {
        for (int64_t i = 0; s->dq && !s->add_q && i < b->rows.n; i++)
            memset(s->dq + b->first_q + i * b->ld_q, 0, (size_t)s->dim * sizeof *s->dq);
        return;
    }
    scores(b, q, b->ld_q, s->key, b->keys, s->scale, b->p);
    scores(b, dout, b->ld_out, s->value, b->values, 1, b->slope);
    for (int64_t i = 0; i < b->rows.n; i++) slope_row(b, i);
    if (s->dvalue) spread_rows(b, b->p, dout, b->ld_out, s->dvalue);
    if (s->dkey) spread_rows(b, b->slope, q, b->ld_q, s->dkey);
    if (s->dq) gather_keys(b, b->slope, s->key, s->add_q, s->dq + b->first_q, b->ld_q);
}

/* Calls for each block of rows: queries of one head after the other, or the heads of a query. */
IN_PLACE void all_blocks(const struct attention_segment *s, int64_t first, int64_t count, int backward) {
    int by_heads = s->n_queries < TOGETHER && count > 1;
    int64_t n_outer = by_heads ? s->n_queries : count, n_rows = by_heads ? count : s->n_queries;
    struct block b = make_block(s, backward, by_heads, n_rows);
    transpose_keys(&b, backward);
    for (int64_t outer = 0; outer < n_outer; outer++)
        for (int64_t row = 0; row < n_rows; row += ROW_BLOCK) {
            int64_t n = n_rows - row < ROW_BLOCK ? n_rows - row : ROW_BLOCK;
            set_rows(&b, by_heads ? outer : row, by_heads ? first + row : first + outer, n);
            if (backward)
                block_backward(&b);
            else
                block_forward(&b);
        }
}

WIDE_VECTORS void blocks_forward(const struct attention_segment *s, int64_t first, int64_t count) {
    all_blocks(s, first, count, 0);
}

WIDE_VECTORS void blocks_backward(const struct attention_segment *s, int64_t first, int64_t count) {
    all_blocks(s, first, count, 1);
}
