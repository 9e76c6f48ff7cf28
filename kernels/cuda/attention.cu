/* Attention of query segments to key segments. A block has one head of one segment; its keys and values pass through
 * shared memory in tiles, and each query row stays in the registers of a few lanes (online softmax: Milakov and
 * Gimelshein, 2018; Dao et al., 2022). Floors, in bytes: 2 queries.n_rows dim + 2 keys.n_rows dim values, and heads
 * pairs.n where probs are kept; backward: 3 queries.n_rows dim + 6 keys.n_rows dim and heads pairs.n. */
#include <math.h>
#include <stdio.h>

#include "cuda/primitives.h"
#include "cuda/rows.cuh"

enum {
    THREADS = 64,
    FEW = 4,     /* columns of a row in one lane's registers, forward, for heads up to MOST_FEW: more lanes at work; */
    NARROW = 16, /* for heads up to MOST_NARROW, */
    WIDE = 64,   /* and for wider ones */
    MOST_FEW = 32,
    MOST_NARROW = 256,
    STEP = 8,  /* keys at a time: one rescaling of the sums, one draw of dropout; wide heads: one key */
    PAIR = 2,  /* query rows of one lane, forward: each value read from shared memory serves both; wide heads: one */
    TILE = 32, /* most rows of a tile */
    TILE_BYTES = 32 << 10,
    STAGED_BYTES = 24 << 10
};

/* One call, as every kernel here gets it. Lane j of a row's `lanes` lanes has the quads j, j + lanes, .. of the head's
 * `padded` columns, zero behind head_dim. */
struct attention_call {
    struct ragged queries, keys;
    const int32_t *pair_offsets, *drop_keys;
    int64_t heads, dim;
    int head_dim, padded, lanes, tile, quads;
    int accumulate; /* backward adds to dq and dkv */
    int staged;     /* values behind the tile in shared memory: of the rows in backward_queries */
    real scale, drop_scale;
    struct dropout dropout;
    const real *q, *kv;
};

/* ---- what a block works on, and moves of rows ---- */
struct block_segment {
    int64_t first_query, first_key, head;
    int n_queries, n_keys;
    int64_t probs; /* where the segment's begin */
    int32_t drop_key;
};

static __device__ inline struct block_segment segment_of_block(const struct attention_call &a) {
    int64_t i = blockIdx.x;
    struct block_segment s;
    s.first_query = a.queries.offsets.at[i];
    s.first_key = a.keys.offsets.at[i];
    s.head = blockIdx.y;
    s.n_queries = (int)(a.queries.offsets.at[i + 1] - s.first_query);
    s.n_keys = (int)(a.keys.offsets.at[i + 1] - s.first_key);
    s.probs = a.pair_offsets ? a.pair_offsets[i] * a.heads : 0;
    s.drop_key = a.dropout.rate > 0 ? a.drop_keys[i] : 0;
    return s;
}

/* Where the probabilities of a query row begin within its segment. */
static __device__ inline int64_t row_of_probs(const struct attention_call &a, const struct block_segment &s, int row) {
    return (row * a.heads + s.head) * s.n_keys;
}

static __device__ inline quad load_quad(const real *from, int columns_left, int quads) {
    if (quads && columns_left >= 4) return *reinterpret_cast<const quad *>(from);
    quad x = {};
    for (int i = 0; i < 4; i++)
        if (i < columns_left) x.at[i] = from[i];
    return x;
}

template <int COLUMNS>
static __device__ inline void load_row(const struct attention_call &a, int lane, const real *from, int there,
                                       quad row[COLUMNS / 4]) {
#pragma unroll
    for (int j = 0; j < COLUMNS / 4; j++) {
        int c = 4 * (j * a.lanes + lane);
        row[j] = load_quad(from + c, there ? a.head_dim - c : 0, a.quads);
    }
}

