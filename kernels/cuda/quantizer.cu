/* Distance with top-K in tiles, and its gradient. Rows have norm 1, so |u|^2 + |c|^2 - 2 u.c falls as u.c grows, and
 * u.c is what is ranked; always in full precision.
 *
 * A block multiplies QUERIES queries by CANDIDATES candidates at a time, out of shared memory, each thread 4 x 8 of
 * them in registers. The 16 threads (half a warp) that share a query also hold its list of the best, one entry a
 * thread, and compare their products with the list's last while these are still in registers: after the first tiles
 * nearly nothing passes. The candidates are cut into slices, so that few queries fill the device too, and a second
 * kernel merges the slices' lists. Neither the products nor the merge depend on the cut: results are the same on each
 * device and in each run.
 *
 * Floor: 2 n N dim flops in float32. In each step of dim a warp issues 32 FMA instructions beside 3 reads of shared
 * memory; the candidates come from the L2 cache (21,000 x 64 floats are 5 MB).
 */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"

enum { QUERIES = 64, CANDIDATES = 128, TILE_THREADS = 256, MAX_TOP_K = 16 };
enum { HALF = 16, THREAD_QUERIES = 4, THREAD_CANDIDATES = 8 }; /* a half warp: 4 queries, 16 x 8 candidates */
enum { DEPTH = 64 / sizeof(real), GROUP = 4 };                 /* of a tile in shared memory; read in groups of 4 */
enum { MAX_SLICES = 64, BLOCKS_AT_ONCE = 2 }; /* blocks of search_kernel that a multiprocessor has registers for */
static const unsigned ALL_LANES = 0xffffffffu;

/* A tile's rows lie along the fast index. The pitch turns the banks by 4 from one k to the next, so that the stores of
 * load_tile, 16 rows of 2 groups a warp, fall in 32 different ones, and rows of a k start at 16 bytes. */
template <int ROWS>
struct alignas(16) tile {
    real at[DEPTH][ROWS + 4];
};

/* ---- the two halves of a warp are its even and its odd lanes, place 0..15 in each. So lanes n and n^1 have the same
 * candidates, and n and n^2 the same queries: then a warp's read of 16 bytes a lane takes the shared memory 2 cycles,
 * else 4. ---- */
static __device__ int half_of_warp() { return (int)threadIdx.x % 2; }
static __device__ int place_in_half() { return (int)threadIdx.x % WARP / 2; }

/* The first query of this thread's THREAD_QUERIES, of the block's. */
static __device__ int first_query_of_thread() {
    return ((int)threadIdx.x / WARP * 2 + half_of_warp()) * THREAD_QUERIES;
}

/* ---- the list of the best: entry j at place j of a half warp, best first ---- */
struct entry {
    real dot;
    int32_t index;
};

/* Behind each entry of a list. */
static __device__ struct entry no_entry() { return {-INFINITY, INT32_MAX}; }

static __device__ bool is_better(struct entry a, struct entry b) {
    return a.dot > b.dot || (a.dot == b.dot && a.index < b.index);
}

/* The best of the entries of the lanes that differ from this one in the bits `least_step` and above alone. */
static __device__ struct entry best_of_lanes(struct entry best, int least_step) {
#pragma unroll
    for (int step = WARP / 2; step >= least_step; step /= 2) {
        struct entry other = {__shfl_xor_sync(ALL_LANES, best.dot, step), __shfl_xor_sync(ALL_LANES, best.index, step)};
        if (is_better(other, best)) best = other;
    }
    return best;
}

/* Puts `next` behind the entries that are at least as good, if `insert` (the same in the half warp). Every lane of the
 * warp calls. */
static __device__ void insert_entry(struct entry *best, struct entry next, bool insert) {
    int place = place_in_half();
    unsigned ahead = __ballot_sync(ALL_LANES, best->dot >= next.dot) >> half_of_warp() & 0x55555555u;
    struct entry before = {__shfl_up_sync(ALL_LANES, best->dot, 2), __shfl_up_sync(ALL_LANES, best->index, 2)};
    int at = __popc(ahead);
    if (insert && place >= at) *best = place == at ? next : before;
}

