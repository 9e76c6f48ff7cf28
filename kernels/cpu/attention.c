/* Attention of query segments to key segments. Threads share the segments, whose rows stay in cache. */
#include <omp.h>

#include "cpu/cpu.h"
#include "cpu/dropout_cpu.h"
#include "cpu/row_math.h"
#include "cpu/vector_math.h"

/* One segment's rows. Keys and values lie in one row of kv, 2 * dim apart from the next row. */
struct segment {
    int64_t n_queries, n_keys, heads, dim, head_dim;
    const real *q, *kv;
    real *probs;        /* [query][head][key]; NULL: not kept */
    const real *factor; /* dropout, same layout; NULL: none */
    real scale;
};

WIDE_VECTORS void row_softmax(real *p, int64_t n) {
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
}

/* A logit whose exponential is 0 beside any other. */
static const real NOTHING = (real)-1e30;

/* ---- forward, four queries at a time: the keys of a head are transposed once, so that both products run along
 * vectors of eight ---- */
enum { LANES = 8, QUERIES = 4, COLUMNS = 2 * LANES };
typedef real lanes __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias));

static int64_t padded_keys(int64_t n) { return (n + COLUMNS - 1) / COLUMNS * COLUMNS; }

/* keys[head_dim, padded] = the head's keys transposed, zero behind the last. */
static void transpose_keys(const struct segment *s, const real *key, int64_t padded, real *keys) {
    for (int64_t c = 0; c < s->head_dim; c++)
        for (int64_t k = 0; k < padded; k++) keys[c * padded + k] = k < s->n_keys ? key[k * 2 * s->dim + c] : 0;
}

/* out[i, 0..COLUMNS) (rows ldo apart) = scale * sum over c < n of x_i[c] y[c, 0..COLUMNS), for QUERIES rows x_i. */
static void product_tile(const real *const x[QUERIES], int64_t n, const real *y, int64_t ldy, real scale, real *out,
                         int64_t ldo) {
    lanes sum[QUERIES][2] = {0};
    for (int64_t c = 0; c < n; c++) {
        lanes y0 = *(const lanes *)(y + c * ldy), y1 = *(const lanes *)(y + c * ldy + LANES);
        for (int i = 0; i < QUERIES; i++) {
            sum[i][0] += x[i][c] * y0;
            sum[i][1] += x[i][c] * y1;
        }
    }
    for (int i = 0; i < QUERIES; i++)
        for (int v = 0; v < 2; v++) *(lanes *)(out + i * ldo + v * LANES) = scale * sum[i][v];
}

/* The rows first.. of one head; rows behind the last repeat it and are computed in vain. */
static void block_forward(const struct segment *s, int64_t h, int64_t first, const real *keys, real *score, real *tile,
                          real *out) {
    int64_t column = h * s->head_dim, padded = padded_keys(s->n_keys);
    const real *x[QUERIES];
    int64_t rows[QUERIES];
    for (int i = 0; i < QUERIES; i++) {
        rows[i] = first + i < s->n_queries ? first + i : s->n_queries - 1;
        x[i] = s->q + rows[i] * s->dim + column;
    }
    for (int64_t k = 0; k < padded; k += COLUMNS)
        product_tile(x, s->head_dim, keys + k, padded, s->scale, score + k, padded);
    for (int i = 0; i < QUERIES; i++) {
        int64_t at = (rows[i] * s->heads + h) * s->n_keys;
        real *p = score + i * padded;
        for (int64_t k = s->n_keys; k < padded; k++) p[k] = NOTHING;
        row_softmax(p, padded);
        if (s->probs) memcpy(s->probs + at, p, (size_t)s->n_keys * sizeof *p);
        for (int64_t k = 0; s->factor && k < s->n_keys; k++) p[k] *= s->factor[at + k];
        x[i] = p;
    }
    for (int64_t c = 0; c < s->head_dim; c += COLUMNS) {
        product_tile(x, s->n_keys, s->kv + s->dim + column + c, 2 * s->dim, 1, tile, COLUMNS);
        for (int i = 0; i < QUERIES && first + i < s->n_queries; i++)
            memcpy(out + rows[i] * s->dim + column + c, tile + i * COLUMNS, COLUMNS * sizeof *tile);
    }
}

