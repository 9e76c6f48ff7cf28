/* Attention, backward (Dao, 2023): the probabilities are computed anew from the statistics, once by queries for dq and the types'
 * bias and dots, and once by keys for dk and dv. With p and f the probabilities and dropout's factors of a row,
 *   slope_k = f_k (dout.v_k + dsums),   dlogit_k = p_k (slope_k - D)   with   D = sum p slope = dout.out + dsums.sums,
 *   dq += scale dlogit_k k_k,   dk_k += scale dlogit_k q,   dv_k += p_k f_k dout,   ddots[type of k] += scale dlogit_k. */
#include <stdio.h>

#include "cuda/attention.cuh"

enum { AT_ONCE = 4, MOST_TYPES = 1024 };

struct backward_call {
    struct attention_call c;
    struct attention_gradients g;
    real *means; /* D, [query rows, heads]: written by queries, read by keys */
};

static __device__ inline real dsum_of_pair(const struct backward_call &b, const struct block_segment &s, int row,
                                           int key) {
    if (!b.g.dsums.at) return 0;
    return b.g.dsums.at[row_and_head(b.c, s, row) * b.c.n_types + type_of_pair(b.c, s, row, key)];
}

/* ---- by queries ---- */
/* D of a row; the whole warp must call. */
template <int COLUMNS>
static __device__ inline real find_mean(const struct backward_call &b, const struct block_segment &s, int row, int lane,
                                        int there, const quad gradient[COLUMNS / 4]) {
    real mean = 0;
    const real *out = b.g.out.at + (there ? offset_in_out(b.c, s, row) : 0);
#pragma unroll
    for (int j = 0; j < COLUMNS / 4; j++) {
        int column = 4 * (j * b.c.lanes + lane);
        add_inner_product(gradient[j], load_quad(out + column, there ? b.c.head_dim - column : 0, b.c.quads), &mean);
    }
    int64_t first = there ? row_and_head(b.c, s, row) * b.c.n_types : 0;
    for (int64_t y = lane; b.g.dsums.at && there && y < b.c.n_types; y += b.c.lanes)
        mean += b.g.dsums.at[first + y] * b.g.sums.at[first + y];
    return lanes_sum(mean, (unsigned)b.c.lanes);
}

/* What a row of queries has in registers. */
template <int COLUMNS>
struct backward_row {
    quad query[COLUMNS / 4], gradient[COLUMNS / 4], sum[COLUMNS / 4];
    real most, part, mean; /* part: 1 / the sum of exponentials */
    int n_keys;            /* that it sees */
};

template <int COLUMNS, int KEYS>
static __device__ inline void take_keys_back(const struct backward_call &b, const struct block_segment &s, int row,
                                             int lane, int key, const real *keys, const real *values, int first,
                                             real *dbias, struct backward_row<COLUMNS> *r) {
    const struct attention_call &c = b.c;
    real dots[2 * KEYS] = {}; /* with keys, and of the gradient with values */
#pragma unroll
    for (int k = 0; k < KEYS; k++) {
        const quad *x = tile_row(c, keys, first + k, lane), *y = tile_row(c, values, first + k, lane);
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++) {
            add_inner_product(r->query[j], x[j * c.lanes], &dots[k]);
            add_inner_product(r->gradient[j], y[j * c.lanes], &dots[KEYS + k]);
        }
    }
    lanes_sums<2 * KEYS>(dots, c.lanes);
    unsigned kept = surviving_keys<KEYS, 1>(c, s, row, lane, key);
#pragma unroll
    for (int k = 0; k < KEYS; k++) {
        real d = 0;
        if (key + k < r->n_keys) {
            real logit = c.scale * dots[k] + bias_of_pair(c, s, row, key + k), p = exp(logit - r->most) * r->part;
            real slope = kept >> k & 1 ? c.drop_scale * (dots[KEYS + k] + dsum_of_pair(b, s, row, key + k)) : 0;
            d = p * (slope - r->mean);
            if (dbias && lane == 0) atomicAdd(&dbias[type_of_pair(c, s, row, key + k)], d);
            if (b.g.ddots.at && lane == 0) /* this lane's alone */
                b.g.ddots.at[row_and_head(c, s, row) * c.n_types + type_of_pair(c, s, row, key + k)] += c.scale * d;
        }
        const quad *x = tile_row(c, keys, first + k, lane);
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++) add_scaled(c.scale * d, x[j * c.lanes], &r->sum[j]);
    }
}