/* Which of the tile's candidates is number j of this thread. */
static __device__ int candidate_of(int j) { return j / GROUP * (HALF * GROUP) + place_in_half() * GROUP + j % GROUP; }

/* Takes from a thread's dots of one query, for candidates base + candidate_of(j), what is better than the list's last:
 * the half warp's best each time, ties to the smaller index, until none is left. Earlier candidates have smaller
 * indices, so that only a strictly larger dot passes, and no NaN does. */
static __device__ void scan_dots(real dots[THREAD_CANDIDATES], int64_t base, int top_k, struct entry *best,
                                 real *threshold) {
    for (;;) {
        real most = -INFINITY;
#pragma unroll
        for (int j = 0; j < THREAD_CANDIDATES; j++) most = fmax(most, dots[j]);
        if (!__any_sync(ALL_LANES, most > *threshold)) return;
        int32_t index = INT32_MAX;
#pragma unroll
        for (int j = THREAD_CANDIDATES - 1; j >= 0; j--)
            if (dots[j] == most) index = (int32_t)(base + candidate_of(j));
        struct entry next = best_of_lanes({most, index}, 2);
        insert_entry(best, next, next.dot > *threshold);
#pragma unroll
        for (int j = 0; j < THREAD_CANDIDATES; j++)
            if (base + candidate_of(j) == next.index) dots[j] = -INFINITY;
        *threshold = __shfl_sync(ALL_LANES, best->dot, 2 * (top_k - 1) + half_of_warp());
    }
}

/* ---- tiles: rows first.. of x, columns k..k+DEPTH-1, zeros beyond; in registers between reading and storing ---- */
template <int ROWS>
struct tile_part {
    enum { READS = (ROWS * DEPTH / GROUP + TILE_THREADS - 1) / TILE_THREADS };
    real at[READS][GROUP];
};

/* Read number i of this thread: two neighbouring threads read 32 neighbouring bytes. Whether there is one. */
template <int ROWS>
static __device__ bool read_place(int i, int *row, int *k) {
    int id = (int)threadIdx.x + i * TILE_THREADS;
    *row = id / 2 % ROWS;
    *k = (id % 2 + id / 2 / ROWS * 2) * GROUP;
    return id < ROWS * DEPTH / GROUP;
}

template <int ROWS>
static __device__ void read_tile(const real *x, int64_t first, int64_t end, int64_t dim, int64_t base, int wide,
                                 struct tile_part<ROWS> *part) {
#pragma unroll
    for (int i = 0; i < tile_part<ROWS>::READS; i++) {
        int row, k;
        bool there = read_place<ROWS>(i, &row, &k) && first + row < end;
        const real *from = x + (first + row) * dim + base + k;
        if (there && wide && base + k + GROUP <= dim) {
#pragma unroll
            for (int j = 0; j < GROUP / PACK; j++) {
                struct pack p = ((const struct pack *)from)[j];
                for (int l = 0; l < PACK; l++) part->at[i][j * PACK + l] = p.at[l];
            }
        } else {
            for (int j = 0; j < GROUP; j++) part->at[i][j] = there && base + k + j < dim ? from[j] : 0;
        }
    }
}

template <int ROWS>
static __device__ void store_tile(const struct tile_part<ROWS> *part, struct tile<ROWS> *to) {
#pragma unroll
    for (int i = 0; i < tile_part<ROWS>::READS; i++) {
        int row, k;
        if (!read_place<ROWS>(i, &row, &k)) continue;
        for (int j = 0; j < GROUP; j++) to->at[k + j][row] = part->at[i][j];
    }
}

static __device__ void read_group(const real *from, real to[GROUP]) {
    for (int j = 0; j < GROUP / PACK; j++) {
        struct pack p = ((const struct pack *)from)[j];
        for (int l = 0; l < PACK; l++) to[j * PACK + l] = p.at[l];
    }
}

