/* Sorting by a 64-bit key, in place: some ten million scores a second and core, whatever their number, with no memory beside them. */
#ifndef MEDTOK_MEASURE_KEYED_SORT_H
#define MEDTOK_MEASURE_KEYED_SORT_H

#include <stdint.h>
#include <string.h>

struct keyed {
    uint64_t key;
    uint32_t unit, mark; /* the caller's */
};

/* Ascending by key. Items of equal keys end in an order that depends on items[n] alone. */
void keyed_sort(int64_t n, struct keyed *items);

/* Keys whose order is that of scores from the highest on; scores that are equal (0 and -0 too) have one key. Not of NaN. */
static inline uint64_t key_of_score(double score) {
    uint64_t bits;
    score += 0.0; /* of -0 */
    memcpy(&bits, &score, sizeof bits);
    return ~(bits ^ (bits >> 63 ? ~UINT64_C(0) : UINT64_C(1) << 63));
}

static inline double score_of_key(uint64_t key) {
    uint64_t bits = ~key;
    double score;
    bits ^= bits >> 63 ? UINT64_C(1) << 63 : ~UINT64_C(0);
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* The same for whole numbers, from the lowest on. */
static inline uint64_t key_of_integer(int64_t value) { return (uint64_t)value ^ UINT64_C(1) << 63; }

#endif