/* to[head_dim] = weight row, or += with accumulate. */
template <int COLUMNS>
static __device__ inline void store_row(const struct attention_call &a, int lane, const quad row[COLUMNS / 4],
                                        real weight, int accumulate, real *to) {
#pragma unroll
    for (int j = 0; j < COLUMNS / 4; j++) {
        int c = 4 * (j * a.lanes + lane);
        if (a.quads && c + 4 <= a.head_dim) {
            quad *at = reinterpret_cast<quad *>(to + c), x = accumulate ? *at : quad{};
            add_scaled(weight, row[j], &x);
            *at = x;
            continue;
        }
        for (int i = 0; i < 4; i++)
            if (c + i < a.head_dim) to[c + i] = (accumulate ? to[c + i] : 0) + weight * row[j].at[i];
    }
}

/* tile[rows, padded] = `count` rows of a head, `stride` apart, and zeros behind them. The block must wait on both
 * sides. */
static __device__ inline void load_tile(const struct attention_call &a, const real *from, int64_t stride, int count,
                                        int rows, real *tile) {
    unsigned quads_of_row = (unsigned)a.padded / 4;
    for (unsigned e = threadIdx.x; e < rows * quads_of_row; e += blockDim.x) {
        int r = (int)(e / quads_of_row), c = 4 * (int)(e % quads_of_row);
        reinterpret_cast<quad *>(tile)[e] = load_quad(from + r * stride + c, r < count ? a.head_dim - c : 0, a.quads);
    }
}

static __device__ inline const quad *tile_row(const struct attention_call &a, const real *tile, int row, int lane) {
    return reinterpret_cast<const quad *>(tile + row * a.padded) + lane;
}

/* ---- forward ---- */
template <int COLUMNS, int ROWS>
struct query_rows {
    quad query[ROWS][COLUMNS / 4], sum[ROWS][COLUMNS / 4];
    real most[ROWS], total[ROWS]; /* of the logits so far, and of their exponentials, undropped */
};

/* Bit STEP r + k: whether key `key` + k of query row `row` + r survives dropout, for k < KEYS. The lanes of the rows share
 * the random blocks, of which each row has one or two. The whole warp must call. */
template <int KEYS, int ROWS>
static __device__ inline unsigned surviving_keys(const struct attention_call &a, const struct block_segment &s, int row,
                                                 int lane, int key) {
    uint32_t threshold = dropout_threshold(a.dropout.rate);
    unsigned kept = 0;
    for (int draw = lane; draw < 2 * ROWS; draw += a.lanes) {
        int r = draw / 2, second = draw % 2;
        int64_t element = row_of_probs(a, s, row + r) + key;
        int before = (int)(element % 8);
        if (second && before + KEYS <= 8) continue;
        unsigned bits = dropout_block(a.dropout, threshold, s.drop_key, (uint32_t)(element / 8) + (uint32_t)second);
        kept |= ((second ? bits << (8 - before) : bits >> before) & 0xff) << STEP * r;
    }
    for (int step = a.lanes / 2; step > 0; step /= 2) kept |= __shfl_xor_sync(0xffffffffu, kept, step);
    return kept;
}

/* Takes the keys first .. first+KEYS-1 of the tile, of which the first `count` are there, into the sums. Logits go to
 * probs for the while: key k is written, and read again at the end, by lane k % lanes (a power of two) alone. */
template <int COLUMNS, int KEYS, int ROWS>
static __device__ inline void take_keys(const struct attention_call &a, const struct block_segment &s, int row,
                                        int lane, int key, const real *keys, const real *values, int first, int count,
                                        struct query_rows<COLUMNS, ROWS> *rows, real *probs) {
    real p[ROWS][KEYS] = {};
#pragma unroll
    for (int k = 0; k < KEYS; k++) {
        const quad *x = tile_row(a, keys, first + k, lane);
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++)
#pragma unroll
            for (int r = 0; r < ROWS; r++) add_inner_product(rows->query[r][j], x[j * a.lanes], &p[r][k]);
    }
    for (int step = a.lanes / 2; step > 0; step /= 2) /* as lanes_sum, for all dots at once: one waits for none */
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int k = 0; k < KEYS; k++) p[r][k] += __shfl_xor_sync(0xffffffffu, p[r][k], step);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        real *logits = probs && row + r < s.n_queries ? probs + s.probs + row_of_probs(a, s, row + r) + key : NULL;
#pragma unroll
        for (int k = 0; k < KEYS; k++) {
            p[r][k] = k < count ? a.scale * p[r][k] : (real)-INFINITY;
            if (logits && k < count && ((key + k) & (a.lanes - 1)) == lane) logits[k] = p[r][k];
        }
    }
    unsigned kept = a.dropout.rate > 0 ? surviving_keys<KEYS, ROWS>(a, s, row, lane, key) : ~0u;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        real most = rows->most[r];