/* dots += the tile of queries times the tile of candidates, this thread's part */
static __device__ void multiply_tiles(const struct tile<QUERIES> *queries, const struct tile<CANDIDATES> *candidates,
                                      real dots[THREAD_QUERIES][THREAD_CANDIDATES]) {
    int query = first_query_of_thread();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        real a[THREAD_QUERIES], b[THREAD_CANDIDATES];
        read_group(&queries->at[k][query], a);
        read_group(&candidates->at[k][candidate_of(0)], b);
        read_group(&candidates->at[k][candidate_of(GROUP)], b + GROUP);
#pragma unroll
        for (int i = 0; i < THREAD_QUERIES; i++)
#pragma unroll
            for (int j = 0; j < THREAD_CANDIDATES; j++) dots[i][j] += a[i] * b[j];
    }
}

/* What a block searches: its queries first_query.. below n, and the candidates of slice blockIdx.y. */
struct search {
    int64_t n, dim, first, last, slice_size; /* slice_size is a multiple of CANDIDATES */
    int top_k, wide;
    const real *u, *c;
};

/* best_dot, best_index [n, slices, top_k]: each slice's best, best first; where it has none -inf and a valid index. */
static __global__ void __launch_bounds__(TILE_THREADS, BLOCKS_AT_ONCE)
    search_kernel(struct search s, real *best_dot, int32_t *best_index) {
    __shared__ struct tile<QUERIES> queries[2];
    __shared__ struct tile<CANDIDATES> candidates[2];
    struct tile_part<QUERIES> query_part;
    struct tile_part<CANDIDATES> candidate_part;
    struct entry best[THREAD_QUERIES];
    real threshold[THREAD_QUERIES], dots[THREAD_QUERIES][THREAD_CANDIDATES];
    int place = place_in_half(), turn = 0;
    int64_t first_query = (int64_t)blockIdx.x * QUERIES, begin = s.first + blockIdx.y * s.slice_size;
    int64_t end = begin + s.slice_size < s.last ? begin + s.slice_size : s.last;
#pragma unroll
    for (int i = 0; i < THREAD_QUERIES; i++) {
        best[i].dot = threshold[i] = -INFINITY;
        best[i].index = (int32_t)(s.first + place); /* stays valid if similarities are NaN */
    }
    read_tile<QUERIES>(s.u, first_query, s.n, s.dim, 0, s.wide, &query_part);
    read_tile<CANDIDATES>(s.c, begin, end, s.dim, 0, s.wide, &candidate_part);
    for (int64_t tile = begin; tile < end; tile += CANDIDATES) {
#pragma unroll
        for (int i = 0; i < THREAD_QUERIES; i++)
#pragma unroll
            for (int j = 0; j < THREAD_CANDIDATES; j++) dots[i][j] = 0;
        /* One barrier a part: a thread that stores into a buffer has passed the barrier behind which all had finished
         * with its last contents. */
        for (int64_t k = 0; k < s.dim; k += DEPTH, turn ^= 1) {
            store_tile<QUERIES>(&query_part, &queries[turn]);
            store_tile<CANDIDATES>(&candidate_part, &candidates[turn]);
            __syncthreads();
            bool same = k + DEPTH < s.dim; /* the next part is of the same tile; beyond the last tile, rows are zeros */
            int64_t next = same ? k + DEPTH : 0;
            read_tile<QUERIES>(s.u, first_query, s.n, s.dim, next, s.wide, &query_part);
            read_tile<CANDIDATES>(s.c, same ? tile : tile + CANDIDATES, end, s.dim, next, s.wide, &candidate_part);
            multiply_tiles(&queries[turn], &candidates[turn], dots);
        }
#pragma unroll
        for (int i = 0; i < THREAD_QUERIES; i++) {
#pragma unroll
            for (int j = 0; j < THREAD_CANDIDATES; j++)
                if (tile + CANDIDATES > end && tile + candidate_of(j) >= end) dots[i][j] = -INFINITY;
            scan_dots(dots[i], tile, s.top_k, &best[i], &threshold[i]);
        }
    }
#pragma unroll
    for (int i = 0; i < THREAD_QUERIES; i++) {
        int64_t query = first_query + first_query_of_thread() + i;
        if (query >= s.n || place >= s.top_k) continue;
        int64_t at = (query * gridDim.y + blockIdx.y) * s.top_k + place;
        best_dot[at] = best[i].dot;
        best_index[at] = best[i].index;
    }
}

