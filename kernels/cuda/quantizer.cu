/* Distance with top-K in tiles. Rows have norm 1, so |u|^2 + |c|^2 - 2 u.c falls as u.c grows, and
 * u.c is what is ranked; always in full precision.
 *
 * A block multiplies QUERIES queries by CANDIDATES candidates at a time, out of shared memory, each thread 4 x 8 of
 * them in registers. The 16 threads (half a warp) that share a query also hold its list of the best, one entry a
 * thread, and compare their products with the list's last while these are still in registers: after the first tiles
 * nearly nothing passes. The candidates are cut into slices, so that few queries fill the device too, and a second
 * kernel merges the slices' lists. Neither the products nor the merge depend on the cut: results are the same on each
 * device and in each run.
 *
 * Floor: 2 n N dim flops in float32; the candidates come from the L2 cache (21,000 x 64 floats are 5 MB). In each step
 * of dim a warp issues 32 FMA instructions beside 3 reads of shared memory, which take that 6 cycles of the 8 in which
 * it must serve a warp; of all instructions of a tile, 5 in 6 are FMA. The lists are dearest where slices are short: an
 * entry costs a warp about 60 instructions, and a query's list takes top_k / t entries from the slice's t-th tile.
 */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/sparse.cuh"

enum { QUERIES = 64, CANDIDATES = 128, TILE_THREADS = 256, MAX_TOP_K = 16 };
enum { HALF = 16, THREAD_QUERIES = 4, THREAD_CANDIDATES = 8 }; /* a half warp: 4 queries, 16 x 8 candidates */
enum { DEPTH = 64 / sizeof(real), GROUP = 4 };                 /* of a tile in shared memory; read in groups of 4 */
enum { RESIDENT_PARTS = 4 }; /* parts of DEPTH columns of which all queries of a block fit into shared memory */
enum { MAX_SLICES = 64, BLOCKS_AT_ONCE = 2 }; /* blocks of search_kernel that a multiprocessor has registers for */
static const unsigned ALL_LANES = 0xffffffffu;

/* A tile's rows lie along the fast index. The pitch turns the banks by 4 from one k to the next, so that the stores of
 * store_tile, 16 rows of 2 groups a warp, fall in 32 different ones, and rows of a k start at 16 bytes. */
template <int ROWS>
struct alignas(16) tile {
    real at[DEPTH][ROWS + 4];
};

/* ---- the two halves of a warp are its even and its odd lanes, half lane 0..15 in each. So lanes n and n^1 have the same
 * candidates, and n and n^2 the same queries: then a warp's read of 16 bytes a lane takes the shared memory 2 cycles,
 * else 4. ---- */
static __device__ int half_of_warp() { return (int)threadIdx.x % 2; }
static __device__ int half_lane_of_thread() { return (int)threadIdx.x % WARP / 2; }

/* The first query of this thread's THREAD_QUERIES, of the block's. */
static __device__ int first_query_of_thread() {
    return ((int)threadIdx.x / WARP * 2 + half_of_warp()) * THREAD_QUERIES;
}

/* ---- the list of the best: entry j at half lane j, best first ---- */
struct entry {
    real dot;
    int32_t index;
};

/* Behind each entry of a list. */
static __device__ struct entry no_entry() { return {-INFINITY, INT32_MAX}; }

static __device__ bool is_better(struct entry a, struct entry b) {
    return a.dot > b.dot || (a.dot == b.dot && a.index < b.index);
}

/* The best of the entries of the warp's lanes. */
static __device__ struct entry best_of_warp(struct entry best) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) {
        struct entry other = {__shfl_xor_sync(ALL_LANES, best.dot, step), __shfl_xor_sync(ALL_LANES, best.index, step)};
        if (is_better(other, best)) best = other;
    }
    return best;
}

/* Puts `next` behind the entries that are at least as good; past the list's end it is lost. Every lane of the warp
 * calls. */
static __device__ void insert_entry(struct entry *best, struct entry next) {
    struct entry before = {__shfl_up_sync(ALL_LANES, best->dot, 2), __shfl_up_sync(ALL_LANES, best->index, 2)};
    if (half_lane_of_thread() == 0) before.dot = INFINITY;
    bool behind = best->dot < next.dot;
    best->index = behind ? before.dot < next.dot ? before.index : next.index : best->index;
    best->dot = behind ? fmin(before.dot, next.dot) : best->dot;
}