/* Scratch: keys [head_dim, padded], scores [QUERIES, padded], tile [QUERIES, COLUMNS]. */
static void blocks_forward(const struct segment *s, real *out, real *scratch) {
    int64_t padded = padded_keys(s->n_keys);
    real *score = scratch + s->head_dim * padded, *tile = score + QUERIES * padded;
    for (int64_t h = 0; h < s->heads; h++) {
        transpose_keys(s, s->kv + h * s->head_dim, padded, scratch);
        for (int64_t first = 0; first < s->n_queries; first += QUERIES)
            block_forward(s, h, first, scratch, score, tile, out);
    }
}

/* ---- narrow heads: vectors run along the queries, so that softmax needs no sums within a vector. Queries are transposed
 * once; a head's scores and probabilities are [key][query], padded to whole vectors ---- */
enum { WIDE = 64 / sizeof(real) };
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#ifdef MEDTOK_REAL_DOUBLE
typedef int64_t places __attribute__((vector_size(LANES * sizeof(int64_t))));
#else
typedef int32_t places __attribute__((vector_size(LANES * sizeof(int32_t))));
#endif
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (places){__VA_ARGS__})
#endif
typedef real wide __attribute__((vector_size(WIDE * sizeof(real)), aligned(sizeof(real)), may_alias));

static int64_t padded_queries(int64_t n) { return (n + WIDE - 1) / WIDE * WIDE; }