/* Takes the best out of the warp's entries, N a lane. */
template <int N>
static __device__ struct entry take_best(struct entry left[N]) {
    struct entry own = left[0];
#pragma unroll
    for (int j = 1; j < N; j++)
        if (is_better(left[j], own)) own = left[j];
    struct entry best = best_of_lanes(own, 1);
#pragma unroll
    for (int j = 0; j < N; j++)
        if (left[j].dot == best.dot && left[j].index == best.index) left[j] = no_entry();
    return best;
}

/* A warp for each query: merges its slices' lists, CHUNK * WARP entries at a time, all of them read at once; then
 * softmax(-distance) = softmax(2 u.c) and the weighted mean of the code vectors. */
static __global__ void merge_kernel(struct search s, int slices, const real *best_dot, const int32_t *best_index,
                                    int32_t *index, real *weight, real *q) {
    enum { CHUNK = 4 };
    int lane = threadIdx.x % WARP, count = slices * s.top_k;
    FOR_EACH_WARP_ROW(r, s.n) {
        struct entry best = no_entry();
        if (lane < s.top_k) best.index = (int32_t)(s.first + lane); /* stays where similarities are NaN */
        for (int base = 0; base < count; base += CHUNK * WARP) {
            struct entry left[CHUNK + 1] = {best};
#pragma unroll
            for (int j = 0; j < CHUNK; j++) {
                int k = base + j * WARP + lane;
                left[1 + j] = no_entry();
                if (k < count) left[1 + j] = {best_dot[r * count + k], best_index[r * count + k]};
                if (!(left[1 + j].dot > -INFINITY)) left[1 + j] = no_entry();
            }
            for (int place = 0; place < s.top_k; place++) {
                struct entry most = take_best<CHUNK + 1>(left);
                if (lane == place) best = most;
            }
        }
        real nearest = __shfl_sync(ALL_LANES, best.dot, 0), share = 0;
        if (lane < s.top_k) share = exp(2 * (best.dot - nearest));
        share /= warp_sum(share);
        if (lane < s.top_k) {
            index[r * s.top_k + lane] = best.index;
            weight[r * s.top_k + lane] = share;
        }
        for (int64_t base = 0; base < s.dim; base += WARP) {
            int64_t column = base + lane;
            real sum = 0;
            for (int k = 0; k < s.top_k; k++) {
                real w = __shfl_sync(ALL_LANES, share, k);
                int64_t row = __shfl_sync(ALL_LANES, best.index, k);
                if (column < s.dim) sum += w * s.c[row * s.dim + column];
            }
            if (column < s.dim) q[r * s.dim + column] = sum;
        }
    }
}

/* How many tiles of candidates a slice should have: as many as make the rounds of blocks over the device shortest,
 * where filling a slice's lists costs about as much as multiplying LIST_TILES tiles. */
static int64_t slice_tiles(int64_t query_blocks, int64_t tiles, int64_t n_multiprocessors) {
    enum { LIST_TILES = 3 };
    int64_t best = tiles, least = INT64_MAX;
    for (int64_t slices = 1; slices <= MAX_SLICES && slices <= tiles; slices++) {
        int64_t size = (tiles + slices - 1) / slices, at_once = BLOCKS_AT_ONCE * n_multiprocessors;
        int64_t cost = (query_blocks * slices + at_once - 1) / at_once * (size + LIST_TILES);
        if (cost < least) {
            least = cost;
            best = size;
        }
    }
    return best;
}

