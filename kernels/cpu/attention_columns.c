/* Attention with vectors along the queries, so that softmax needs no sums within a vector. Queries are transposed, a tile at a
 * time; a head's scores and probabilities are [key][query], padded to whole vectors. */
#include "cpu/attention.h"
#include "cpu/tiles.h"
#include "cpu/vector_math.h"

/* score[k, padded] = scale * sum over c of row_k[c] t[c, padded], for n rows `ld` apart. */
IN_PLACE void rows_by_columns(const real *rows, int64_t n, int64_t ld, const real *t, int64_t depth, real scale,
                              int64_t padded, real *score) {
    for (int64_t k = 0; k < n; k += TOGETHER) {
        const real *row[TOGETHER];
        for (int i = 0; i < TOGETHER; i++) row[i] = rows + (k + i < n ? k + i : n - 1) * ld;
        put_strips(padded / LANES, row, 1, depth, t, padded, 0, scale, n - k, score + k * padded, padded);
    }
}

/* t[c, padded] = sum over k of w[k, padded] row_k[c] */
IN_PLACE void columns_of_rows(const real *rows, int64_t n, int64_t ld, const real *w, int64_t depth, int64_t padded,
                              real *t) {
    for (int64_t c = 0; c < depth; c += TOGETHER) {
        const real *column[TOGETHER];
        for (int i = 0; i < TOGETHER; i++) column[i] = rows + (c + i < depth ? c + i : depth - 1);
        put_strips(padded / LANES, column, ld, n, w, padded, 0, 1, depth - c, t + c * padded, padded);
    }
}

/* Logits of keys that a query does not see: their exponentials are 0 beside any other's. */
static const real NOTHING = (real)-1e30;

/* Where query `first` and those behind it see `seen` keys, one more, ..: shuts the others out of the n keys of p[k, padded]. */
IN_PLACE void hide_keys(real *p, int64_t seen, int64_t n, int64_t padded) {
    for (int64_t k = seen; k < n; k++)
        for (int64_t r = 0; r <= k - seen && r < padded; r++) p[k * padded + r] = NOTHING;
}

/* p[k, padded] = exp(p - most); most and sum [padded]: the largest logit, and the sum of the exponentials. */
IN_PLACE void exponentials_down(real *p, int64_t n, int64_t padded, real *most, real *sum) {
    memcpy(most, p, (size_t)padded * sizeof *most);
    memset(sum, 0, (size_t)padded * sizeof *sum);
    for (int64_t k = 1; k < n; k++)
#pragma omp simd
        for (int64_t l = 0; l < padded; l++) most[l] = p[k * padded + l] > most[l] ? p[k * padded + l] : most[l];
    for (int64_t k = 0; k < n; k++)
#pragma omp simd
        for (int64_t l = 0; l < padded; l++) {
            real e = real_exp(p[k * padded + l] - most[l]);
            sum[l] += e;
            p[k * padded + l] = e;
        }
}

/* kept[k, padded] = dropout's factors of the queries first .. first + rows - 1 and the first n keys */
IN_PLACE void load_factors(const struct attention_segment *s, int64_t h, int64_t first, int64_t rows, int64_t n,
                           int64_t padded, real *kept) {
    if (s->factor) {
        int64_t all = s->n_keys;
        transpose_rows(s->factor + (first * s->heads + h) * all, rows, s->heads * all, n, padded, kept);
        return;
    }
    for (int64_t r = 0; r < padded; r++) {
        const real *factor = attention_factors(s, first + (r < rows ? r : rows - 1), h);
        for (int64_t k = 0; k < n; k++) kept[k * padded + r] = factor[k];
    }
}

int64_t columns_scratch(int64_t n_queries, int64_t n_keys, int64_t dim, int backward) {
    int64_t padded = whole(n_queries < QUERY_TILE ? n_queries : QUERY_TILE, LANES);
    return (dim + (backward ? 3 : 2) * n_keys + 3) * padded;
}