/* The greatest of a thread's dots, of its fours and of its pairs; NaN counts as -inf in `all`. */
struct greatest {
    real all, four[2], pair[4];
};

static __device__ struct greatest greatest_of(const real dots[THREAD_CANDIDATES]) {
    struct greatest most;
#pragma unroll
    for (int i = 0; i < 4; i++) most.pair[i] = fmax(dots[2 * i], dots[2 * i + 1]);
#pragma unroll
    for (int i = 0; i < 2; i++) most.four[i] = fmax(most.pair[2 * i], most.pair[2 * i + 1]);
    most.all = fmax(fmax(most.four[0], most.four[1]), (real)-INFINITY);
    return most;
}

/* Which of the dots is the first that equals the greatest; without branches, and 3 comparisons. */
static __device__ int index_of_greatest(const real dots[THREAD_CANDIDATES], const struct greatest *most) {
    bool second_four = most->four[0] != most->all;
    bool second_pair = (second_four ? most->pair[2] : most->pair[0]) != most->all;
    real low = second_pair ? dots[2] : dots[0], high = second_pair ? dots[6] : dots[4]; /* an index would need memory */
    return second_four * 4 + second_pair * 2 + ((second_four ? high : low) != most->all);
}

/* Takes from a thread's dots of one query, for candidates index.., what is better than the list's last: the half warp's
 * best each time, ties to the smaller index, until none is left. Earlier candidates have smaller indices, and lower
 * lanes smaller ones than higher lanes, so that only a strictly larger dot passes; no NaN does. A half warp may go
 * along for the other's sake: what it then inserts lies behind the first top_k. */
static __device__ void scan_dots(real dots[THREAD_CANDIDATES], int32_t index, int top_k, struct entry *best,
                                 real *threshold) {
    int lane = (int)threadIdx.x % WARP, half = half_of_warp();
    for (;;) {
        struct greatest own = greatest_of(dots);
        if (!__any_sync(ALL_LANES, own.all > *threshold)) return;
        real most = own.all;
#pragma unroll
        for (int step = WARP / 2; step > 1; step /= 2) most = fmax(most, __shfl_xor_sync(ALL_LANES, most, step));
        int owner = __ffs((int)(__ballot_sync(ALL_LANES, own.all == most) & 0x55555555u << half)) - 1;
        int j_taken = index_of_greatest(dots, &own);
        insert_entry(best, {most, __shfl_sync(ALL_LANES, index + j_taken, owner)});
        if (lane != owner) j_taken = THREAD_CANDIDATES;
#pragma unroll
        for (int j = 0; j < THREAD_CANDIDATES; j++)
            if (j == j_taken) dots[j] = -INFINITY;
        *threshold = __shfl_sync(ALL_LANES, best->dot, 2 * (top_k - 1) + half);
    }
}

/* ---- tiles on their way from global to shared memory, in registers between reading and storing: a thread reads
 * groups of 4 columns of one row, and two neighbouring threads 32 neighbouring bytes ---- */
template <int ROWS>
struct tile_part {
    enum { STEP = TILE_THREADS / ROWS * GROUP, READS = (DEPTH + STEP - 1) / STEP }; /* STEP columns between reads */
    real at[READS][GROUP];
};

/* Where the thread's row lies in a tile, and the first of its columns. */
template <int ROWS>
static __device__ int position_of_thread() {
    return (int)threadIdx.x / 2 % ROWS;
}
template <int ROWS>
static __device__ int column_of_thread() {
    return ((int)threadIdx.x % 2 + (int)threadIdx.x / 2 / ROWS * 2) * GROUP;
}

/* Which candidate of a tile lies at a position: a thread, which reads 4 values at half_lane * 4 and as many at
 * HALF * 4 + half_lane * 4, so has 8 neighbouring candidates. */
static __device__ int candidate_at(int position) {
    return position % (HALF * GROUP) / GROUP * THREAD_CANDIDATES + position / (HALF * GROUP) * GROUP + position % GROUP;
}