extern "C" void cuda_quantize(struct device *device, int64_t n, int64_t dim, int64_t first, int64_t last, int64_t top_k,
                              dev_real u, dev_real c, dev_int index, dev_real weight, dev_real q) {
    if (n <= 0 || last <= first) return;
    int64_t query_blocks = (n + QUERIES - 1) / QUERIES, tiles = (last - first + CANDIDATES - 1) / CANDIDATES;
    int64_t tiles_per_slice = slice_tiles(query_blocks, tiles, cuda_of(device)->n_multiprocessors);
    int64_t slices = (tiles + tiles_per_slice - 1) / tiles_per_slice;
    int64_t count = n * slices * top_k;
    real *best_dot = cuda_scratch(device, 2 * count); /* an index needs no more room than a real */
    if (!best_dot) return;
    int32_t *best_index = (int32_t *)(best_dot + count);
    struct search s = {n, dim, first, last, tiles_per_slice * CANDIDATES, (int)top_k, 0, u.at, c.at};
    s.wide = dim % GROUP == 0 && is_aligned(u.at) && is_aligned(c.at);
    launch(device, "quantize", search_kernel, dim3((unsigned)query_blocks, (unsigned)slices), TILE_THREADS, 0, s,
           best_dot, best_index);
    launch(device, "quantize", merge_kernel, row_blocks(n), ROW_WARPS * WARP, 0, s, (int)slices, (const real *)best_dot,
           (const int32_t *)best_index, index.at, weight.at, q.at);
}

/* ---- gradient: a warp for each query. Queries share rows of c, so that dc is added by atomics, and its last bits may
 * differ from run to run. Floor: bytes of u, dq and twice du, and top_k rows of c read and of dc added to, mostly in
 * the L2 cache. ---- */

/* s_k = -distance_k, q = sum w_k c_k: dw_k = dq.c_k, ds_k = w_k (dw_k - sum_j w_j dw_j); lane k returns 2 ds_k. */
static __device__ real logit_slope(int64_t dim, int top_k, const real *c, const real *dq, real weight, int32_t index) {
    int lane = threadIdx.x % WARP;
    real own = 0;
    for (int k = 0; k < top_k; k++) {
        const real *row = c + (int64_t)__shfl_sync(ALL_LANES, index, k) * dim;
        real dot = 0;
        for (int64_t j = lane; j < dim; j += WARP) dot += dq[j] * row[j];
        dot = warp_sum(dot);
        if (lane == k) own = dot;
    }
    return 2 * weight * (own - warp_sum(weight * own));
}

static __global__ void quantize_backward_kernel(int64_t n, int64_t dim, int top_k, const real *u, const real *c,
                                                const int32_t *index, const real *weight, const real *dq, real *du,
                                                real *dc) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, n) {
        int32_t own_index = lane < top_k ? index[r * top_k + lane] : 0;
        real own_weight = lane < top_k ? weight[r * top_k + lane] : 0;
        real own_slope = logit_slope(dim, top_k, c, dq + r * dim, own_weight, own_index);
        for (int64_t base = 0; base < dim; base += WARP) {
            int64_t j = base + lane;
            real x = j < dim ? u[r * dim + j] : 0, g = j < dim ? dq[r * dim + j] : 0, sum = 0;
            for (int k = 0; k < top_k; k++) {
                int64_t at = (int64_t)__shfl_sync(ALL_LANES, own_index, k) * dim + j;
                real w = __shfl_sync(ALL_LANES, own_weight, k), slope = __shfl_sync(ALL_LANES, own_slope, k);
                if (j >= dim) continue;
                real difference = c[at] - x;
                sum += slope * difference;
                if (dc) atomicAdd(dc + at, w * g - slope * difference);
            }
            if (j < dim) du[r * dim + j] += sum;
        }
    }
}

