/* Products of a few rows, in registers: of four rows and up to three vectors of eight columns at a time. What lies behind the last
 * row is computed again, in vain, so that a row's result does not depend on the other rows. */
#ifndef MEDTOK_KERNELS_CPU_TILES_H
#define MEDTOK_KERNELS_CPU_TILES_H

#include "cpu/cpu.h"

enum { LANES = 8, TOGETHER = 4, COLUMNS = 2 * LANES, MOST_VECTORS = 3 };
typedef real lanes __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias));

static inline int64_t whole(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/* How many of the vectors that are left come next: 3, or 2 and 2 rather than 3 and 1. */
static inline int next_vectors(int64_t left) { return left == 4 ? 2 : left < MOST_VECTORS ? (int)left : MOST_VECTORS; }

/* sum[i][v] = sum over c < n of x_i[c step] y[c, v LANES ..] (rows ldy apart), for TOGETHER rows x_i and v < vectors, a constant of
 * the caller: twelve sums fill AVX2's registers, with what they are made of. */
IN_PLACE void product_strip(int vectors, const real *const x[TOGETHER], int64_t step, int64_t n, const real *y,
                            int64_t ldy, lanes sum[TOGETHER][MOST_VECTORS]) {
    lanes s[TOGETHER][MOST_VECTORS] = {0};
    for (int64_t c = 0; c < n; c++) {
        lanes column[MOST_VECTORS];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) column[v] = *(const lanes *)(y + c * ldy + v * LANES);
#pragma GCC unroll 4
        for (int i = 0; i < TOGETHER; i++) {
            real factor = x[i][c * step];
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) s[i][v] += factor * column[v];
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < TOGETHER; i++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) sum[i][v] = s[i][v];
}

/* out[i, 0..COLUMNS) (rows ldo apart) = scale * sum over c < n of x_i[c] y[c, 0..COLUMNS), for TOGETHER rows x_i. */
IN_PLACE void product_tile(const real *const x[TOGETHER], int64_t n, const real *y, int64_t ldy, real scale, real *out,
                           int64_t ldo) {
    lanes sum[TOGETHER][MOST_VECTORS];
    product_strip(2, x, 1, n, y, ldy, sum);
    for (int i = 0; i < TOGETHER; i++)
        for (int v = 0; v < 2; v++) *(lanes *)(out + i * ldo + v * LANES) = scale * sum[i][v];
}

/* The same of the n_columns < COLUMNS last columns. */
IN_PLACE void product_edge(const real *const x[TOGETHER], int64_t n, const real *y, int64_t ldy, int64_t n_columns,
                           real *out, int64_t ldo) {
    int64_t column = 0;
    if (n_columns >= LANES) {
        lanes sum[TOGETHER][MOST_VECTORS];
        product_strip(1, x, 1, n, y, ldy, sum);
        for (int i = 0; i < TOGETHER; i++) *(lanes *)(out + i * ldo) = sum[i][0];
        column = LANES;
    }
    for (; column < n_columns; column++) {
        real sum[TOGETHER] = {0};
        for (int64_t c = 0; c < n; c++)
            for (int i = 0; i < TOGETHER; i++) sum[i] += x[i][c] * y[c * ldy + column];
        for (int i = 0; i < TOGETHER; i++) out[i * ldo + column] = sum[i];
    }
}

/* to_i[v LANES ..] = scale * those sums, or += them where add; of the first n rows, ldo apart. */
IN_PLACE void put_strip(int vectors, const real *const x[TOGETHER], int64_t step, int64_t n_sums, const real *y,
                        int64_t ldy, int add, real scale, int64_t n, real *to, int64_t ldo) {
    lanes sum[TOGETHER][MOST_VECTORS];
    product_strip(vectors, x, step, n_sums, y, ldy, sum);
#pragma GCC unroll 4
    for (int i = 0; i < TOGETHER; i++) {
        if (i == n) return;
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) {
            lanes *at = (lanes *)(to + i * ldo + v * LANES);
            *at = add ? *at + sum[i][v] : scale * sum[i][v];
        }
    }
}

/* The same of n_vectors vectors. */
IN_PLACE void put_strips(int64_t n_vectors, const real *const x[TOGETHER], int64_t step, int64_t n_sums, const real *y,
                         int64_t ldy, int add, real scale, int64_t n, real *to, int64_t ldo) {
    for (int64_t at = 0, vectors; at < n_vectors; at += vectors) {
        vectors = next_vectors(n_vectors - at);
        const real *from = y + at * LANES;
        if (vectors == 3)
            put_strip(3, x, step, n_sums, from, ldy, add, scale, n, to + at * LANES, ldo);
        else if (vectors == 2)
            put_strip(2, x, step, n_sums, from, ldy, add, scale, n, to + at * LANES, ldo);
        else
            put_strip(1, x, step, n_sums, from, ldy, add, scale, n, to + at * LANES, ldo);
    }
}

/* y_k[c] += sum over r < rows of w_k[r] x_r[c] for n rows y_k, `ldy` apart; x `ldx` apart; the weight w_k[r] stands at
 * w[k key_step + r row_step]. */
IN_PLACE void add_weighted_rows(const real *w, int64_t key_step, int64_t row_step, int64_t n, int64_t rows,
                                const real *x, int64_t ldx, int64_t depth, real *y, int64_t ldy) {
    for (int64_t k = 0; k < n; k += TOGETHER) {
        const real *weight[TOGETHER];
        for (int i = 0; i < TOGETHER; i++) weight[i] = w + (k + i < n ? k + i : n - 1) * key_step;
        put_strips(depth / LANES, weight, row_step, rows, x, ldx, 1, 1, n - k, y + k * ldy, ldy);
        for (int64_t c = depth / LANES * LANES; c < depth; c++)
            for (int i = 0; i < TOGETHER && k + i < n; i++)
                for (int64_t r = 0; r < rows; r++) y[(k + i) * ldy + c] += weight[i][r * row_step] * x[r * ldx + c];
    }
}

/* ---- transposes, by tiles of eight by eight ---- */
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#ifdef MEDTOK_REAL_DOUBLE
typedef int64_t lane_numbers __attribute__((vector_size(LANES * sizeof(int64_t))));
#else
typedef int32_t lane_numbers __attribute__((vector_size(LANES * sizeof(int32_t))));
#endif
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (lane_numbers){__VA_ARGS__})
#endif

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

/* t[c, padded] = the first n columns of x[rows, ld], transposed, rows > 0; behind the last row it repeats. */
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
            if (c + LANES < n && c + 2 * LANES > n) c = n - 2 * LANES; /* the last tile overlaps this one */
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

#endif
