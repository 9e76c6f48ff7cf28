/* Products that are looked at where they are made, in registers: a tile of TILE_QUERIES x PANEL of them is compared with each
 * query's K-th best, and nearly always nothing passes. So nothing is written, and the time is that of the products.
 *
 * Candidates are packed in panels [dim][PANEL], queries in groups [dim][TILE_QUERIES], so that the tile's loop reads both
 * in order. Threads share blocks of queries. Where the processor has neither AVX-512 nor AVX2, and in the double build, blocks
 * of products are made by BLAS and then scanned. */
#include "cpu/nearest.h"

#include <omp.h>
#include <string.h>

#include "cpu/cpu.h"

/* ---- the list of a query ---- */
static void clear(struct nearest *best, int64_t first, int64_t top_k) {
    for (int64_t k = 0; k < top_k; k++) {
        best->dot[k] = -INFINITY;
        best->index[k] = (int32_t)(first + k); /* stays valid if products are NaN */
    }
}

/* Candidates come by ascending index, and only a strictly larger product moves another down: ties go to the smaller
 * index. */
static void insert(struct nearest *best, int64_t top_k, real dot, int32_t index) {
    int64_t k = top_k - 1;
    for (; k > 0 && dot > best->dot[k - 1]; k--) {
        best->dot[k] = best->dot[k - 1];
        best->index[k] = best->index[k - 1];
    }
    best->dot[k] = dot;
    best->index[k] = index;
}

/* ---- by BLAS ---- */
enum { BLOCK_QUERIES = 128, BLOCK_CANDIDATES = 512, SCAN = 16 };

static void scan_row(struct nearest *best, int64_t top_k, const real *dots, int64_t n, int64_t first) {
    for (int64_t at = 0; at < n; at += SCAN) {
        int64_t count = at + SCAN < n ? SCAN : n - at;
        real most = -INFINITY;
#pragma omp simd reduction(max : most)
        for (int64_t j = 0; j < count; j++) most = dots[at + j] > most ? dots[at + j] : most;
        if (!(most > best->dot[top_k - 1])) continue;
        for (int64_t j = 0; j < count; j++)
            if (dots[at + j] > best->dot[top_k - 1]) insert(best, top_k, dots[at + j], (int32_t)(first + at + j));
    }
}

static void rows_by_blas(int threads, int64_t n, int64_t dim, int64_t first, int64_t last, int64_t top_k, const real *u,
                         const real *c, struct nearest *best, real *scratch) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t block = 0; block < n; block += BLOCK_QUERIES) {
        int64_t rows = block + BLOCK_QUERIES < n ? BLOCK_QUERIES : n - block;
        real *dots = scratch + (int64_t)omp_get_thread_num() * BLOCK_QUERIES * BLOCK_CANDIDATES;
        for (int64_t at = first; at < last; at += BLOCK_CANDIDATES) {
            int64_t count = at + BLOCK_CANDIDATES < last ? BLOCK_CANDIDATES : last - at;
            cpu_product(0, 1, rows, count, dim, 1, u + block * dim, dim, c + at * dim, dim, 0, dots, BLOCK_CANDIDATES);
            for (int64_t r = 0; r < rows; r++)
                scan_row(best + block + r, top_k, dots + r * BLOCK_CANDIDATES, count, at);
        }
    }
}

/* ---- in registers ---- */
#if defined(__x86_64__) && !defined(MEDTOK_REAL_DOUBLE)
#include <immintrin.h>

/* TILE_QUERIES x PANEL products fill 24 of AVX-512's 32 registers; AVX2 takes a tile in four parts of 6 x 16 each, 12 of 16. */
enum { TILE_QUERIES = 12, PANEL = 32, GROUPS = 16, VECTOR = 16, HALF_QUERIES = 6, HALF_VECTOR = 8 };

/* Offers the products whose bits are set; dots[0] belongs to candidate `at`. */
__attribute__((noinline)) static void offer(struct nearest *best, int64_t top_k, const float *dots, uint32_t hits,
                                            int64_t at) {
    for (; hits; hits &= hits - 1) {
        int lane = __builtin_ctz(hits);
        if (dots[lane] > best->dot[top_k - 1]) insert(best, top_k, dots[lane], (int32_t)(at + lane));
    }
}