/* Transposed queries and outputs [dim, padded], probabilities and dropout's factors [keys, padded], statistics. */
IN_PLACE void tile_forward(const struct attention_segment *s, int64_t h, int64_t first, int64_t rows) {
    int64_t padded = whole(rows, LANES), n = visible_keys(s, first + rows - 1), column = h * s->dim,
            width = s->heads * s->dim;
    real *t = s->work, *p = t + s->dim * padded, *kept = p + n * padded, *most = kept + n * padded,
         *sum = most + padded;
    transpose_rows(s->q + first * s->a->ld_q + column, rows, s->a->ld_q, s->dim, padded, t);
    rows_by_columns(s->key, n, s->ld_key, t, s->dim, s->scale, padded, p);
    if (s->a->causal) hide_keys(p, visible_keys(s, first), n, padded);
    exponentials_down(p, n, padded, most, sum);
    if (drops(s)) {
        load_factors(s, h, first, rows, n, padded, kept);
#pragma omp simd
        for (int64_t e = 0; e < n * padded; e++) p[e] *= kept[e];
    }
    for (int64_t r = 0; s->a->stats.at && r < rows; r++) {
        real *stats = attention_stats(s, first + r, h);
        stats[0] = most[r];
        stats[1] = sum[r];
    }
    columns_of_rows(s->value, n, s->ld_key, p, s->dim, padded, t);
#pragma omp simd
    for (int64_t l = 0; l < padded; l++) sum[l] = 1 / sum[l];
    for (int64_t c = 0; c < s->dim; c++)
#pragma omp simd
        for (int64_t l = 0; l < padded; l++) t[c * padded + l] *= sum[l];
    transpose_back(t, rows, width, s->dim, padded, 0, s->out + first * width + column);
}

WIDE_VECTORS void columns_forward(const struct attention_segment *s, int64_t h) {
    for (int64_t first = 0; first < s->n_queries; first += QUERY_TILE)
        tile_forward(s, h, first, s->n_queries - first < QUERY_TILE ? s->n_queries - first : QUERY_TILE);
}

/* From the logits in p and dout.value in slope, with p the probabilities and f dropout's factors: kept = p f, and
 * slope = scale p (f slope - sum p f slope). part: 1 / the sum of a row's exponentials; mean: room for
 * padded values. */
IN_PLACE void slopes_down(real *p, real *kept, real *slope, int dropped, int64_t n, int64_t padded, real scale,
                          const real *most, const real *part, real *mean) {
    memset(mean, 0, (size_t)padded * sizeof *mean);
    for (int64_t k = 0; k < n; k++)
#pragma omp simd
        for (int64_t l = 0; l < padded; l++) {
            int64_t e = k * padded + l;
            real prob = real_exp(p[e] - most[l]) * part[l], f = dropped ? kept[e] : 1;
            real along = slope[e] * f;
            slope[e] = along;
            kept[e] = f * prob;
            p[e] = prob;
            mean[l] += prob * along;
        }
    for (int64_t k = 0; k < n; k++)
#pragma omp simd
        for (int64_t l = 0; l < padded; l++) {
            int64_t e = k * padded + l;
            slope[e] = scale * p[e] * (slope[e] - mean[l]);
        }
}

IN_PLACE void tile_backward(const struct attention_segment *s, int64_t h, int64_t first, int64_t rows) {
    int64_t padded = whole(rows, LANES), n = visible_keys(s, first + rows - 1), column = h * s->dim,
            width = s->heads * s->dim;
    real *t = s->work, *p = t + s->dim * padded, *kept = p + n * padded, *slope = kept + n * padded,
         *most = slope + n * padded, *part = most + padded, *mean = part + padded;
    const real *q = s->q + first * s->a->ld_q + column, *dout = s->dout + first * width + column;
    for (int64_t r = 0; r < padded; r++) {
        const real *stats = attention_stats(s, first + (r < rows ? r : rows - 1), h);
        most[r] = stats[0];
        part[r] = 1 / stats[1];
    }
    transpose_rows(q, rows, s->a->ld_q, s->dim, padded, t);
    rows_by_columns(s->key, n, s->ld_key, t, s->dim, s->scale, padded, p);
    transpose_rows(dout, rows, width, s->dim, padded, t);
    rows_by_columns(s->value, n, s->ld_key, t, s->dim, 1, padded, slope);
    if (s->a->causal) hide_keys(p, visible_keys(s, first), n, padded);
    if (drops(s)) load_factors(s, h, first, rows, n, padded, kept);
    slopes_down(p, kept, slope, drops(s), n, padded, s->scale, most, part, mean);
    if (s->dvalue) add_weighted_rows(kept, padded, 1, n, rows, dout, width, s->dim, s->dvalue, s->ld_dkey);
    if (s->dkey) add_weighted_rows(slope, padded, 1, n, rows, q, s->a->ld_q, s->dim, s->dkey, s->ld_dkey);
    if (!s->dq) return;
    columns_of_rows(s->key, n, s->ld_key, slope, s->dim, padded, t);
    transpose_back(t, rows, s->a->ld_q, s->dim, padded, s->add_q, s->dq + first * s->a->ld_q + column);
}

WIDE_VECTORS void columns_backward(const struct attention_segment *s, int64_t h) {
    for (int64_t first = 0; first < s->n_queries; first += QUERY_TILE)
        tile_backward(s, h, first, s->n_queries - first < QUERY_TILE ? s->n_queries - first : QUERY_TILE);
}