static __device__ void read_group(const real *from, real to[GROUP]) {
#pragma unroll
    for (int j = 0; j < GROUP / PACK; j++) {
        struct pack p = ((const struct pack *)from)[j];
        for (int l = 0; l < PACK; l++) to[j * PACK + l] = p.at[l];
    }
}

/* Reads from the thread's row, at its first column, which has `left` columns from there; zeros beyond. Where there is
 * no row, NaN: a product with it is in no list. */
template <int ROWS, bool WIDE>
static __device__ void read_tile(const real *from, bool there, int left, struct tile_part<ROWS> *part) {
#pragma unroll
    for (int i = 0; i < tile_part<ROWS>::READS; i++) {
        int k = i * tile_part<ROWS>::STEP;
#pragma unroll
        for (int j = 0; j < GROUP; j++) part->at[i][j] = there ? 0 : NAN;
        if (WIDE && there && k < left) read_group(from + k, part->at[i]);
#pragma unroll
        for (int j = 0; j < GROUP; j++)
            if (!WIDE && there && k + j < left) part->at[i][j] = from[k + j];
    }
}

template <int ROWS>
static __device__ void store_tile(const struct tile_part<ROWS> *part, struct tile<ROWS> *to) {
#pragma unroll
    for (int i = 0; i < tile_part<ROWS>::READS; i++) {
        int k = column_of_thread<ROWS>() + i * tile_part<ROWS>::STEP;
        if (DEPTH % tile_part<ROWS>::STEP != 0 && k >= DEPTH) continue;
#pragma unroll
        for (int j = 0; j < GROUP; j++) to->at[k + j][position_of_thread<ROWS>()] = part->at[i][j];
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
        read_group(&candidates->at[k][half_lane_of_thread() * GROUP], b);
        read_group(&candidates->at[k][(HALF + half_lane_of_thread()) * GROUP], b + GROUP);
#pragma unroll
        for (int i = 0; i < THREAD_QUERIES; i++)
#pragma unroll
            for (int j = 0; j < THREAD_CANDIDATES; j++) dots[i][j] += a[i] * b[j];
    }
}

/* What is searched: a block has the queries from blockIdx.x * QUERIES, and the candidates of slice blockIdx.y. The first
 * `larger_slices` slices have a tile more than the others' slice_tiles: a multiprocessor that runs two blocks at once
 * mostly has one of the first half of the grid and one of the second, and so less work than two of the larger ones. */
struct search {
    int64_t n, dim, first, last;
    int slice_tiles, larger_slices, top_k;
    const real *u, *c;
};

static __device__ void write_lists(const struct search &s, int64_t first_query, const struct entry best[THREAD_QUERIES],
                                   real *best_dot, int32_t *best_index) {
    int half_lane = half_lane_of_thread();
#pragma unroll
    for (int i = 0; i < THREAD_QUERIES; i++) {
        int64_t of = first_query + first_query_of_thread() + i;
        if (of >= s.n || half_lane >= s.top_k) continue;
        int64_t at = (of * gridDim.y + blockIdx.y) * s.top_k + half_lane;
        best_dot[at] = best[i].dot;
        best_index[at] = best[i].index;
    }
}

/* best_dot, best_index [n, slices, top_k]: each slice's best, best first; where it has none -inf and a valid index.
 * RESIDENT: dim is at most RESIDENT_PARTS * DEPTH, and all of the block's queries stay in shared memory; else they are
 * read again for each tile of candidates. WIDE: rows can be read by 16 bytes. */