template <int COLUMNS>
static __device__ inline void load_backward_row(const struct backward_call &b, const struct block_segment &s, int row,
                                                int lane, struct backward_row<COLUMNS> *r) {
    const struct attention_call &c = b.c;
    int there = row < s.n_queries;
    load_row<COLUMNS>(c, lane, c.a.q.at + (there ? offset_in_q(c, s, row) : 0), there, r->query);
    load_row<COLUMNS>(c, lane, b.g.dout.at + (there ? offset_in_out(c, s, row) : 0), there, r->gradient);
    r->n_keys = there ? visible_keys(s, row) : 0;
    r->mean = find_mean<COLUMNS>(b, s, row, lane, there, r->gradient);
    r->most = r->part = 0;
    if (r->n_keys > 0) {
        const real *stats = c.a.stats.at + 2 * row_and_head(c, s, row);
        r->most = stats[0];
        r->part = 1 / stats[1];
    }
    if (there && lane == 0) b.means[row_and_head(c, s, row)] = r->mean;
}

template <int COLUMNS, int KEYS>
static __global__ void __launch_bounds__(THREADS) attention_backward_queries_kernel(struct backward_call b) {
    DYNAMIC_SHARED(real, keys);
    const struct attention_call &c = b.c;
    real *values = keys + c.tile * c.padded, *dbias = b.g.dbias.at ? values + c.tile * c.padded : NULL;
    struct block_segment s = segment_of_block(c);
    set_head(c, blockIdx.y, &s);
    int lane = (int)threadIdx.x % c.lanes, rows_of_block = THREADS / c.lanes, row_in_block = (int)threadIdx.x / c.lanes;
    int wanted = b.g.dq.at || dbias || b.g.ddots.at; /* else D alone */
    for (int64_t y = threadIdx.x; dbias && y < c.n_types; y += THREADS) dbias[y] = 0;
    for (int top = (int)blockIdx.z * rows_of_block; top < s.n_queries; top += (int)gridDim.z * rows_of_block) {
        struct backward_row<COLUMNS> r = {};
        int row = top + row_in_block, n_keys = wanted ? visible_keys(s, top + rows_of_block - 1) : 0;
        load_backward_row<COLUMNS>(b, s, row, lane, &r);
        for (int first = 0; first < n_keys; first += c.tile) {
            int count = n_keys - first < c.tile ? n_keys - first : c.tile, whole = (count + KEYS - 1) / KEYS * KEYS;
            __syncthreads();
            load_keys(c, s, c.a.k.at, first, count, whole, keys);
            load_keys(c, s, c.a.v.at, first, count, whole, values);
            __syncthreads();
            for (int k = 0; k < count; k += KEYS)
                take_keys_back<COLUMNS, KEYS>(b, s, row, lane, first + k, keys, values, k, dbias, &r);
        }
        if (row < s.n_queries && b.g.dq.at)
            store_row<COLUMNS>(c, lane, r.sum, 1, b.g.add_q, b.g.dq.at + offset_in_q(c, s, row));
    }
    __syncthreads();
    for (int64_t y = threadIdx.x; dbias && y < c.n_types; y += THREADS)
        if (dbias[y] != 0) atomicAdd(&b.g.dbias.at[s.head * c.n_types + y], dbias[y]);
}

/* ---- by keys: heads that share a kv head one after the other ---- */
/* Of the rows of a tile of queries. */
struct tile_rows {
    real most[TILE], part[TILE], mean[TILE];
    /* Byte b of a row: whether the eight elements from 8 b before the block's first key on survive, in the order of the random
     * blocks; `before` elements of the first are of earlier keys. */
    unsigned char kept[TILE][THREADS / 8 + 2];
    int before[TILE];
};

