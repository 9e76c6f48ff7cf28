/* Attention, forward (online softmax: Milakov and Gimelshein, 2018; Dao et al., 2022). Floors, in bytes: q and out, k and v, and
 * two statistics a row and head. */
#include "cuda/attention.cuh"

#include <stdio.h>

enum { PAIR = 2 }; /* query rows of one lane: each value read from shared memory serves both; wide heads: one */

template <int COLUMNS, int ROWS>
struct query_rows {
    quad query[ROWS][COLUMNS / 4], sum[ROWS][COLUMNS / 4];
    real most[ROWS], total[ROWS]; /* of the logits so far, and of their exponentials, undropped */
};

/* p[r][k] = the logits of the keys first .. first+KEYS-1 of the tile, -infinity where row r does not see them. */
template <int COLUMNS, int KEYS, int ROWS>
static __device__ inline void find_logits(const struct attention_call &c, const struct block_segment &s, int row,
                                          int lane, int key, const real *keys, int first,
                                          const struct query_rows<COLUMNS, ROWS> &rows, real p[ROWS][KEYS]) {
#pragma unroll
    for (int k = 0; k < KEYS; k++) {
        const quad *x = tile_row(c, keys, first + k, lane);
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++)
#pragma unroll
            for (int r = 0; r < ROWS; r++) add_inner_product(rows.query[r][j], x[j * c.lanes], &p[r][k]);
    }
    lanes_sums<ROWS * KEYS>(&p[0][0], c.lanes);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        int n = row + r < s.n_queries ? visible_keys(s, row + r) : 0;
#pragma unroll
        for (int k = 0; k < KEYS; k++) {
            int seen = key + k < n;
            p[r][k] = seen ? c.scale * p[r][k] : (real)-INFINITY;
            if (seen) p[r][k] += bias_of_pair(c, s, row + r, key + k);
        }
    }
}

/* Takes the keys first .. first+KEYS-1 of the tile into the sums. */
template <int COLUMNS, int KEYS, int ROWS>
static __device__ inline void take_keys(const struct attention_call &c, const struct block_segment &s, int row,
                                        int lane, int key, const real *keys, const real *values, int first,
                                        struct query_rows<COLUMNS, ROWS> *rows) {
    real p[ROWS][KEYS] = {};
    find_logits<COLUMNS, KEYS, ROWS>(c, s, row, lane, key, keys, first, *rows, p);
    unsigned kept = surviving_keys<KEYS, ROWS>(c, s, row, lane, key);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        real most = rows->most[r];
#pragma unroll
        for (int k = 0; k < KEYS; k++) most = p[r][k] > most ? p[r][k] : most;
        real shift = most == (real)-INFINITY ? 0 : most, shrink = exp(rows->most[r] - shift); /* no key was seen: 0 */
        rows->most[r] = most;
        rows->total[r] *= shrink;
#pragma unroll
        for (int k = 0; k < KEYS; k++) {
            real e = exp(p[r][k] - shift);
            rows->total[r] += e;
            p[r][k] = kept >> (STEP * r + k) & 1 ? e : 0;
        }
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++) rows->sum[r][j] = scaled(shrink, rows->sum[r][j]);
    }
#pragma unroll
    for (int k = 0; k < KEYS; k++) {
        const quad *x = tile_row(c, values, first + k, lane);
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++)
#pragma unroll
            for (int r = 0; r < ROWS; r++) add_scaled(p[r][k], x[j * c.lanes], &rows->sum[r][j]);
    }
}

/* The sums become means. */
template <int COLUMNS, int ROWS>
static __device__ inline void end_rows(const struct attention_call &c, const struct block_segment &s, int row, int lane,
                                       const struct query_rows<COLUMNS, ROWS> &rows, real *out) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (row + r >= s.n_queries) continue;
        int seen = rows.total[r] > 0;
        real scale = seen ? 1 / rows.total[r] : 0;
        store_row<COLUMNS>(c, lane, rows.sum[r], scale * c.drop_scale, 0, out + offset_in_out(c, s, row + r));
        if (!c.a.stats.at || lane) continue;
        real *stats = c.a.stats.at + 2 * row_and_head(c, s, row + r);
        stats[0] = seen ? rows.most[r] : 0;
        stats[1] = rows.total[r];
    }
}

/* sums[type] of the rows, once more by the keys, since the statistics are known now. */
template <int COLUMNS, int KEYS, int ROWS>
static __device__ inline void sum_types(const struct attention_call &c, const struct block_segment &s, int row,
                                        int lane, int n_keys, real *keys, const struct query_rows<COLUMNS, ROWS> &rows,
                                        real *sums) {
    for (int r = 0; r < ROWS; r++)
        for (int64_t y = lane; row + r < s.n_queries && y < c.n_types; y += c.lanes)
            sums[row_and_head(c, s, row + r) * c.n_types + y] = 0;
    for (int first = 0; first < n_keys; first += c.tile) {
        int count = n_keys - first < c.tile ? n_keys - first : c.tile;
        __syncthreads();
        load_keys(c, s, c.a.k.at, first, count, (count + KEYS - 1) / KEYS * KEYS, keys);
        __syncthreads();
        for (int k = 0; k < count; k += KEYS) {
            real p[ROWS][KEYS] = {};
            find_logits<COLUMNS, KEYS, ROWS>(c, s, row, lane, first + k, keys, k, rows, p);
            unsigned kept = surviving_keys<KEYS, ROWS>(c, s, row, lane, first + k);
            for (int r = 0; lane == 0 && r < ROWS; r++)
                for (int j = 0; j < KEYS; j++)
                    if (p[r][j] > (real)-INFINITY && kept >> (STEP * r + j) & 1)
                        sums[row_and_head(c, s, row + r) * c.n_types + type_of_pair(c, s, row + r, first + k + j)] +=
                            c.drop_scale * exp(p[r][j] - rows.most[r]) / rows.total[r];
        }
    }
}