template <bool RESIDENT, bool WIDE>
static __global__ void __launch_bounds__(TILE_THREADS, BLOCKS_AT_ONCE)
    search_kernel(struct search s, real *best_dot, int32_t *best_index) {
    __shared__ struct tile<QUERIES> queries[RESIDENT ? RESIDENT_PARTS : 2];
    __shared__ struct tile<CANDIDATES> candidates[2];
    struct tile_part<QUERIES> query_part;
    struct tile_part<CANDIDATES> candidate_part;
    struct entry best[THREAD_QUERIES];
    real threshold[THREAD_QUERIES], dots[THREAD_QUERIES][THREAD_CANDIDATES];
    int half_lane = half_lane_of_thread(), turn = 0, dim = (int)s.dim, last_part = (dim - 1) / DEPTH * DEPTH;
    int slice = (int)blockIdx.y, larger_before = slice < s.larger_slices ? slice : s.larger_slices;
    int64_t first_query = (int64_t)blockIdx.x * QUERIES;
    int64_t begin = s.first + ((int64_t)slice * s.slice_tiles + larger_before) * CANDIDATES;
    int64_t size = (int64_t)(s.slice_tiles + (slice < s.larger_slices)) * CANDIDATES;
    int n_candidates = (int)(s.last - begin < size ? s.last - begin : size);
#pragma unroll
    for (int i = 0; i < THREAD_QUERIES; i++) {
        best[i].dot = threshold[i] = -INFINITY;
        best[i].index = (int32_t)(s.first + half_lane); /* stays valid if similarities are NaN */
    }
    /* What this thread reads next: of a query, and of a candidate, a part of DEPTH columns at a time. */
    int64_t query = first_query + position_of_thread<QUERIES>();
    int query_column = column_of_thread<QUERIES>(), column = column_of_thread<CANDIDATES>();
    int candidate = candidate_at(position_of_thread<CANDIDATES>());
    const real *u = s.u + query * s.dim + query_column, *c = s.c + (begin + candidate) * s.dim + column;
    if (RESIDENT) {
        for (int k = 0; k < dim; k += DEPTH) {
            read_tile<QUERIES, WIDE>(u + k, query < s.n, dim - query_column - k, &query_part);
            store_tile<QUERIES>(&query_part, &queries[k / DEPTH]);
        }
    } else {
        read_tile<QUERIES, WIDE>(u, query < s.n, dim - query_column, &query_part);
    }
    read_tile<CANDIDATES, WIDE>(c, candidate < n_candidates, dim - column, &candidate_part);
    for (int tile = 0; tile < n_candidates; tile += CANDIDATES) {
#pragma unroll
        for (int i = 0; i < THREAD_QUERIES; i++)
#pragma unroll
            for (int j = 0; j < THREAD_CANDIDATES; j++) dots[i][j] = 0;
        /* One barrier a part: a thread that stores into a buffer has passed the barrier behind which all had finished
         * with its last contents. */
        for (int k = 0; k <= last_part; k += DEPTH, turn ^= 1) {
            if (!RESIDENT) store_tile<QUERIES>(&query_part, &queries[turn]);
            store_tile<CANDIDATES>(&candidate_part, &candidates[turn]);
            __syncthreads();
            bool same = k < last_part; /* the next part is of the same tile */
            int next = same ? k + DEPTH : 0;
            if (!RESIDENT) read_tile<QUERIES, WIDE>(u + next, query < s.n, dim - query_column - next, &query_part);
            c += same ? (int64_t)DEPTH : CANDIDATES * s.dim - last_part;
            read_tile<CANDIDATES, WIDE>(c, tile + candidate + (same ? 0 : CANDIDATES) < n_candidates,
                                        dim - column - next, &candidate_part);
            multiply_tiles(&queries[RESIDENT ? k / DEPTH : turn], &candidates[turn], dots);
        }
#pragma unroll
        for (int i = 0; i < THREAD_QUERIES; i++)
            scan_dots(dots[i], (int32_t)begin + tile + half_lane * THREAD_CANDIDATES, s.top_k, &best[i], &threshold[i]);
    }
    write_lists(s, first_query, best, best_dot, best_index);
}

/* Takes the best out of the warp's entries, N a lane. */
template <int N>
static __device__ struct entry take_best(struct entry left[N]) {
    struct entry own = left[0];
#pragma unroll
    for (int j = 1; j < N; j++)
        if (is_better(left[j], own)) own = left[j];
    struct entry best = best_of_warp(own);
#pragma unroll
    for (int j = 0; j < N; j++)
        if (left[j].dot == best.dot && left[j].index == best.index) left[j] = no_entry();
    return best;
}

/* Of one query, all of whose slices have `count` entries: the best, entry k at lane k; a warp calls. All of them are read at once up to
 * CHUNK * WARP, so that reads go out together. */