#pragma unroll
        for (int k = 0; k < KEYS; k++) most = p[r][k] > most ? p[r][k] : most;
        real shrink = exp(rows->most[r] - most);
        rows->most[r] = most;
        rows->total[r] *= shrink;
#pragma unroll
        for (int k = 0; k < KEYS; k++) {
            real e = exp(p[r][k] - most);
            rows->total[r] += e;
            p[r][k] = kept >> (STEP * r + k) & 1 ? e : 0;
        }
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++) rows->sum[r][j] = scaled(shrink, rows->sum[r][j]);
    }
#pragma unroll
    for (int k = 0; k < KEYS; k++) {
        const quad *x = tile_row(a, values, first + k, lane);
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++)
#pragma unroll
            for (int r = 0; r < ROWS; r++) add_scaled(p[r][k], x[j * a.lanes], &rows->sum[r][j]);
    }
}

/* The sums become means, and the logits in probs probabilities. */
template <int COLUMNS, int ROWS>
static __device__ inline void end_rows(const struct attention_call &a, const struct block_segment &s, int row, int lane,
                                       const struct query_rows<COLUMNS, ROWS> *rows, real *probs, real *out) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (row + r >= s.n_queries) continue;
        real scale = s.n_keys > 0 ? 1 / rows->total[r] : 0;
        store_row<COLUMNS>(a, lane, rows->sum[r], scale * a.drop_scale, 0,
                           out + (s.first_query + row + r) * a.dim + s.head * a.head_dim);
        if (!probs) continue;
        real *p = probs + s.probs + row_of_probs(a, s, row + r);
        for (int k = lane; k < s.n_keys; k += a.lanes) p[k] = exp(p[k] - rows->most[r]) * scale;
    }
}

/* Blocks that a multiprocessor has at once: they bound the registers, so far that the loop over keys does not suffer. */
template <int COLUMNS>
constexpr int BLOCKS_AT_ONCE = COLUMNS == FEW      ? 10
                               : COLUMNS == NARROW ? 8
                                                   : 6;

template <int COLUMNS, int KEYS, int ROWS>
static __global__ void __launch_bounds__(THREADS, BLOCKS_AT_ONCE<COLUMNS>)
    attention_kernel(struct attention_call a, real *probs, real *out) {
    DYNAMIC_SHARED(real, keys);
    real *values = keys + a.tile * a.padded;
    struct block_segment s = segment_of_block(a);
    const real *from = a.kv + s.first_key * 2 * a.dim + s.head * a.head_dim;
    int lane = (int)threadIdx.x % a.lanes, rows_of_block = THREADS / a.lanes * ROWS;
    int row_in_block = (int)threadIdx.x / a.lanes * ROWS, warp_row = (int)threadIdx.x / WARP * WARP / a.lanes * ROWS;
    for (int top = (int)blockIdx.z * rows_of_block; top < s.n_queries; top += (int)gridDim.z * rows_of_block) {
        struct query_rows<COLUMNS, ROWS> rows = {};
        int row = top + row_in_block, warp_has_rows = top + warp_row < s.n_queries;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            rows.most[r] = (real)-INFINITY;
            load_row<COLUMNS>(a, lane, a.q + (s.first_query + row + r) * a.dim + s.head * a.head_dim,
                              row + r < s.n_queries, rows.query[r]);
        }
        for (int first = 0; first < s.n_keys; first += a.tile) {
            int count = s.n_keys - first < a.tile ? s.n_keys - first : a.tile, whole = (count + KEYS - 1) / KEYS * KEYS;
            __syncthreads(); /* the last tile is no longer read */
            load_tile(a, from + first * 2 * a.dim, 2 * a.dim, count, whole, keys);
            load_tile(a, from + first * 2 * a.dim + a.dim, 2 * a.dim, count, whole, values);
            __syncthreads();
            for (int k = 0; warp_has_rows && k < count; k += KEYS)
                take_keys<COLUMNS, KEYS, ROWS>(a, s, row, lane, first + k, keys, values, k, count - k, &rows, probs);
        }
        end_rows<COLUMNS, ROWS>(a, s, row, lane, &rows, probs, out);
    }
}