/* One group of queries (the first n of them real) with one panel (candidates at .. ; those of `real_ones` are real). */
__attribute__((target("avx512f"))) static void tile_avx512(int64_t dim, const float *group, int64_t n,
                                                           const float *panel, uint32_t real_ones, int64_t at,
                                                           int64_t top_k, struct nearest *best) {
    __m512 sum[TILE_QUERIES][2];
    for (int q = 0; q < TILE_QUERIES; q++) sum[q][0] = sum[q][1] = _mm512_setzero_ps();
    for (int64_t j = 0; j < dim; j++) {
        __m512 low = _mm512_load_ps(panel + j * PANEL), high = _mm512_load_ps(panel + j * PANEL + VECTOR);
#pragma GCC unroll 12
        for (int q = 0; q < TILE_QUERIES; q++) {
            __m512 u = _mm512_set1_ps(group[j * TILE_QUERIES + q]);
            sum[q][0] = _mm512_fmadd_ps(u, low, sum[q][0]);
            sum[q][1] = _mm512_fmadd_ps(u, high, sum[q][1]);
        }
    }
#pragma GCC unroll 12
    for (int q = 0; q < TILE_QUERIES; q++) {
        __m512 least = _mm512_set1_ps(q < n ? best[q].dot[top_k - 1] : INFINITY);
        uint32_t hits = (uint32_t)_mm512_cmp_ps_mask(sum[q][0], least, _CMP_GT_OQ) |
                        (uint32_t)_mm512_cmp_ps_mask(sum[q][1], least, _CMP_GT_OQ) << VECTOR;
        if (!(hits & real_ones)) continue;
        float dots[PANEL];
        _mm512_storeu_ps(dots, sum[q][0]);
        _mm512_storeu_ps(dots + VECTOR, sum[q][1]);
        offer(best + q, top_k, dots, hits & real_ones, at);
    }
}

/* Queries q0 .. q0 + 5 of the group, candidates c0 .. c0 + 15 of the panel. */
__attribute__((target("avx2,fma"))) static void quarter_avx2(int64_t dim, const float *group, int64_t n,
                                                             const float *panel, uint32_t real_ones, int64_t at,
                                                             int64_t top_k, struct nearest *best) {
    __m256 sum[HALF_QUERIES][2];
    for (int q = 0; q < HALF_QUERIES; q++) sum[q][0] = sum[q][1] = _mm256_setzero_ps();
    for (int64_t j = 0; j < dim; j++) {
        __m256 low = _mm256_load_ps(panel + j * PANEL), high = _mm256_load_ps(panel + j * PANEL + HALF_VECTOR);
#pragma GCC unroll 6
        for (int q = 0; q < HALF_QUERIES; q++) {
            __m256 u = _mm256_broadcast_ss(group + j * TILE_QUERIES + q);
            sum[q][0] = _mm256_fmadd_ps(u, low, sum[q][0]);
            sum[q][1] = _mm256_fmadd_ps(u, high, sum[q][1]);
        }
    }
#pragma GCC unroll 6
    for (int q = 0; q < HALF_QUERIES; q++) {
        __m256 least = _mm256_set1_ps(q < n ? best[q].dot[top_k - 1] : INFINITY);
        uint32_t hits = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(sum[q][0], least, _CMP_GT_OQ)) |
                        (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(sum[q][1], least, _CMP_GT_OQ)) << HALF_VECTOR;
        if (!(hits & real_ones)) continue;
        float dots[2 * HALF_VECTOR];
        _mm256_storeu_ps(dots, sum[q][0]);
        _mm256_storeu_ps(dots + HALF_VECTOR, sum[q][1]);
        offer(best + q, top_k, dots, hits & real_ones, at);
    }
}