/* The eight vectors of eight, transposed: pairs, then pairs of pairs, then halves. */
IN_PLACE void transpose_tile(lanes a[LANES]) {
    lanes b[LANES], c[LANES];
    for (int i = 0; i < LANES; i += 2) {
        b[i] = SHUFFLE(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        b[i + 1] = SHUFFLE(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int k = 0; k < 2; k++) {
            c[i + 2 * k] = SHUFFLE(b[i + k], b[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            c[i + 2 * k + 1] = SHUFFLE(b[i + k], b[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int i = 0; i < LANES / 2; i++) {
        a[i] = SHUFFLE(c[i], c[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        a[i + 4] = SHUFFLE(c[i], c[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* t[c, padded] = the first n columns of x[rows, ld], transposed; behind the last row it repeats. */
IN_PLACE void transpose_rows(const real *x, int64_t rows, int64_t ld, int64_t n, int64_t padded, real *t) {
    for (int64_t r = 0; r < padded; r += LANES) {
        const real *row[LANES];
        int64_t c = 0;
        for (int i = 0; i < LANES; i++) row[i] = x + (r + i < rows ? r + i : rows - 1) * ld;
        for (; c + LANES <= n; c += LANES) {
            lanes tile[LANES];
            for (int i = 0; i < LANES; i++) tile[i] = *(const lanes *)(row[i] + c);
            transpose_tile(tile);
            for (int i = 0; i < LANES; i++) *(lanes *)(t + (c + i) * padded + r) = tile[i];
        }
        for (; c < n; c++)
            for (int i = 0; i < LANES; i++) t[c * padded + r + i] = row[i][c];
    }
}

/* The first n columns of x[rows, ld] = t[c, padded] transposed, or += */
IN_PLACE void transpose_back(const real *t, int64_t rows, int64_t ld, int64_t n, int64_t padded, int accumulate,
                             real *x) {
    for (int64_t r = 0; r < rows; r += LANES) {
        int64_t count = r + LANES < rows ? LANES : rows - r, c = 0;
        for (; c + LANES <= n; c += LANES) {
            lanes tile[LANES];
            for (int i = 0; i < LANES; i++) tile[i] = *(const lanes *)(t + (c + i) * padded + r);
            transpose_tile(tile);
            for (int64_t i = 0; i < count; i++) {
                lanes *to = (lanes *)(x + (r + i) * ld + c);
                if (accumulate) tile[i] += *to;
                *to = tile[i];
            }
        }
        for (; c < n; c++)
            for (int64_t i = 0; i < count; i++) {
                real *to = x + (r + i) * ld + c, value = t[c * padded + r + i];
                *to = accumulate ? *to + value : value;
            }
    }
}

/* Rows of keys go through the registers TOGETHER at a time; behind the last the last is computed again, in vain. */
enum { TOGETHER = 4 };

/* score[k, padded] = scale * sum over c of row_k[c] t[c, padded], for n rows `ld` apart. */
IN_PLACE void rows_by_columns(const real *rows, int64_t n, int64_t ld, const real *t, int64_t depth, real scale,
                              int64_t padded, real *score) {
    for (int64_t l = 0; l < padded; l += WIDE)
        for (int64_t k = 0; k < n; k += TOGETHER) {
            const real *row[TOGETHER];
            wide sum[TOGETHER] = {{0}};
            for (int i = 0; i < TOGETHER; i++) row[i] = rows + (k + i < n ? k + i : n - 1) * ld;
            for (int64_t c = 0; c < depth; c++) {
                wide column = *(const wide *)(t + c * padded + l);
                for (int i = 0; i < TOGETHER; i++) sum[i] += row[i][c] * column;
            }
            for (int i = 0; i < TOGETHER && k + i < n; i++) *(wide *)(score + (k + i) * padded + l) = scale * sum[i];
        }
}

/* t[c, padded] = sum over k of w[k, padded] row_k[c] */
IN_PLACE void columns_of_rows(const real *rows, int64_t n, int64_t ld, const real *w, int64_t depth, int64_t padded,
                              real *t) {
    for (int64_t l = 0; l < padded; l += WIDE)
        for (int64_t c = 0; c < depth; c += TOGETHER) {
            int64_t column[TOGETHER];
            wide sum[TOGETHER] = {{0}};
            for (int i = 0; i < TOGETHER; i++) column[i] = c + i < depth ? c + i : depth - 1;
            for (int64_t k = 0; k < n; k++) {
                wide weight = *(const wide *)(w + k * padded + l);
                for (int i = 0; i < TOGETHER; i++) sum[i] += rows[k * ld + column[i]] * weight;
            }
            for (int i = 0; i < TOGETHER && c + i < depth; i++) *(wide *)(t + (c + i) * padded + l) = sum[i];
        }
}

/* Softmax over k of p[k, padded]. */
IN_PLACE void softmax_down(real *p, int64_t n, int64_t padded) {
    for (int64_t l = 0; l < padded; l += WIDE) {
        real most[WIDE], sum[WIDE] = {0};
        memcpy(most, p + l, sizeof most);
        for (int64_t k = 1; k < n; k++)
#pragma omp simd
            for (int i = 0; i < WIDE; i++) most[i] = p[k * padded + l + i] > most[i] ? p[k * padded + l + i] : most[i];
        for (int64_t k = 0; k < n; k++)
#pragma omp simd
            for (int i = 0; i < WIDE; i++) sum[i] += p[k * padded + l + i] = real_exp(p[k * padded + l + i] - most[i]);
#pragma omp simd
        for (int i = 0; i < WIDE; i++) sum[i] = 1 / sum[i];
        for (int64_t k = 0; k < n; k++)
#pragma omp simd
            for (int i = 0; i < WIDE; i++) p[k * padded + l + i] *= sum[i];
    }
}

/* Scratch of one head: transposed queries and outputs [head_dim, padded], probabilities [n_keys, padded]. */
WIDE_VECTORS static void head_forward(const struct segment *s, int64_t h, real *out, real *scratch) {
    int64_t padded = padded_queries(s->n_queries), column = h * s->head_dim, ld = 2 * s->dim;
    const real *key = s->kv + column, *value = key + s->dim;
    real *t = scratch, *p = t + s->head_dim * padded;
    transpose_rows(s->q + column, s->n_queries, s->dim, s->head_dim, padded, t);
    rows_by_columns(key, s->n_keys, ld, t, s->head_dim, s->scale, padded, p);
    softmax_down(p, s->n_keys, padded);
    for (int64_t r = 0; r < s->n_queries; r++) {
        int64_t at = (r * s->heads + h) * s->n_keys;
        for (int64_t k = 0; s->probs && k < s->n_keys; k++) s->probs[at + k] = p[k * padded + r];
        for (int64_t k = 0; s->factor && k < s->n_keys; k++) p[k * padded + r] *= s->factor[at + k];
    }
    columns_of_rows(value, s->n_keys, ld, p, s->head_dim, padded, t);
    transpose_back(t, s->n_queries, s->dim, s->head_dim, padded, 0, out + column);
}

/* y_k[c] += sum over r of w[k, r] x_r[c]: y `ldy` apart, n of them; x `ldx` apart. */
IN_PLACE void add_weighted_rows(const real *w, int64_t padded, int64_t n, int64_t rows, const real *x, int64_t ldx,
                                int64_t depth, real *y, int64_t ldy) {
    for (int64_t k = 0; k < n; k += TOGETHER) {
        const real *weight[TOGETHER];
        int64_t c = 0;
        for (int i = 0; i < TOGETHER; i++) weight[i] = w + (k + i < n ? k + i : n - 1) * padded;
        for (; c + WIDE <= depth; c += WIDE) {
            wide sum[TOGETHER] = {{0}};
            for (int64_t r = 0; r < rows; r++) {
                wide row = *(const wide *)(x + r * ldx + c);
                for (int i = 0; i < TOGETHER; i++) sum[i] += weight[i][r] * row;
            }
            for (int i = 0; i < TOGETHER && k + i < n; i++) *(wide *)(y + (k + i) * ldy + c) += sum[i];
        }
        for (; c < depth; c++)
            for (int i = 0; i < TOGETHER && k + i < n; i++)
                for (int64_t r = 0; r < rows; r++) y[(k + i) * ldy + c] += weight[i][r] * x[r * ldx + c];
    }
}

/* With p the probabilities, f dropout's factors, g the output's gradient: slope = f g.value, ds = scale p (slope - sum p slope).
 * Scratch: as forward, and three more [n_keys, padded]. */
WIDE_VECTORS static void head_backward(const struct segment *s, int64_t h, const real *dout, real *dq, real *dkv,
                                       real *scratch) {
    int64_t padded = padded_queries(s->n_queries), column = h * s->head_dim, ld = 2 * s->dim, n = s->n_keys;
    const real *key = s->kv + column, *value = key + s->dim;
    real *t = scratch, *p = t + s->head_dim * padded, *kept = p + n * padded, *slope = kept + n * padded;
    memset(p, 0, (size_t)(2 * n * padded) * sizeof *p);
    for (int64_t r = 0; r < s->n_queries; r++) {
        int64_t at = (r * s->heads + h) * n;
        for (int64_t k = 0; k < n; k++) {
            p[k * padded + r] = s->probs[at + k];
            kept[k * padded + r] = s->factor ? s->factor[at + k] : 1;
        }
    }
    transpose_rows(dout + column, s->n_queries, s->dim, s->head_dim, padded, t);
    rows_by_columns(value, n, ld, t, s->head_dim, 1, padded, slope);
    for (int64_t l = 0; l < padded; l += WIDE) {
        wide mean = {0};
        for (int64_t k = 0; k < n; k++) {
            wide *d = (wide *)(slope + k * padded + l);
            *d *= *(wide *)(kept + k * padded + l);
            mean += *(wide *)(p + k * padded + l) * *d;
        }
        for (int64_t k = 0; k < n; k++) {
            wide *d = (wide *)(slope + k * padded + l), *f = (wide *)(kept + k * padded + l);
            wide q = *(wide *)(p + k * padded + l);
            *f *= q;
            *d = s->scale * q * (*d - mean);
        }
    }
    add_weighted_rows(kept, padded, n, s->n_queries, dout + column, s->dim, s->head_dim, dkv + s->dim + column, ld);
    add_weighted_rows(slope, padded, n, s->n_queries, s->q + column, s->dim, s->head_dim, dkv + column, ld);
    columns_of_rows(key, n, ld, slope, s->head_dim, padded, t);
    transpose_back(t, s->n_queries, s->dim, s->head_dim, padded, 1, dq + column);
}

/* ---- forward, row by row: for few queries, odd heads. Scratch: a row of probabilities where none are kept ---- */
static void rows_forward(const struct segment *s, real *out, real *scratch) {
    for (int64_t r = 0; r < s->n_queries; r++) {
        for (int64_t h = 0; h < s->heads; h++) {
            int64_t at = (r * s->heads + h) * s->n_keys, column = h * s->head_dim;
            const real *q = s->q + r * s->dim + column, *key = s->kv + column;
            real *p = s->probs ? s->probs + at : scratch, *o = out + r * s->dim + column;
            for (int64_t c = 0; c < s->head_dim; c++) o[c] = 0;
            if (s->n_keys == 0) continue;
            for (int64_t k = 0; k < s->n_keys; k++) p[k] = s->scale * row_dot(q, key + k * 2 * s->dim, s->head_dim);
            row_softmax(p, s->n_keys);
            for (int64_t k = 0; k < s->n_keys; k++)
                row_add(s->factor ? s->factor[at + k] * p[k] : p[k], key + k * 2 * s->dim + s->dim, o, s->head_dim);
        }
    }
}

enum { NARROW_HEAD = 16 }; /* up to this width of heads vectors run along the queries */

static int along_queries(const struct segment *s) {
    return s->n_queries >= QUERIES && s->n_keys > 0 && s->head_dim <= NARROW_HEAD;
}

static void segment_forward(const struct segment *s, real *out, real *scratch) {
    if (along_queries(s))
        for (int64_t h = 0; h < s->heads; h++) head_forward(s, h, out, scratch);
    else if (s->n_queries >= QUERIES && s->n_keys > 0 && s->head_dim % COLUMNS == 0)
        blocks_forward(s, out, scratch);
    else
        rows_forward(s, out, scratch);
}

/* Row by row; `slope` [n_keys] is scratch. */
static void rows_backward(const struct segment *s, const real *dout, real *dq, real *dkv, real *slope) {
    for (int64_t r = 0; r < s->n_queries; r++) {
        for (int64_t h = 0; h < s->heads; h++) {
            int64_t at = (r * s->heads + h) * s->n_keys, column = h * s->head_dim;
            const real *p = s->probs + at, *g = dout + r * s->dim + column, *q = s->q + r * s->dim + column;
            const real *key = s->kv + column;
            real *dkey = dkv + column, mean = 0;
            for (int64_t k = 0; k < s->n_keys; k++) {
                real f = s->factor ? s->factor[at + k] : 1;
                slope[k] = f * row_dot(g, key + k * 2 * s->dim + s->dim, s->head_dim);
                mean += p[k] * slope[k];
                row_add(f * p[k], g, dkey + k * 2 * s->dim + s->dim, s->head_dim);
            }
            for (int64_t k = 0; k < s->n_keys; k++) {
                real w = s->scale * p[k] * (slope[k] - mean);
                row_add(w, key + k * 2 * s->dim, dq + r * s->dim + column, s->head_dim);
                row_add(w, q, dkey + k * 2 * s->dim, s->head_dim);
            }
        }
    }
}

static void segment_backward(const struct segment *s, const real *dout, real *dq, real *dkv, real *scratch) {
    if (along_queries(s))
        for (int64_t h = 0; h < s->heads; h++) head_backward(s, h, dout, dq, dkv, scratch);
    else
        rows_backward(s, dout, dq, dkv, scratch);
}

struct attention_call {
    struct ragged queries, keys;
    struct attention_pairs pairs;
    int64_t heads, dim;
    dev_int drop_keys;
    struct dropout dropout;
    dev_real q, kv, probs;
};

/* Scratch of each thread: dropout factors of a segment (rounded up to whole chunks), and what the passes need. */
struct thread_scratch {
    real *base;
    int64_t factors, work;
};

static int make_scratch(struct device *device, const struct attention_call *a, struct thread_scratch *scratch) {
    int64_t pairs = 0, keys = 0, along = 0, depth = a->dim / a->heads;
    for (int64_t i = 0; i < a->queries.n; i++) {
        int64_t q = a->queries.offsets.at[i + 1] - a->queries.offsets.at[i],
                k = a->keys.offsets.at[i + 1] - a->keys.offsets.at[i];
        if (q * k > pairs) pairs = q * k;
        if (k > keys) keys = k;
        if (depth <= NARROW_HEAD && (depth + 3 * k) * padded_queries(q) > along)
            along = (depth + 3 * k) * padded_queries(q);
    }
    scratch->factors = a->dropout.rate == 0 ? 0 : dropout_room(pairs * a->heads);
    scratch->work = (depth + QUERIES) * padded_keys(keys + 1) + QUERIES * COLUMNS;
    if (along > scratch->work) scratch->work = (along + 15) / 16 * 16;
    scratch->base = cpu_scratch(device, cpu_threads(device) * (scratch->factors + scratch->work));
    return scratch->base != NULL;
}

static struct segment make_segment(const struct attention_call *a, int64_t i, real *factor) {
    struct segment s = {.n_queries = a->queries.offsets.at[i + 1] - a->queries.offsets.at[i],
                        .n_keys = a->keys.offsets.at[i + 1] - a->keys.offsets.at[i],
                        .heads = a->heads,
                        .dim = a->dim,
                        .head_dim = a->dim / a->heads,
                        .q = a->q.at + (int64_t)a->queries.offsets.at[i] * a->dim,
                        .kv = a->kv.at + (int64_t)a->keys.offsets.at[i] * 2 * a->dim,
                        .probs = a->probs.at ? a->probs.at + (int64_t)a->pairs.offsets.at[i] * a->heads : NULL,
                        .scale = 1 / real_sqrt((real)(a->dim / a->heads))};
    if (a->dropout.rate == 0) return s;
    int64_t count = s.n_queries * s.n_keys * s.heads;
    cpu_dropout_segment(a->dropout, a->drop_keys.at[i], count, factor);
    s.factor = factor;
    return s;
}

void cpu_attention(struct device *device, struct ragged queries, struct ragged keys, struct attention_pairs pairs,
                   int64_t heads, int64_t dim, dev_int drop_keys, struct dropout dropout, dev_real q, dev_real kv,
                   dev_real probs, dev_real out) {
    struct attention_call a = {queries, keys, pairs, heads, dim, drop_keys, dropout, q, kv, probs};
    struct thread_scratch scratch;
    if (device->error[0] || !make_scratch(device, &a, &scratch)) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 8)
    for (int64_t i = 0; i < queries.n; i++) {
        real *mine = scratch.base + omp_get_thread_num() * (scratch.factors + scratch.work);
        struct segment s = make_segment(&a, i, mine);
        segment_forward(&s, out.at + (int64_t)queries.offsets.at[i] * dim, mine + scratch.factors);
    }
}

void cpu_attention_backward(struct device *device, struct ragged queries, struct ragged keys,
                            struct attention_pairs pairs, int64_t heads, int64_t dim, dev_int drop_keys,
                            struct dropout dropout, dev_real q, dev_real kv, dev_real probs, dev_real dout, dev_real dq,
                            dev_real dkv, int accumulate) {
    struct attention_call a = {queries, keys, pairs, heads, dim, drop_keys, dropout, q, kv, probs};
    struct thread_scratch scratch;
    if (device->error[0] || !make_scratch(device, &a, &scratch)) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 8)
    for (int64_t i = 0; i < queries.n; i++) {
        real *mine = scratch.base + omp_get_thread_num() * (scratch.factors + scratch.work);
        struct segment s = make_segment(&a, i, mine);
        real *dq_i = dq.at + (int64_t)queries.offsets.at[i] * dim;
        real *dkv_i = dkv.at + (int64_t)keys.offsets.at[i] * 2 * dim;
        if (!accumulate) { /* in the caches, where the sums are made */
            memset(dq_i, 0, (size_t)(s.n_queries * dim) * sizeof(real));
            memset(dkv_i, 0, (size_t)(s.n_keys * 2 * dim) * sizeof(real));
        }
        segment_backward(&s, dout.at + (int64_t)queries.offsets.at[i] * dim, dq_i, dkv_i, mine + scratch.factors);
    }
}
