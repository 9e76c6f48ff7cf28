/* What the kernels of attention share. A block has one head of one segment (backward by keys: one kv head); keys, values or
 * queries pass through shared memory in tiles, and each row at work stays in the registers of a few lanes. */
#ifndef MEDTOK_KERNELS_CUDA_ATTENTION_CUH
#define MEDTOK_KERNELS_CUDA_ATTENTION_CUH

#include <math.h>

#include "cuda/primitives.h"
#include "cuda/rows.cuh"

enum {
    THREADS = 64,
    FEW = 4,     /* columns of a row in one lane's registers, forward, for heads up to MOST_FEW: more lanes at work; */
    NARROW = 16, /* for heads up to MOST_NARROW, */
    WIDE = 64,   /* and for wider ones */
    MOST_FEW = 32,
    MOST_NARROW = 256,
    STEP = 8,  /* keys at a time, most: one draw of dropout */
    TILE = 32, /* most rows of a tile */
    TILE_BYTES = 32 << 10
};

/* One call, as every kernel gets it. Lane j of a row's `lanes` lanes has the quads j, j + lanes, .. of the head's `padded`
 * columns, zero behind head_dim. */
struct attention_call {
    struct attention a;
    int head_dim, padded, lanes, tile, quads;
    int64_t n_types; /* of sums: at least 1 */
    real scale, drop_scale;
};

/* ---- what a block works on, and moves of rows ---- */
struct block_segment {
    int64_t first_query, first_key, head, kv_head;
    int n_queries, n_keys;
    int more_keys; /* row t sees the first t + 1 + more_keys keys */
    int32_t drop_key;
};

static __device__ inline struct block_segment segment_of_block(const struct attention_call &c) {
    const struct attention &a = c.a;
    int64_t i = blockIdx.x;
    struct block_segment s;
    s.first_query = a.queries.first.at ? a.queries.first.at[i] : i;
    s.first_key = a.keys.first.at ? a.keys.first.at[i] : i;
    s.n_queries = a.queries.first.at ? (int)(a.queries.end.at[i] - s.first_query) : 1;
    s.n_keys = a.keys.first.at ? (int)(a.keys.end.at[i] - s.first_key) : 1;
    s.more_keys = a.causal ? s.n_keys - s.n_queries : s.n_keys;
    s.drop_key = a.dropout.rate > 0 ? a.drop_keys.at[i] : 0;
    s.head = s.kv_head = 0;
    return s;
}

static __device__ inline void set_head(const struct attention_call &c, int64_t head, struct block_segment *s) {
    s->head = head;
    s->kv_head = head / (c.a.heads / c.a.kv_heads);
}

/* How many keys a query row sees. */
static __device__ inline int visible_keys(const struct block_segment &s, int row) {
    int n = row + 1 + s.more_keys;
    return n < 0 ? 0 : n < s.n_keys ? n : s.n_keys;
}

/* The number of a query row's first element, for dropout. */
static __device__ inline int64_t first_element(const struct attention_call &c, const struct block_segment &s, int row) {
    return ((int64_t)row * c.a.heads + s.head) * s.n_keys;
}

static __device__ inline int64_t row_and_head(const struct attention_call &c, const struct block_segment &s, int row) {
    return (s.first_query + row) * c.a.heads + s.head;
}

/* Where a query row begins in q, and in out. */
static __device__ inline int64_t offset_in_q(const struct attention_call &c, const struct block_segment &s, int row) {
    return (s.first_query + row) * c.a.ld_q + s.head * c.head_dim;
}
static __device__ inline int64_t offset_in_out(const struct attention_call &c, const struct block_segment &s, int row) {
    return row_and_head(c, s, row) * c.head_dim;
}

/* Where a key begins in k and v. */
static __device__ inline int64_t offset_of_key(const struct attention_call &c, const struct block_segment &s, int key) {
    int64_t row = s.first_key + key;
    return (c.a.key_index.at ? c.a.key_index.at[row] : row) * c.a.ld_kv + s.kv_head * c.head_dim;
}

static __device__ inline int type_of_pair(const struct attention_call &c, const struct block_segment &s, int row,
                                          int key) {
    const struct pair_types &y = c.a.types;
    if (y.n_types == 0) return 0;
    return y.type.at[y.kind_of_query.at[s.first_query + row] * y.n_kinds + y.kind_of_key.at[s.first_key + key]];
}

/* What a pair's type adds to its logit. */
static __device__ inline real bias_of_pair(const struct attention_call &c, const struct block_segment &s, int row,
                                           int key) {
    const struct pair_types &y = c.a.types;
    if (!y.bias.at && !y.dots.at) return 0;
    int type = type_of_pair(c, s, row, key);
    real bias = y.bias.at ? y.bias.at[s.head * y.n_types + type] : 0;
    return y.dots.at ? bias + c.scale * y.dots.at[row_and_head(c, s, row) * y.n_types + type] : bias;
}

static __device__ inline quad load_quad(const real *from, int columns_left, int quads) {
    if (quads && columns_left >= 4) return *reinterpret_cast<const quad *>(from);
    quad x = {};
    for (int i = 0; i < 4; i++)
        if (i < columns_left) x.at[i] = from[i];
    return x;
}

template <int COLUMNS>
static __device__ inline void load_row(const struct attention_call &c, int lane, const real *from, int there,
                                       quad row[COLUMNS / 4]) {
#pragma unroll
    for (int j = 0; j < COLUMNS / 4; j++) {
        int column = 4 * (j * c.lanes + lane);
        row[j] = load_quad(from + column, there ? c.head_dim - column : 0, c.quads);
    }
}