/* ---- backward, first by queries: with p and f a row's probabilities and dropout factors, slope_k = f_k dout.v_k and
 * dlogit_k = scale p_k (slope_k - sum_j p_j slope_j), kept for the keys' turn; dq += sum_k dlogit_k k_k ---- */

/* What a row has for each key. Key k is touched by lane k % lanes alone. */
struct row_of_keys {
    const real *probs;
    real *dlogit;  /* at first the slope */
    real *dropped; /* f p, or NULL: f = 1 */
};

/* Rows of few keys have these in shared memory, whence the block writes them in order: its threads have different rows,
 * whose places in memory lie far apart. There `dropped` is `probs`, and the sign says what dropout has left: minus, not
 * this one. Rows are an odd number of values apart, for the banks' sake. */
static __device__ inline int stride_of_staged(const struct block_segment &s) { return s.n_keys | 1; }

static __device__ inline int can_stage(const struct attention_call &a, const struct block_segment &s) {
    return 2 * (THREADS / a.lanes) * (int64_t)stride_of_staged(s) <= a.staged;
}

/* dlogit and dropped of one row; returns the mean of the slopes. The whole block must call. */
template <int COLUMNS, bool STAGED>
static __device__ inline real find_slopes(const struct attention_call &a, const struct block_segment &s, int row,
                                          int lane, const real *from, const quad gradient[COLUMNS / 4], real *tile,
                                          struct row_of_keys keys) {
    int there = row < s.n_queries;
    int64_t base = row_of_probs(a, s, row);
    int before = (int)(base % 8), drops = there && a.dropout.rate > 0;
    uint32_t threshold = dropout_threshold(a.dropout.rate);
    real mean = 0;
    unsigned drawn = 0xffff; /* by the two random blocks in which eight keys lie, of which each step draws the second */
    if (drops && before) drawn = dropout_block(a.dropout, threshold, s.drop_key, (uint32_t)(base / 8)) << 8;
    for (int first = 0; first < s.n_keys; first += a.tile) {
        int count = s.n_keys - first < a.tile ? s.n_keys - first : a.tile;
        __syncthreads();
        load_tile(a, from + first * 2 * a.dim, 2 * a.dim, count, count, tile);
        __syncthreads();
        for (int k = first; k < first + count; k++) {
            const quad *x = tile_row(a, tile, k - first, lane);
            real slope = 0;
#pragma unroll
            for (int j = 0; j < COLUMNS / 4; j++) add_inner_product(gradient[j], x[j * a.lanes], &slope);
            slope = lanes_sum(slope, (unsigned)a.lanes);
            if (!there) continue;
            if (drops && k % 8 == 0) {
                uint32_t block = (uint32_t)((base + 7) / 8) + (uint32_t)(k / 8);
                drawn = drawn >> 8 | dropout_block(a.dropout, threshold, s.drop_key, block) << 8;
            }
            if ((k & (a.lanes - 1)) != lane) continue;
            int keeps = drawn >> ((before ? before : 8) + k % 8) & 1;
            real f = keeps ? a.drop_scale : 0, p = keys.probs[k];
            slope *= f;
            mean += p * slope;
            keys.dlogit[k] = slope;
            if (keys.dropped) keys.dropped[k] = !STAGED ? f * p : keeps ? p : -p;
        }
    }
    return lanes_sum(mean, (unsigned)a.lanes);
}