static __device__ inline void load_tile_rows(const struct backward_call &b, const struct block_segment &s, int first,
                                             int count, int top, int keys_of_block, struct tile_rows *rows) {
    const struct attention_call &c = b.c;
    for (int r = (int)threadIdx.x; r < count; r += THREADS) {
        int64_t at = row_and_head(c, s, first + r);
        rows->most[r] = c.a.stats.at[2 * at];
        rows->part[r] = 1 / c.a.stats.at[2 * at + 1];
        rows->mean[r] = b.means[at];
        rows->before[r] = (int)((first_element(c, s, first + r) + top) % 8);
    }
    if (c.a.dropout.rate == 0) return;
    uint32_t threshold = dropout_threshold(c.a.dropout.rate);
    int bytes = keys_of_block / 8 + 2;
    for (int e = (int)threadIdx.x; e < count * bytes; e += THREADS) {
        int64_t element = first_element(c, s, first + e / bytes) + top;
        rows->kept[e / bytes][e % bytes] = (unsigned char)dropout_block(
            c.a.dropout, threshold, s.drop_key, (uint32_t)(element / 8) + (uint32_t)(e % bytes));
    }
}

/* What a key has in registers. */
template <int COLUMNS>
struct backward_key {
    quad key[COLUMNS / 4], value[COLUMNS / 4], dkey[COLUMNS / 4], dvalue[COLUMNS / 4];
};

/* Takes ROWS query rows of the tile, from `r` on: `first` + r is the first. */
template <int COLUMNS, int ROWS>
static __device__ inline void take_queries(const struct backward_call &b, const struct block_segment &s, int first,
                                           int r, int count, int key, int key_in_block, int lane, const real *queries,
                                           const real *gradients, const struct tile_rows &rows,
                                           struct backward_key<COLUMNS> *x) {
    const struct attention_call &c = b.c;
    real dots[2 * ROWS] = {};
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const quad *q = tile_row(c, queries, r + i, lane), *g = tile_row(c, gradients, r + i, lane);
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++) {
            add_inner_product(x->key[j], q[j * c.lanes], &dots[i]);
            add_inner_product(x->value[j], g[j * c.lanes], &dots[ROWS + i]);
        }
    }
    lanes_sums<2 * ROWS>(dots, c.lanes);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        int row = first + r + i;
        if (r + i >= count || key >= visible_keys(s, row)) continue;
        int bit = rows.before[r + i] + key_in_block;
        int keeps = c.a.dropout.rate == 0 || (rows.kept[r + i][bit / 8] >> bit % 8 & 1);
        real logit = c.scale * dots[i] + bias_of_pair(c, s, row, key);
        real p = exp(logit - rows.most[r + i]) * rows.part[r + i];
        real slope = keeps ? c.drop_scale * (dots[ROWS + i] + dsum_of_pair(b, s, row, key)) : 0;
        real d = c.scale * p * (slope - rows.mean[r + i]), w = keeps ? c.drop_scale * p : 0;
        const quad *q = tile_row(c, queries, r + i, lane), *g = tile_row(c, gradients, r + i, lane);
#pragma unroll
        for (int j = 0; j < COLUMNS / 4; j++) {
            add_scaled(d, q[j * c.lanes], &x->dkey[j]);
            add_scaled(w, g[j * c.lanes], &x->dvalue[j]);
        }
    }
}

/* Other segments may add to the same row. */
template <int COLUMNS>
static __device__ inline void add_row_atomically(const struct attention_call &c, int lane, const quad row[COLUMNS / 4],
                                                 real *to) {
    for (int j = 0; j < COLUMNS / 4; j++)
        for (int i = 0; i < 4; i++) {
            int column = 4 * (j * c.lanes + lane) + i;
            if (column < c.head_dim) atomicAdd(&to[column], row[j].at[i]);
        }
}

template <int COLUMNS>
static __device__ inline void store_key(const struct backward_call &b, const struct block_segment &s, int key, int lane,
                                        const struct backward_key<COLUMNS> &x) {
    const struct attention_gradients &g = b.g;
    int64_t at = offset_of_key(b.c, s, key);
    int shared = g.dk.at && g.dv.at == g.dk.at; /* dv comes second, to what dk has left */
    if (b.c.a.key_index.at) {
        if (g.dk.at) add_row_atomically<COLUMNS>(b.c, lane, x.dkey, g.dk.at + at);
        if (g.dv.at) add_row_atomically<COLUMNS>(b.c, lane, x.dvalue, g.dv.at + at);
        return;
    }
    if (g.dk.at) store_row<COLUMNS>(b.c, lane, x.dkey, 1, g.add_kv, g.dk.at + at);
    if (g.dv.at) store_row<COLUMNS>(b.c, lane, x.dvalue, 1, g.add_kv || shared, g.dv.at + at);
}