/* Blocks that a multiprocessor has at once: they bound the registers, so far that the loop over keys does not suffer. */
template <int COLUMNS>
constexpr int BLOCKS_AT_ONCE = COLUMNS == FEW      ? 10
                               : COLUMNS == NARROW ? 8
                                                   : 6;

template <int COLUMNS, int KEYS, int ROWS>
static __global__ void __launch_bounds__(THREADS, BLOCKS_AT_ONCE<COLUMNS>)
    attention_kernel(struct attention_call c, real *out, real *sums) {
    DYNAMIC_SHARED(real, keys);
    real *values = keys + c.tile * c.padded;
    struct block_segment s = segment_of_block(c);
    set_head(c, blockIdx.y, &s);
    int lane = (int)threadIdx.x % c.lanes, rows_of_block = THREADS / c.lanes * ROWS;
    int row_in_block = (int)threadIdx.x / c.lanes * ROWS, warp_row = (int)threadIdx.x / WARP * WARP / c.lanes * ROWS;
    for (int top = (int)blockIdx.z * rows_of_block; top < s.n_queries; top += (int)gridDim.z * rows_of_block) {
        struct query_rows<COLUMNS, ROWS> rows = {};
        int row = top + row_in_block, warp_has_rows = top + warp_row < s.n_queries;
        int n_keys = visible_keys(s, top + rows_of_block - 1); /* that the last row sees */
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            int there = row + r < s.n_queries;
            rows.most[r] = (real)-INFINITY;
            load_row<COLUMNS>(c, lane, c.a.q.at + (there ? offset_in_q(c, s, row + r) : 0), there, rows.query[r]);
        }
        for (int first = 0; first < n_keys; first += c.tile) {
            int count = n_keys - first < c.tile ? n_keys - first : c.tile, whole = (count + KEYS - 1) / KEYS * KEYS;
            __syncthreads(); /* the last tile is no longer read */
            load_keys(c, s, c.a.k.at, first, count, whole, keys);
            load_keys(c, s, c.a.v.at, first, count, whole, values);
            __syncthreads();
            for (int k = 0; warp_has_rows && k < count; k += KEYS)
                take_keys<COLUMNS, KEYS, ROWS>(c, s, row, lane, first + k, keys, values, k, &rows);
        }
        end_rows<COLUMNS, ROWS>(c, s, row, lane, rows, out);
        if (sums) sum_types<COLUMNS, KEYS, ROWS>(c, s, row, lane, n_keys, keys, rows, sums);
    }
}

/* ---- calls ---- */
int attention_plan(struct device *device, const struct attention *a, int columns, struct attention_call *c) {
    *c = {};
    c->a = *a;
    c->head_dim = (int)a->head_dim;
    c->lanes = 1;
    while (c->lanes * columns < c->head_dim) c->lanes *= 2;
    if (c->lanes > WARP) {
        if (!device->error[0])
            snprintf(device->error, sizeof device->error,
                     "cuda: attention: a head has %d columns, at most %d are possible: use more heads, or device: cpu",
                     c->head_dim, WIDE * WARP);
        return 0;
    }
    c->padded = c->lanes * columns;
    int rows = (int)(TILE_BYTES / (2 * c->padded * sizeof(real)));
    c->tile = rows < TILE ? rows : TILE;
    if (columns != WIDE) c->tile = c->tile / STEP * STEP;
    c->n_types = a->types.n_types > 0 ? a->types.n_types : 1;
    c->scale = (real)a->scale;
    c->drop_scale = dropout_scale(a->dropout);
    c->quads = attention_in_quads(a);
    return 1;
}

extern "C" void cuda_attention(struct device *device, const struct attention *a, dev_real out, dev_real sums) {
    struct attention_call c;
    int few = a->head_dim <= MOST_FEW, narrow = a->head_dim <= MOST_NARROW;
    if (attention_is_shared(a)) {
        attention_shared(device, a, out.at, sums.at);
        return;
    }
    if (!attention_plan(device, a, few ? FEW : narrow ? NARROW : WIDE, &c)) return;
    c.quads = c.quads && in_quads(a->head_dim, out.at, NULL);
    launch(device, "attention",
           few      ? attention_kernel<FEW, STEP, PAIR>
           : narrow ? attention_kernel<NARROW, STEP, PAIR>
                    : attention_kernel<WIDE, 1, 1>,
           attention_blocks(a->queries, a->heads, THREADS / c.lanes * (narrow ? PAIR : 1)), THREADS,
           attention_tiles(&c, 2), c, out.at, sums.at);
}