extern "C" void cuda_quantize_backward(struct device *device, int64_t n, int64_t dim, int64_t top_k, dev_real u,
                                       dev_real c, dev_int index, dev_real weight, dev_real dq, dev_real du,
                                       dev_real dc) {
    launch(device, "quantize_backward", quantize_backward_kernel, row_blocks(n), ROW_WARPS * WARP, 0, n, dim,
           (int)top_k, u.at, c.at, index.at, weight.at, dq.at, du.at, dc.at);
}

/* ---- moving averages of the picks ---- */

/* A warp for each query. Added by atomics: the order, and so the last bits, may differ from run to run. */
static __global__ void sum_picks_kernel(int64_t n, int64_t dim, int top_k, const real *u, const int32_t *index,
                                        const real *weight, real *picks) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, n)
    for (int k = 0; k < top_k; k++) {
        real *to = picks + (int64_t)index[r * top_k + k] * (dim + 1), w = weight[r * top_k + k];
        for (int64_t j = lane; j <= dim; j += WARP) atomicAdd(to + j, j < dim ? w * u[r * dim + j] : w);
    }
}

extern "C" void cuda_sum_picks(struct device *device, int64_t n, int64_t dim, int64_t top_k, dev_real u, dev_int index,
                               dev_real weight, dev_real picks) {
    launch(device, "sum_picks", sum_picks_kernel, row_blocks(n), ROW_WARPS * WARP, 0, n, dim, (int)top_k, u.at,
           index.at, weight.at, picks.at);
}

struct moving_average_op {
    enum { INPUTS = 1, KEEPS = 1 };
    real keep;
    __device__ real operator()(real x, real, real y) const { return keep * y + (1 - keep) * x; }
};

enum { COUNT_BLOCKS = 64, COUNT_THREADS = ROW_WARPS * WARP };

/* partial[block] = sum over this block's rows of the last column, the counts */
static __global__ void sum_counts_kernel(int64_t size, int64_t dim, const real *average, double *partial) {
    __shared__ double room[ROW_WARPS];
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    double sum = 0;
    for (int64_t r = thread; r < size; r += stride) sum += average[r * (dim + 1) + dim];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

static __global__ void ema_rows_kernel(int64_t size, int64_t dim, double epsilon, int n_partial, const double *partial,
                                       const real *picks, const real *average, real *c) {
    int lane = threadIdx.x % WARP;
    double total = 0;
    for (int i = lane; i < n_partial; i += WARP) total += partial[i];
    total = warp_sum(total);
    FOR_EACH_WARP_ROW(r, size) {
        const real *m = average + r * (dim + 1);
        if (!(picks[r * (dim + 1) + dim] > 0)) continue;
        double count = (m[dim] + epsilon) / (total + (double)size * epsilon) * total;
        for (int64_t j = lane; j < dim; j += WARP) c[r * dim + j] = (real)(m[j] / count);
    }
}

extern "C" void cuda_ema_rows(struct device *device, int64_t size, int64_t dim, double decay, double epsilon,
                              dev_real picks, dev_real average, dev_real c) {
    if (size <= 0) return;
    double *partial = (double *)cuda_scratch(device, COUNT_BLOCKS * (int64_t)(sizeof(double) / sizeof(real)));
    if (!partial) return;
    int n_partial = (int)blocks_for(size, COUNT_THREADS, COUNT_BLOCKS);
    elementwise(device, "ema_rows", moving_average_op{(real)decay}, size * (dim + 1), picks.at, NULL, average.at);
    launch(device, "ema_rows", sum_counts_kernel, n_partial, COUNT_THREADS, 0, size, dim, (const real *)average.at,
           partial);
    launch(device, "ema_rows", ema_rows_kernel, row_blocks(size), ROW_WARPS * WARP, 0, size, dim, epsilon, n_partial,
           (const double *)partial, (const real *)picks.at, (const real *)average.at, c.at);
}