static void tile_avx2(int64_t dim, const float *group, int64_t n, const float *panel, uint32_t real_ones, int64_t at,
                      int64_t top_k, struct nearest *best) {
    for (int64_t c = 0; c < PANEL; c += VECTOR)
        for (int64_t q = 0; q < TILE_QUERIES && q < n; q += HALF_QUERIES)
            quarter_avx2(dim, group + q, n - q, panel + c, real_ones >> c & 0xffff, at + c, top_k, best + q);
}

typedef void (*tile_function)(int64_t, const float *, int64_t, const float *, uint32_t, int64_t, int64_t,
                              struct nearest *);

static tile_function choose_tile(enum cpu_vectors vectors) {
    return vectors == CPU_AVX512 ? tile_avx512 : vectors == CPU_AVX2 ? tile_avx2 : NULL;
}

/* packed[dim][width] = rows[n, dim] transposed, zero where there is no row. */
static void pack(int64_t n, int64_t dim, int64_t width, const float *rows, float *packed) {
    for (int64_t j = 0; j < dim; j++)
        for (int64_t r = 0; r < width; r++) packed[j * width + r] = r < n ? rows[r * dim + j] : 0;
}

static int64_t panels(int64_t n_candidates) { return (n_candidates + PANEL - 1) / PANEL; }

/* A block of at most GROUPS groups of queries against all panels. */
static void block_in_registers(tile_function tile, int64_t n, int64_t dim, int64_t first, int64_t last, int64_t top_k,
                               const float *u, const float *packed, struct nearest *best, float *groups) {
    for (int64_t q = 0; q < n; q += TILE_QUERIES)
        pack(n - q < TILE_QUERIES ? n - q : TILE_QUERIES, dim, TILE_QUERIES, u + q * dim, groups + q * dim);
    for (int64_t p = 0; p < panels(last - first); p++) {
        int64_t at = first + p * PANEL;
        uint32_t real_ones = last - at < PANEL ? (1u << (last - at)) - 1 : 0xffffffffu;
        for (int64_t q = 0; q < n; q += TILE_QUERIES)
            tile(dim, groups + q * dim, n - q, packed + p * PANEL * dim, real_ones, at, top_k, best + q);
    }
}

static void rows_in_registers(tile_function tile, int threads, int64_t n, int64_t dim, int64_t first, int64_t last,
                              int64_t top_k, const float *u, const float *c, struct nearest *best, float *scratch) {
    float *packed = scratch + (int64_t)threads * GROUPS * TILE_QUERIES * dim;
    const int64_t block = GROUPS * TILE_QUERIES;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t p = 0; p < panels(last - first); p++) {
        int64_t at = first + p * PANEL;
        pack(last - at < PANEL ? last - at : PANEL, dim, PANEL, c + at * dim, packed + p * PANEL * dim);
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t q = 0; q < n; q += block)
        block_in_registers(tile, n - q < block ? n - q : block, dim, first, last, top_k, u + q * dim, packed, best + q,
                           scratch + (int64_t)omp_get_thread_num() * block * dim);
}
#endif

/* ---- the choice ---- */
int64_t nearest_scratch(int threads, int64_t dim, int64_t n_candidates) {
    int64_t blas = (int64_t)threads * BLOCK_QUERIES * BLOCK_CANDIDATES;
#if defined(__x86_64__) && !defined(MEDTOK_REAL_DOUBLE)
    int64_t registers = ((int64_t)threads * GROUPS * TILE_QUERIES + panels(n_candidates) * PANEL) * dim;
    return registers > blas ? registers : blas;
#else
    (void)dim, (void)n_candidates;
    return blas;
#endif
}

void nearest_rows(enum cpu_vectors vectors, int threads, int64_t n, int64_t dim, int64_t first, int64_t last,
                  int64_t top_k, const real *u, const real *c, struct nearest *best, real *scratch) {
    for (int64_t i = 0; i < n; i++) clear(best + i, first, top_k);
#if defined(__x86_64__) && !defined(MEDTOK_REAL_DOUBLE)
    tile_function tile = choose_tile(vectors);
    if (tile) {
        rows_in_registers(tile, threads, n, dim, first, last, top_k, u, c, best, scratch);
        return;
    }
#endif
    (void)vectors;
    rows_by_blas(threads, n, dim, first, last, top_k, u, c, best, scratch);
}