template <int COLUMNS, bool STAGED>
static __device__ inline void backward_queries(const struct attention_call &a, const struct block_segment &s,
                                               real *tile, const real *probs, const real *dout, real *dlogit,
                                               real *dropped, real *dq) {
    const real *from = a.kv + s.first_key * 2 * a.dim + s.head * a.head_dim;
    int lane = (int)threadIdx.x % a.lanes, rows_of_block = THREADS / a.lanes, row_in_block = (int)threadIdx.x / a.lanes;
    int lane_0 = (int)threadIdx.x % WARP - lane; /* the row's first lane in the warp */
    int warp = (int)threadIdx.x / WARP, lane_of_warp = (int)threadIdx.x % WARP, stride = stride_of_staged(s);
    real *staged_probs = tile + a.tile * a.padded, *staged_dlogit = staged_probs + rows_of_block * stride;
    for (int top = (int)blockIdx.z * rows_of_block; top < s.n_queries; top += (int)gridDim.z * rows_of_block) {
        int row = top + row_in_block, there = row < s.n_queries, left = s.n_queries - top;
        int n_rows = left < rows_of_block ? left : rows_of_block;
        int64_t at = (s.first_query + row) * a.dim + s.head * a.head_dim, base = row_of_probs(a, s, row);
        struct row_of_keys keys = {probs + base, dlogit + base, dropped ? dropped + base : NULL};
        if (STAGED) {
            real *own = staged_probs + row_in_block * stride;
            keys = {own, staged_dlogit + row_in_block * stride, dropped ? own : NULL};
            /* Each warp has written out the last rows of the places that it fills: it need not wait for the other. */
            for (int r = warp; r < n_rows; r += THREADS / WARP)
                for (int k = lane_of_warp; k < s.n_keys; k += WARP)
                    staged_probs[r * stride + k] = probs[row_of_probs(a, s, top + r) + k];
        }
        quad gradient[COLUMNS / 4], sum[COLUMNS / 4] = {};
        load_row<COLUMNS>(a, lane, dout + at, there, gradient);
        real mean = find_slopes<COLUMNS, STAGED>(a, s, row, lane, from + a.dim, gradient, tile, keys);
        for (int first = 0; first < s.n_keys; first += a.tile) {
            int count = s.n_keys - first < a.tile ? s.n_keys - first : a.tile;
            __syncthreads();
            load_tile(a, from + first * 2 * a.dim, 2 * a.dim, count, count, tile);
            __syncthreads();
            for (int k = first; k < first + count; k++) {
                real d = 0;
                int owner = k & (a.lanes - 1);
                if (there && owner == lane)
                    d = keys.dlogit[k] = a.scale * fabs(keys.probs[k]) * (keys.dlogit[k] - mean);
                d = __shfl_sync(0xffffffffu, d, lane_0 + owner);
                const quad *x = tile_row(a, tile, k - first, lane);
#pragma unroll
                for (int j = 0; j < COLUMNS / 4; j++) add_scaled(d, x[j * a.lanes], &sum[j]);
            }
        }
        if (there) store_row<COLUMNS>(a, lane, sum, 1, a.accumulate, dq + at);
        if (!STAGED) continue;
        __syncthreads();
        for (int r = warp; r < n_rows; r += THREADS / WARP)
            for (int k = lane_of_warp; k < s.n_keys; k += WARP) {
                int64_t place = row_of_probs(a, s, top + r) + k;
                real p = staged_probs[r * stride + k];
                dlogit[place] = staged_dlogit[r * stride + k];
                if (dropped) dropped[place] = p > 0 ? a.drop_scale * p : 0;
            }
    }
}

template <int COLUMNS>
static __global__ void attention_backward_queries_kernel(struct attention_call a, const real *probs, const real *dout,
                                                         real *dlogit, real *dropped, real *dq) {
    DYNAMIC_SHARED(real, tile);
    struct block_segment s = segment_of_block(a);
    probs += s.probs;
    dlogit += s.probs;
    if (dropped) dropped += s.probs;
    if (can_stage(a, s))
        backward_queries<COLUMNS, true>(a, s, tile, probs, dout, dlogit, dropped, dq);
    else
        backward_queries<COLUMNS, false>(a, s, tile, probs, dout, dlogit, dropped, dq);
}

