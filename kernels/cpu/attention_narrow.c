/* Attention with narrow heads: vectors run along the queries, so that softmax needs no sums within a vector. Queries are
 * transposed, a tile at a time; a head's scores and probabilities are [key][query], padded to whole vectors. */
#include "cpu/attention.h"
#include "cpu/tiles.h"
#include "cpu/vector_math.h"

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

/* Softmax over k of p[k, padded]; most and sum [padded] are the largest logit and the sum. */
IN_PLACE void softmax_down(real *p, int64_t n, int64_t padded, real *most, real *sum) {
    for (int64_t l = 0; l < padded; l += WIDE) {
        real m[WIDE], total[WIDE] = {0};
        memcpy(m, p + l, sizeof m);
        for (int64_t k = 1; k < n; k++)
#pragma omp simd
            for (int i = 0; i < WIDE; i++) m[i] = p[k * padded + l + i] > m[i] ? p[k * padded + l + i] : m[i];
        for (int64_t k = 0; k < n; k++)
#pragma omp simd
            for (int i = 0; i < WIDE; i++) total[i] += p[k * padded + l + i] = real_exp(p[k * padded + l + i] - m[i]);
        memcpy(most + l, m, sizeof m);
        memcpy(sum + l, total, sizeof total);
#pragma omp simd
        for (int i = 0; i < WIDE; i++) total[i] = 1 / total[i];
        for (int64_t k = 0; k < n; k++)
#pragma omp simd
            for (int i = 0; i < WIDE; i++) p[k * padded + l + i] *= total[i];
    }
}

/* kept[k, padded] = dropout's factors of the queries first .. first + rows - 1 */
IN_PLACE void load_factors(const struct attention_segment *s, int64_t h, int64_t first, int64_t rows, int64_t padded,
                           real *kept) {
    int64_t n = s->n_keys;
    if (s->factor) {
        transpose_rows(s->factor + (first * s->heads + h) * n, rows, s->heads * n, n, padded, kept);
        return;
    }
    for (int64_t r = 0; r < padded; r++) {
        const real *factor = attention_factors(s, first + (r < rows ? r : rows - 1), h);
        for (int64_t k = 0; k < n; k++) kept[k * padded + r] = factor[k];
    }
}

int64_t narrow_scratch(int64_t n_queries, int64_t n_keys, int64_t dim, int backward) {
    int64_t padded = whole(n_queries < QUERY_TILE ? n_queries : QUERY_TILE, WIDE);
    return (dim + (backward ? 3 : 2) * n_keys + 2) * padded;
}

/* Transposed queries and outputs [dim, padded], probabilities and dropout's factors [n_keys, padded], statistics. */
IN_PLACE void tile_forward(const struct attention_segment *s, int64_t h, int64_t first, int64_t rows) {
    int64_t padded = whole(rows, WIDE), n = s->n_keys, column = h * s->dim, width = s->heads * s->dim;
    real *t = s->work, *p = t + s->dim * padded, *kept = p + n * padded, *most = kept + n * padded,
         *sum = most + padded;
    transpose_rows(s->q + first * s->a->ld_q + column, rows, s->a->ld_q, s->dim, padded, t);
    rows_by_columns(s->key, n, s->ld_key, t, s->dim, s->scale, padded, p);
    softmax_down(p, n, padded, most, sum);
    for (int64_t r = 0; s->a->stats.at && r < rows; r++) {
        real *stats = attention_stats(s, first + r, h);
        stats[0] = most[r];
        stats[1] = sum[r];
    }
    if (drops(s)) {
        load_factors(s, h, first, rows, padded, kept);
#pragma omp simd
        for (int64_t e = 0; e < n * padded; e++) p[e] *= kept[e];
    }
    columns_of_rows(s->value, n, s->ld_key, p, s->dim, padded, t);
    transpose_back(t, rows, width, s->dim, padded, 0, s->out + first * width + column);
}

WIDE_VECTORS void narrow_forward(const struct attention_segment *s, int64_t h) {
    for (int64_t first = 0; first < s->n_queries; first += QUERY_TILE)
        tile_forward(s, h, first, s->n_queries - first < QUERY_TILE ? s->n_queries - first : QUERY_TILE);
}

/* From the logits in p and dout.value in slope, with p the probabilities and f dropout's factors: kept = p f, and
 * slope = scale p (f slope - sum p f slope). part: 1 / the sum of a row's exponentials. */
IN_PLACE void slopes_down(real *p, real *kept, real *slope, int dropped, int64_t n, int64_t padded, real scale,
                          const real *most, const real *part) {
    for (int64_t l = 0; l < padded; l += WIDE) {
        real mean[WIDE] = {0};
        for (int64_t k = 0; k < n; k++)
#pragma omp simd
            for (int i = 0; i < WIDE; i++) {
                int64_t e = k * padded + l + i;
                real prob = real_exp(p[e] - most[l + i]) * part[l + i], f = dropped ? kept[e] : 1;
                slope[e] *= f;
                kept[e] = f * prob;
                p[e] = prob;
                mean[i] += prob * slope[e];
            }
        for (int64_t k = 0; k < n; k++)
#pragma omp simd
            for (int i = 0; i < WIDE; i++) {
                int64_t e = k * padded + l + i;
                slope[e] = scale * p[e] * (slope[e] - mean[i]);
            }
    }
}

IN_PLACE void tile_backward(const struct attention_segment *s, int64_t h, int64_t first, int64_t rows) {
    int64_t padded = whole(rows, WIDE), n = s->n_keys, column = h * s->dim, width = s->heads * s->dim;
    real *t = s->work, *p = t + s->dim * padded, *kept = p + n * padded, *slope = kept + n * padded,
         *most = slope + n * padded, *part = most + padded;
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
    if (drops(s)) load_factors(s, h, first, rows, padded, kept);
    slopes_down(p, kept, slope, drops(s), n, padded, s->scale, most, part);
    if (s->dvalue) add_weighted_rows(kept, padded, 1, n, rows, dout, width, s->dim, s->dvalue, s->ld_dkey);
    if (s->dkey) add_weighted_rows(slope, padded, 1, n, rows, q, s->a->ld_q, s->dim, s->dkey, s->ld_dkey);
    if (!s->dq) return;
    columns_of_rows(s->key, n, s->ld_key, slope, s->dim, padded, t);
    transpose_back(t, rows, s->a->ld_q, s->dim, padded, s->add_q, s->dq + first * s->a->ld_q + column);
}

WIDE_VECTORS void narrow_backward(const struct attention_segment *s, int64_t h) {
    for (int64_t first = 0; first < s->n_queries; first += QUERY_TILE)
        tile_backward(s, h, first, s->n_queries - first < QUERY_TILE ? s->n_queries - first : QUERY_TILE);
}
