/* Dropout: Philox counters side by side, in vectors. */
#include "cpu/dropout_cpu.h"

#include "cpu/cpu.h"
#include "dropout.h"

enum { COUNTERS = DROPOUT_CHUNK / 8 }; /* of a chunk: each gives eight numbers */

#if defined(__AVX2__) && !defined(MEDTOK_REAL_DOUBLE)
#include <immintrin.h>

/* Counters in the lower halves of 64 bits, as products take them; what stands in the upper halves does not matter. */
enum { SIDE_BY_SIDE = 8, IN_VECTOR = 4, VECTORS = SIDE_BY_SIDE / IN_VECTOR };

/* words[i][v]: word i of the counters 4 v .. of `first` .. */
static void count_side_by_side(struct dropout dropout, uint64_t key, uint32_t first, __m256i words[4][VECTORS]) {
    const __m256i factor0 = _mm256_set1_epi64x(0xD2511F53), factor1 = _mm256_set1_epi64x(0xCD9E8D57);
    uint32_t key0 = (uint32_t)dropout.seed, key1 = (uint32_t)(dropout.seed >> 32);
    for (int v = 0; v < VECTORS; v++) { /* the counter of philox4x32() */
        long long c = (long long)first + v * IN_VECTOR;
        words[0][v] = _mm256_set_epi64x(c + 3, c + 2, c + 1, c);
        words[1][v] = _mm256_set1_epi64x(dropout.stream ^ ((uint32_t)(key >> 32) << 12));
        words[2][v] = _mm256_set1_epi64x(dropout.step);
        words[3][v] = _mm256_set1_epi64x((long long)key);
    }
    for (int round = 0; round < 10; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
        const __m256i k0 = _mm256_set1_epi64x(key0), k1 = _mm256_set1_epi64x(key1);
        for (int v = 0; v < VECTORS; v++) {
            __m256i p0 = _mm256_mul_epu32(words[0][v], factor0), p1 = _mm256_mul_epu32(words[2][v], factor1);
            words[0][v] = _mm256_xor_si256(_mm256_srli_epi64(p1, 32), _mm256_xor_si256(words[1][v], k0));
            words[2][v] = _mm256_xor_si256(_mm256_srli_epi64(p0, 32), _mm256_xor_si256(words[3][v], k1));
            words[1][v] = p1;
            words[3][v] = p0;
        }
    }
}

/* The factors of two counters, whose numbers stand in the halves of a vector; a number survives if it is above `last_dropped`. */
static void put_factors(__m256i numbers, __m256i last_dropped, __m256 scale, float *first, float *second) {
    __m256i none = _mm256_setzero_si256();
    __m256i drop = _mm256_cmpeq_epi16(_mm256_subs_epu16(numbers, last_dropped), none);
    __m256i of_first = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(drop));
    __m256i of_second = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(drop, 1));
    _mm256_storeu_ps(first, _mm256_andnot_ps(_mm256_castsi256_ps(of_first), scale));
    _mm256_storeu_ps(second, _mm256_andnot_ps(_mm256_castsi256_ps(of_second), scale));
}

/* Both words of a pair in each 64 bits. */
static __m256i pair_words(__m256i low, __m256i high) {
    return _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xaa);
}

static void chunk_factors(struct dropout dropout, uint64_t key, uint32_t counter, uint32_t threshold, real *factor) {
    const __m256i last_dropped = _mm256_set1_epi16((short)(threshold - 1));
    const __m256 scale = _mm256_set1_ps((float)(1 / (1 - dropout.rate)));
    for (int l = 0; l < COUNTERS; l += SIDE_BY_SIDE) {
        __m256i w[4][VECTORS];
        count_side_by_side(dropout, key, counter + (uint32_t)l, w);
        for (int v = 0; v < VECTORS; v++) {
            __m256i a = pair_words(w[0][v], w[1][v]), b = pair_words(w[2][v], w[3][v]);
            float *to = factor + (l + v * IN_VECTOR) * 8;
            put_factors(_mm256_unpacklo_epi64(a, b), last_dropped, scale, to, to + 16);
            put_factors(_mm256_unpackhi_epi64(a, b), last_dropped, scale, to + 8, to + 24);
        }
    }
}
#else
static void chunk_factors(struct dropout dropout, uint64_t key, uint32_t counter, uint32_t threshold, real *factor) {
    real scale = (real)(1 / (1 - dropout.rate));
    for (uint32_t l = 0; l < COUNTERS; l++) {
        uint32_t words[4];
        dropout_words(dropout, key, counter + l, words);
        for (int e = 0; e < 8; e++)
            factor[l * 8 + e] = (words[e / 2] >> (e % 2 * 16) & 0xffff) >= threshold ? scale : 0;
    }
}
#endif

void cpu_dropout_factors(struct dropout dropout, uint64_t key, int64_t chunk, real factor[DROPOUT_CHUNK]) {
    uint32_t threshold = dropout_threshold(dropout.rate);
    for (int e = 0; e < DROPOUT_CHUNK && threshold == 0; e++) factor[e] = (real)(1 / (1 - dropout.rate));
    if (threshold > 0) chunk_factors(dropout, key, (uint32_t)(chunk * COUNTERS), threshold, factor);
}

void cpu_dropout_segment(struct dropout dropout, int32_t key, int64_t count, real *factor) {
    for (int64_t c = 0; c * DROPOUT_CHUNK < count; c++)
        cpu_dropout_factors(dropout, (uint64_t)(uint32_t)key, c, factor + c * DROPOUT_CHUNK);
}

void cpu_dropout(struct device *device, const struct dropout_rows *d, dev_real x, dev_real y, int accumulate) {
    struct ragged rows = d->rows;
    int64_t cols = d->cols;
    if (device->error[0]) return;
    real keep = accumulate ? 1 : 0;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < rows.n; i++) {
        const real *from = x.at + (int64_t)rows.offsets.at[i] * cols;
        real *to = y.at + (int64_t)rows.offsets.at[i] * cols, factor[DROPOUT_CHUNK];
        int64_t count = (int64_t)(rows.offsets.at[i + 1] - rows.offsets.at[i]) * cols;
        for (int64_t first = 0; first < count; first += DROPOUT_CHUNK) {
            int64_t m = first + DROPOUT_CHUNK < count ? DROPOUT_CHUNK : count - first;
            cpu_dropout_factors(d->dropout, (uint64_t)(uint32_t)d->keys.at[i], first / DROPOUT_CHUNK, factor);
#pragma omp simd
            for (int64_t e = 0; e < m; e++) {
                real kept = factor[e] * from[first + e];
                to[first + e] = keep == 0 ? kept : to[first + e] + kept;
            }
        }
    }
}