/* ---- then by keys: dkey_k += sum over the queries of dlogit_k q, and dvalue_k += sum of f p_k dout ---- */
template <int COLUMNS>
static __global__ void attention_backward_keys_kernel(struct attention_call a, const real *dropped, const real *dlogit,
                                                      const real *dout, real *dkv) {
    DYNAMIC_SHARED(real, queries);
    real *gradients = queries + a.tile * a.padded;
    struct block_segment s = segment_of_block(a);
    int64_t from = s.first_query * a.dim + s.head * a.head_dim;
    int lane = (int)threadIdx.x % a.lanes, keys_of_block = THREADS / a.lanes, key_in_block = (int)threadIdx.x / a.lanes;
    for (int top = (int)blockIdx.z * keys_of_block; top < s.n_keys; top += (int)gridDim.z * keys_of_block) {
        int key = top + key_in_block, there = key < s.n_keys;
        quad dkey[COLUMNS / 4] = {}, dvalue[COLUMNS / 4] = {};
        for (int first = 0; first < s.n_queries; first += a.tile) {
            int count = s.n_queries - first < a.tile ? s.n_queries - first : a.tile;
            __syncthreads();
            load_tile(a, a.q + from + first * a.dim, a.dim, count, count, queries);
            load_tile(a, dout + from + first * a.dim, a.dim, count, count, gradients);
            __syncthreads();
            if (!there) continue;
#pragma unroll 4
            for (int r = 0; r < count; r++) {
                int64_t at = s.probs + row_of_probs(a, s, first + r) + key;
                real d = dlogit[at], w = dropped[at];
                const quad *query = tile_row(a, queries, r, lane), *gradient = tile_row(a, gradients, r, lane);
#pragma unroll
                for (int j = 0; j < COLUMNS / 4; j++) {
                    add_scaled(d, query[j * a.lanes], &dkey[j]);
                    add_scaled(w, gradient[j * a.lanes], &dvalue[j]);
                }
            }
        }
        real *to = dkv + (s.first_key + key) * 2 * a.dim + s.head * a.head_dim;
        if (there) store_row<COLUMNS>(a, lane, dkey, 1, a.accumulate, to);
        if (there) store_row<COLUMNS>(a, lane, dvalue, 1, a.accumulate, to + a.dim);
    }
}

/* ---- calls ---- */

/* Fills in what follows from the shapes and the columns of a lane; 0 (error recorded) if the heads are too wide. */
static int plan_call(struct device *device, struct attention_call *a, int columns) {
    a->lanes = 1;
    while (a->lanes * columns < a->head_dim) a->lanes *= 2;
    if (a->lanes > WARP) {
        if (!device->error[0])
            snprintf(device->error, sizeof device->error,
                     "cuda: attention: a head has %d columns, at most %d are possible: use more heads, or device: cpu",
                     a->head_dim, WIDE * WARP);
        return 0;
    }
    a->padded = a->lanes * columns;
    int rows = (int)(TILE_BYTES / (2 * a->padded * sizeof(real)));
    a->tile = rows < TILE ? rows : TILE;
    if (columns != WIDE) a->tile = a->tile / STEP * STEP;
    a->scale = (real)(1 / sqrt((double)a->head_dim));
    a->drop_scale = dropout_scale(a->dropout);
    return 1;
}

/* Blocks for segments of `rows`, of which a block takes `each` at a time. */
static dim3 blocks_of(const struct attention_call *a, struct ragged rows, int each) {
    return dim3((unsigned)rows.n, (unsigned)a->heads, parts_for(rows.n_rows, rows.n, each));
}

/* Room for the rows of a block with up to twice the mean of keys, or with as many as there is room for; 0 where it is
 * not enough for the mean. */
static int staged_values(const struct attention_call *a, int64_t mean_keys) {
    int64_t most = (int64_t)(STAGED_BYTES / sizeof(real)), key = 2 * (THREADS / a->lanes);
    if (key * (mean_keys | 1) > most) return 0;
    int64_t wanted = key * (2 * mean_keys | 1);
    return (int)(wanted < most ? wanted : most);
}

