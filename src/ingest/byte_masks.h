/* Which of 64 bytes are separators, line breaks, quotes, or not ASCII: bit i of a mask stands for byte i. What row_scan.c looks at text
 * through, 64 bytes at a time.
 */
#ifndef MEDTOK_INGEST_BYTE_MASKS_H
#define MEDTOK_INGEST_BYTE_MASKS_H

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct byte_masks {
    uint64_t separator, line, quote, high;
};

static inline struct byte_masks byte_masks_portable(const char *p, char separator) {
    struct byte_masks m = {0};
    for (int i = 0; i < 64; i++) {
        m.separator |= (uint64_t)(p[i] == separator) << i;
        m.line |= (uint64_t)(p[i] == '\n') << i;
        m.quote |= (uint64_t)(p[i] == '"') << i;
        m.high |= (uint64_t)((unsigned char)p[i] >> 7) << i;
    }
    return m;
}

static inline struct byte_masks byte_masks(const char *p, char separator) {
#ifdef __SSE2__
    const __m128i separators = _mm_set1_epi8(separator), lines = _mm_set1_epi8('\n'), quotes = _mm_set1_epi8('"');
    struct byte_masks m = {0};
    for (int i = 0; i < 64; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(p + i));
        m.separator |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, separators)) << i;
        m.line |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, lines)) << i;
        m.quote |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, quotes)) << i;
        m.high |= (uint64_t)(unsigned)_mm_movemask_epi8(bytes) << i;
    }
    return m;
#else
    return byte_masks_portable(p, separator);
#endif
}

/* The bytes that are inside quotes, an opening quote with them and a closing one not. *inside: all ones if the first byte is within
 * quotes that were opened before; is then the same for the byte behind the last. */
static inline uint64_t byte_masks_inside(uint64_t quote, uint64_t *inside) {
    for (int shift = 1; shift < 64; shift *= 2) quote ^= quote << shift; /* bit i: the parity of bits 0 .. i */
    uint64_t mask = quote ^ *inside;
    *inside = mask >> 63 ? ~(uint64_t)0 : 0;
    return mask;
}

#endif