static __device__ struct entry merge_lists(const struct search &s, int count, const real *best_dot, const int32_t *best_index) {
    enum { CHUNK = 4 }; /* entries of a lane at a time */
    int lane = threadIdx.x % WARP;
    struct entry best = no_entry();
    if (lane < s.top_k) best.index = (int32_t)(s.first + lane); /* stays where similarities are NaN */
    for (int base = 0; base < count; base += CHUNK * WARP) {
        struct entry left[CHUNK + 1] = {best};
#pragma unroll
        for (int j = 0; j < CHUNK; j++) {
            int k = base + j * WARP + lane;
            left[1 + j] = no_entry();
            if (k < count) left[1 + j] = {best_dot[k], best_index[k]};
            if (!(left[1 + j].dot > -INFINITY)) left[1 + j] = no_entry();
        }
        for (int entry = 0; entry < s.top_k; entry++) {
            struct entry most = take_best<CHUNK + 1>(left);
            if (lane == entry) best = most;
        }
    }
    return best;
}

/* A warp for each query: merges its slices' lists; then softmax(-distance) = softmax(2 u.c) and the weighted mean of the code
 * vectors. A query has no more to do than wait for memory a few times. */
static __global__ void merge_kernel(struct search s, int slices, const real *best_dot, const int32_t *best_index,
                                    int32_t *index, real *weight, real *q) {
    enum { COLUMNS = 2 }; /* of a lane at a time */
    int lane = threadIdx.x % WARP, count = slices * s.top_k;
    FOR_EACH_WARP_ROW(r, s.n) {
        struct entry best = merge_lists(s, count, best_dot + r * count, best_index + r * count);
        real nearest = __shfl_sync(ALL_LANES, best.dot, 0), share = 0;
        if (lane < s.top_k) share = exp(2 * (best.dot - nearest));
        share /= warp_sum(share);
        if (lane < s.top_k) {
            index[r * s.top_k + lane] = best.index;
            weight[r * s.top_k + lane] = share;
        }
        for (int64_t base = 0; base < s.dim; base += COLUMNS * WARP) {
            int64_t column = base + lane;
            real sum[COLUMNS] = {0};
            for (int k = 0; k < s.top_k; k++) {
                real w = __shfl_sync(ALL_LANES, share, k);
                const real *row = s.c + __shfl_sync(ALL_LANES, best.index, k) * s.dim;
#pragma unroll
                for (int j = 0; j < COLUMNS; j++)
                    if (column + j * WARP < s.dim) sum[j] += w * row[column + j * WARP];
            }
#pragma unroll
            for (int j = 0; j < COLUMNS; j++)
                if (column + j * WARP < s.dim) q[r * s.dim + column + j * WARP] = sum[j];
        }
    }
}

/* Into how many slices the tiles of candidates are cut: as many as make the rounds of blocks over the device shortest,
 * where a block's lists cost about as much as multiplying LIST_TILES tiles. */
static int64_t slice_count(int64_t query_blocks, int64_t tiles, int64_t n_multiprocessors) {
    enum { LIST_TILES = 2 };
    int64_t best = 1, least = INT64_MAX, at_once = BLOCKS_AT_ONCE * n_multiprocessors;
    for (int64_t slices = 1; slices <= MAX_SLICES && slices <= tiles; slices++) {
        int64_t tiles_of_two = (2 * tiles + slices - 1) / slices; /* blocks that run side by side; see struct search */
        int64_t cost = (query_blocks * slices + at_once - 1) / at_once * (tiles_of_two + 2 * LIST_TILES);
        if (cost < least) {
            least = cost;
            best = slices;
        }
    }
    return best;
}

/* How a search is launched: blocks of queries, slices of candidates, and where the lists lie. */
struct plan {
    int64_t query_blocks, slices;
    real *best_dot;
    int32_t *best_index;
    real *rest; /* what the caller asked for besides; NULL: memory is out */
};

/* For n queries with lists of top_k among at most n_candidates; `more`: values of scratch for the caller. */
static struct plan plan_search(struct device *device, int64_t n, int64_t n_candidates, int64_t top_k, int64_t more) {
    int64_t query_blocks = (n + QUERIES - 1) / QUERIES, tiles = (n_candidates + CANDIDATES - 1) / CANDIDATES;
    int64_t slices = slice_count(query_blocks, tiles, cuda_of(device)->n_multiprocessors), count = n * slices * top_k;
    int64_t lists = (2 * count + PACK - 1) / PACK * PACK; /* an index needs no more room than a real */
    real *room = cuda_scratch(device, lists + more);
    if (!room) return {0, 0, NULL, NULL, NULL};
    return {query_blocks, slices, room, (int32_t *)(room + count), room + lists};
}