static size_t shared_bytes(const struct attention_call *a, int tiles) {
    return (size_t)tiles * a->tile * a->padded * sizeof(real);
}

static struct attention_call make_call(struct ragged queries, struct ragged keys, const int32_t *pair_offsets,
                                       int64_t heads, int64_t dim, dev_int drop_keys, struct dropout dropout,
                                       dev_real q, dev_real kv) {
    struct attention_call a = {};
    a.queries = queries;
    a.keys = keys;
    a.pair_offsets = pair_offsets;
    a.drop_keys = drop_keys.at;
    a.heads = heads;
    a.dim = dim;
    a.head_dim = (int)(dim / heads);
    a.dropout = dropout;
    a.q = q.at;
    a.kv = kv.at;
    return a;
}

extern "C" void cuda_attention(struct device *device, struct ragged queries, struct ragged keys,
                               struct attention_pairs pairs, int64_t heads, int64_t dim, dev_int drop_keys,
                               struct dropout dropout, dev_real q, dev_real kv, dev_real probs, dev_real out) {
    struct attention_call a =
        make_call(queries, keys, probs.at ? pairs.offsets.at : NULL, heads, dim, drop_keys, dropout, q, kv);
    int few = a.head_dim <= MOST_FEW, narrow = a.head_dim <= MOST_NARROW;
    if (!plan_call(device, &a, few ? FEW : narrow ? NARROW : WIDE)) return;
    a.quads = in_quads(a.head_dim, q.at, kv.at, out.at);
    launch(device, "attention",
           few      ? attention_kernel<FEW, STEP, PAIR>
           : narrow ? attention_kernel<NARROW, STEP, PAIR>
                    : attention_kernel<WIDE, 1, 1>,
           blocks_of(&a, queries, THREADS / a.lanes * (narrow ? PAIR : 1)), THREADS, shared_bytes(&a, 2), a, probs.at,
           out.at);
}

extern "C" void cuda_attention_backward(struct device *device, struct ragged queries, struct ragged keys,
                                        struct attention_pairs pairs, int64_t heads, int64_t dim, dev_int drop_keys,
                                        struct dropout dropout, dev_real q, dev_real kv, dev_real probs, dev_real dout,
                                        dev_real dq, dev_real dkv, int accumulate) {
    struct attention_call a = make_call(queries, keys, pairs.offsets.at, heads, dim, drop_keys, dropout, q, kv);
    int drops = dropout.rate > 0, narrow = a.head_dim <= MOST_NARROW;
    if (pairs.n <= 0) {
        if (accumulate) return;
        cuda_fill(device, queries.n_rows * dim, 0, dq);
        cuda_fill(device, keys.n_rows * 2 * dim, 0, dkv);
        return;
    }
    if (!plan_call(device, &a, narrow ? NARROW : WIDE)) return;
    a.accumulate = accumulate;
    a.quads = in_quads(a.head_dim, q.at, kv.at, dout.at) && in_quads(a.head_dim, dq.at, dkv.at);
    real *dlogit = cuda_scratch(device, heads * pairs.n * (drops ? 2 : 1));
    if (!dlogit) return;
    real *dropped = drops ? dlogit + heads * pairs.n : NULL;
    a.staged = staged_values(&a, pairs.n / queries.n_rows);
    launch(device, "attention_backward",
           narrow ? attention_backward_queries_kernel<NARROW> : attention_backward_queries_kernel<WIDE>,
           blocks_of(&a, queries, THREADS / a.lanes), THREADS, shared_bytes(&a, 1) + (size_t)a.staged * sizeof(real), a,
           probs.at, dout.at, dlogit, dropped, dq.at);
    launch(device, "attention_backward",
           narrow ? attention_backward_keys_kernel<NARROW> : attention_backward_keys_kernel<WIDE>,
           blocks_of(&a, keys, THREADS / a.lanes), THREADS, shared_bytes(&a, 2), a, drops ? dropped : probs.at, dlogit,
           dout.at, dkv.at);
}