/* to[head_dim] = weight row, or += with accumulate. */
template <int COLUMNS>
static __device__ inline void store_row(const struct attention_call &c, int lane, const quad row[COLUMNS / 4],
                                        real weight, int accumulate, real *to) {
#pragma unroll
    for (int j = 0; j < COLUMNS / 4; j++) {
        int column = 4 * (j * c.lanes + lane);
        if (c.quads && column + 4 <= c.head_dim) {
            quad *at = reinterpret_cast<quad *>(to + column), x = accumulate ? *at : quad{};
            add_scaled(weight, row[j], &x);
            *at = x;
            continue;
        }
        for (int i = 0; i < 4; i++)
            if (column + i < c.head_dim) to[column + i] = (accumulate ? to[column + i] : 0) + weight * row[j].at[i];
    }
}

/* tile[rows, padded] = `count` keys (or values: of x) from `first` on, and zeros behind them. The block must wait on both
 * sides, here and below. */
static __device__ inline void load_keys(const struct attention_call &c, const struct block_segment &s, const real *x,
                                        int first, int count, int rows, real *tile) {
    unsigned quads_of_row = (unsigned)c.padded / 4;
    for (unsigned e = threadIdx.x; e < rows * quads_of_row; e += blockDim.x) {
        int r = (int)(e / quads_of_row), column = 4 * (int)(e % quads_of_row);
        const real *from = r < count ? x + offset_of_key(c, s, first + r) + column : x;
        reinterpret_cast<quad *>(tile)[e] = load_quad(from, r < count ? c.head_dim - column : 0, c.quads);
    }
}

/* The same of rows that lie `stride` apart. */
static __device__ inline void load_rows(const struct attention_call &c, const real *from, int64_t stride, int count,
                                        int rows, real *tile) {
    unsigned quads_of_row = (unsigned)c.padded / 4;
    for (unsigned e = threadIdx.x; e < rows * quads_of_row; e += blockDim.x) {
        int r = (int)(e / quads_of_row), column = 4 * (int)(e % quads_of_row);
        reinterpret_cast<quad *>(tile)[e] =
            load_quad(r < count ? from + r * stride + column : from, r < count ? c.head_dim - column : 0, c.quads);
    }
}

static __device__ inline const quad *tile_row(const struct attention_call &c, const real *tile, int row, int lane) {
    return reinterpret_cast<const quad *>(tile + row * c.padded) + lane;
}

/* Bit STEP r + k: whether key `key` + k of query row `row` + r survives dropout, for k < KEYS. The lanes of the rows share
 * the random blocks, of which each row has one or two. The whole warp must call. */
template <int KEYS, int ROWS>
static __device__ inline unsigned surviving_keys(const struct attention_call &c, const struct block_segment &s, int row,
                                                 int lane, int key) {
    if (c.a.dropout.rate == 0) return ~0u;
    uint32_t threshold = dropout_threshold(c.a.dropout.rate);
    unsigned kept = 0;
    for (int draw = lane; draw < 2 * ROWS; draw += c.lanes) {
        int r = draw / 2, second = draw % 2;
        int64_t element = first_element(c, s, row + r) + key;
        int before = (int)(element % 8);
        if (second && before + KEYS <= 8) continue;
        unsigned bits = dropout_block(c.a.dropout, threshold, s.drop_key, (uint32_t)(element / 8) + (uint32_t)second);
        kept |= ((second ? bits << (8 - before) : bits >> before) & 0xff) << STEP * r;
    }
    for (int step = c.lanes / 2; step > 0; step /= 2) kept |= __shfl_xor_sync(0xffffffffu, kept, step);
    return kept;
}

/* As lanes_sum, for N sums at once: one waits for none. */
template <int N>
static __device__ inline void lanes_sums(real x[N], int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2)
#pragma unroll
        for (int i = 0; i < N; i++) x[i] += __shfl_xor_sync(0xffffffffu, x[i], step);
}

/* ---- calls ---- */
/* Fills in what follows from the shapes and the columns of a lane; 0 (error recorded) if the heads are too wide. */
int attention_plan(struct device *device, const struct attention *a, int columns, struct attention_call *c);

/* Blocks for `heads` heads of the segments of `rows`, of which a block takes `each` at a time. */
static inline dim3 attention_blocks(const struct spans &rows, int64_t heads, int each) {
    return dim3((unsigned)rows.n, (unsigned)heads, parts_for(rows.n_rows, rows.n, each));
}

static inline size_t attention_tiles(const struct attention_call *c, int tiles) {
    return (size_t)tiles * c->tile * c->padded * sizeof(real);
}

/* Whether rows begin at multiples of four values. */
static inline int attention_in_quads(const struct attention *a) {
    return a->ld_q % 4 == 0 && a->ld_kv % 4 == 0 && in_quads(a->head_dim, a->q.at, a->k.at, a->v.at);
}

/* One query a segment and rows that are key and value of all heads: attention_shared.cu's. */
static inline int attention_is_shared(const struct attention *a) {
    return !a->queries.first.at && a->keys.first.at && a->kv_heads == 1 && a->k.at == a->v.at && !a->key_index.at &&
           a->types.n_types == 0;
}
void attention_shared(struct device *device, const struct attention *a, real *out, real *sums);
void attention_shared_backward(struct device *device, const struct attention *a, const struct attention_gradients *g);

#endif