template <int COLUMNS, int ROWS>
static __global__ void __launch_bounds__(THREADS) attention_backward_keys_kernel(struct backward_call b) {
    DYNAMIC_SHARED(real, queries);
    __shared__ struct tile_rows rows;
    const struct attention_call &c = b.c;
    real *gradients = queries + c.tile * c.padded;
    struct block_segment s = segment_of_block(c);
    int64_t group = c.a.heads / c.a.kv_heads;
    int lane = (int)threadIdx.x % c.lanes, keys_of_block = THREADS / c.lanes, key_in_block = (int)threadIdx.x / c.lanes;
    for (int top = (int)blockIdx.z * keys_of_block; top < s.n_keys; top += (int)gridDim.z * keys_of_block) {
        int key = top + key_in_block, there = key < s.n_keys;
        int seen_from = top - s.more_keys > 0 ? top - s.more_keys : 0; /* the first row that sees the first key */
        struct backward_key<COLUMNS> x = {};
        set_head(c, blockIdx.y * group, &s);
        load_row<COLUMNS>(c, lane, c.a.k.at + (there ? offset_of_key(c, s, key) : 0), there, x.key);
        load_row<COLUMNS>(c, lane, c.a.v.at + (there ? offset_of_key(c, s, key) : 0), there, x.value);
        for (int64_t h = blockIdx.y * group; h < (blockIdx.y + 1) * group; h++) {
            set_head(c, h, &s);
            for (int first = seen_from; first < s.n_queries; first += c.tile) {
                int count = s.n_queries - first < c.tile ? s.n_queries - first : c.tile;
                int whole = (count + ROWS - 1) / ROWS * ROWS;
                __syncthreads();
                load_rows(c, c.a.q.at + offset_in_q(c, s, first), c.a.ld_q, count, whole, queries);
                load_rows(c, b.g.dout.at + offset_in_out(c, s, first), c.a.heads * c.head_dim, count, whole, gradients);
                load_tile_rows(b, s, first, count, top, keys_of_block, &rows);
                __syncthreads();
                for (int r = 0; r < count; r += ROWS)
                    take_queries<COLUMNS, ROWS>(b, s, first, r, count, there ? key : s.n_keys, key_in_block, lane,
                                                queries, gradients, rows, &x);
            }
        }
        if (there) store_key<COLUMNS>(b, s, key, lane, x);
    }
}

/* ---- calls ---- */
static int types_fit(struct device *device, const struct attention *a, const struct attention_gradients *g) {
    if (!g->dbias.at || a->types.n_types <= MOST_TYPES) return 1;
    if (!device->error[0])
        snprintf(device->error, sizeof device->error,
                 "cuda: attention_backward: pairs have %lld types, at most %d are possible: use device: cpu",
                 (long long)a->types.n_types, MOST_TYPES);
    return 0;
}

extern "C" void cuda_attention_backward(struct device *device, const struct attention *a,
                                        const struct attention_gradients *g) {
    struct backward_call b;
    int narrow = a->head_dim <= MOST_NARROW;
    if (attention_is_shared(a) && g->dq.at && g->dk.at && g->dk.at == g->dv.at) {
        attention_shared_backward(device, a, g);
        return;
    }
    if (!attention_plan(device, a, narrow ? NARROW : WIDE, &b.c) || !types_fit(device, a, g)) return;
    b.g = *g;
    b.c.quads = b.c.quads && in_quads(a->head_dim, g->out.at, g->dout.at, g->dq.at) &&
                in_quads(a->head_dim, g->dk.at, g->dv.at);
    b.means = cuda_scratch(device, a->queries.n_rows * a->heads);
    if (!b.means) return;
    size_t dbias = g->dbias.at ? (size_t)a->types.n_types * sizeof(real) : 0;
    launch(device, "attention_backward",
           narrow ? attention_backward_queries_kernel<NARROW, AT_ONCE> : attention_backward_queries_kernel<WIDE, 1>,
           attention_blocks(a->queries, a->heads, THREADS / b.c.lanes), THREADS, attention_tiles(&b.c, 2) + dbias, b);
    if (!g->dk.at && !g->dv.at) return;
    launch(device, "attention_backward",
           narrow ? attention_backward_keys_kernel<NARROW, AT_ONCE> : attention_backward_keys_kernel<WIDE, 1>,
           attention_blocks(a->keys, a->kv_heads, THREADS / b.c.lanes), THREADS, attention_tiles(&b.c, 2), b);
}