/* Makes the lists of each slice. */
static void launch_search(struct device *device, const char *name, struct search s, const struct plan *p) {
    int64_t tiles = (s.last - s.first + CANDIDATES - 1) / CANDIDATES;
    s.slice_tiles = (int)(tiles / p->slices), s.larger_slices = (int)(tiles % p->slices);
    bool wide = s.dim % GROUP == 0 && is_aligned(s.u) && is_aligned(s.c), resident = s.dim <= RESIDENT_PARTS * DEPTH;
    auto search = resident ? wide ? search_kernel<true, true> : search_kernel<true, false>
                  : wide ? search_kernel<false, true>
                           : search_kernel<false, false>;
    launch(device, name, search, dim3((unsigned)p->query_blocks, (unsigned)p->slices), TILE_THREADS, 0, s, p->best_dot,
           p->best_index);
}

extern "C" void cuda_quantize(struct device *device, const struct quantize *z, struct picks picks, dev_real q) {
    if (z->n <= 0 || z->last <= z->first) return;
    struct plan p = plan_search(device, z->n, z->last - z->first, z->top_k, 0);
    if (!p.rest) return;
    struct search s = {z->n, z->dim, z->first, z->last, 0, 0, (int)z->top_k, z->u.at, z->c.at};
    launch_search(device, "quantize", s, &p);
    launch(device, "quantize", merge_kernel, row_blocks(z->n), ROW_WARPS * WARP, 0, s, (int)p.slices,
           (const real *)p.best_dot, (const int32_t *)p.best_index, picks.index.at, picks.weight.at, q.at);
}

/* ---- residual quantisation: a search for one row at each level, whose part is then taken from what is left ---- */

/* A warp for each query: the best of the slices' at level k, its weight, and what is left: r -= w c. q = u - r, which the
 * last level leaves. s.u is what the level was searched for: u itself, or r. */
static __global__ void take_level_kernel(struct search s, int slices, const real *best_dot, const int32_t *best_index,
                                         int top_k, int k, const real *u, real *r, int32_t *index, real *weight,
                                         real *before, real *q) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(i, s.n) {
        struct entry best = {-INFINITY, (int32_t)s.first}; /* stays where similarities are NaN */
        for (int j = lane; j < slices; j += WARP) {
            struct entry other = {best_dot[i * slices + j], best_index[i * slices + j]};
            if (other.dot > -INFINITY && is_better(other, best)) best = other;
        }
        best = best_of_warp(best);
        real w = fmax(best.dot, (real)0);
        const real *row = s.c + (int64_t)best.index * s.dim;
        for (int64_t j = lane; j < s.dim; j += WARP) {
            int64_t at = i * s.dim + j;
            real x = s.u[at], left = x - w * row[j];
            before[(i * top_k + k) * s.dim + j] = x;
            r[at] = left;
            q[at] = u[at] - left;
        }
        if (lane == 0) index[i * top_k + k] = best.index, weight[i * top_k + k] = w;
    }
}

extern "C" void cuda_quantize_residual(struct device *device, const struct quantize *z, struct picks picks,
                                       dev_real q) {
    int64_t n = z->n, dim = z->dim, first = z->first, last = z->last, top_k = z->top_k;
    if (n <= 0 || last - first < top_k) return;
    struct plan p = plan_search(device, n, (last - first + top_k - 1) / top_k, 1, n * dim);
    if (!p.rest) return;
    for (int64_t k = 0; k < top_k; k++) {
        struct search s = {n,
                           dim,
                           residual_level_first(first, last, top_k, k),
                           residual_level_first(first, last, top_k, k + 1),
                           0,
                           0,
                           1,
                           k ? p.rest : z->u.at,
                           z->c.at};
        launch_search(device, "quantize_residual", s, &p);
        launch(device, "quantize_residual", take_level_kernel, row_blocks(n), ROW_WARPS * WARP, 0, s, (int)p.slices,
               (const real *)p.best_dot, (const int32_t *)p.best_index, (int)top_k, (int)k, (const real *)z->u.at,
               p.rest, picks.index.at, picks.weight.at, picks.before.at, q.at);
    }
}

/* ---- sparse coding: a search for SPARSE_ROWS rows, of which top_k stay ---- */

/* Takes row `out` from the equations; w: this lane's weight. */
static __device__ void take_out(struct equations *e, real *w, int out) {
    int lane = threadIdx.x % WARP;
    real column = column_of(e, out), pivot = 1 / lane_value(column, out), along = lane_value(*w, out) * pivot;
    *w = lane == out ? 0 : *w - along * column;
#pragma unroll
    for (int j = 0; j < SPARSE_ROWS; j++) {
        real x = pivot * column * lane_value(column, j);
        e->at[j] = lane == out || j == out ? 0 : e->at[j] - x; /* not what rounding leaves */
    }
}

/* The lane with the least value, the first of them; -1 if none is below INFINITY. */
static __device__ int least_lane(real value) {
    real least = value;
    for (int step = WARP / 2; step > 0; step /= 2) least = fmin(least, __shfl_xor_sync(ALL_LANES, least, step));
    if (!(least < INFINITY)) return -1;
    return __ffs((int)__ballot_sync(ALL_LANES, value == least)) - 1;
}

/* A warp for each query, lane i with the i-th nearest row. */
static __global__ void eliminate_kernel(struct search s, int slices, int top_k, const real *best_dot, const int32_t *best_index,
                                        int32_t *index, real *weight, real *q) {
    int lane = threadIdx.x % WARP, count = slices * s.top_k;
    FOR_EACH_WARP_ROW(r, s.n) {
        struct entry near = merge_lists(s, count, best_dot + r * count, best_index + r * count);
        struct equations e;
        bool in = lane < s.top_k;
        invert_products(&e, s.dim, s.c, near.index, in);
        real w = times_vector(&e, in ? near.dot : 0);
        for (int left = s.top_k; left > top_k; left--) {
            int out = least_lane(in ? w : INFINITY);
            if (out < 0) out = __ffs((int)__ballot_sync(ALL_LANES, in)) - 1; /* all are NaN */
            take_out(&e, &w, out);
            if (lane == out) in = false;
        }
        bool above = in;
        for (;;) {
            int out = least_lane(above && w < 0 ? w : INFINITY);
            if (out < 0) break;
            take_out(&e, &w, out);
            if (lane == out) above = false;
        }
        if (!above) w = 0;
        int rank = 0; /* heaviest first, ties to the nearer */
        unsigned kept = __ballot_sync(ALL_LANES, in);
        for (int i = 0; i < s.top_k; i++) {
            real other = lane_value(w, i);
            if (kept >> i & 1) rank += other > w || (i < lane && !(other < w));
        }
        if (in) {
            index[r * top_k + rank] = near.index;
            weight[r * top_k + rank] = w;
        }
        for (int64_t base = 0; base < s.dim; base += WARP) {
            int64_t column = base + lane;
            real sum = 0;
            for (int i = 0; i < s.top_k; i++) {
                real x = lane_value(w, i);
                const real *row = s.c + __shfl_sync(ALL_LANES, near.index, i) * s.dim;
                if (column < s.dim && kept >> i & 1) sum += x * row[column];
            }
            if (column < s.dim) q[r * s.dim + column] = sum;
        }
    }
}

extern "C" void cuda_quantize_sparse(struct device *device, const struct quantize *z, struct picks picks, dev_real q) {
    int64_t all = z->last - z->first, m = all < SPARSE_ROWS ? all : (int64_t)SPARSE_ROWS;
    if (z->n <= 0 || all <= 0) return;
    struct plan p = plan_search(device, z->n, all, m, 0);
    if (!p.rest) return;
    struct search s = {z->n, z->dim, z->first, z->last, 0, 0, (int)m, z->u.at, z->c.at};
    launch_search(device, "quantize_sparse", s, &p);
    launch(device, "quantize_sparse", eliminate_kernel, row_blocks(z->n), ROW_WARPS * WARP, 0, s, (int)p.slices, (int)z->top_k,
           (const real *)p.best_dot, (const int32_t *)p.best_index, picks.index.at, picks.weight.at, q.at);
}
