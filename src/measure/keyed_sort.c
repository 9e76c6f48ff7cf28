/* Radix sort from the highest byte on, each item swapped to its bucket (American flag sort: McIlroy, Bostic and McIlroy, 1993). */
#include "measure/keyed_sort.h"

enum { BUCKETS = 256, FEW = 32 };

static int byte_of(const struct keyed *item, int shift) { return (int)(item->key >> shift & (BUCKETS - 1)); }

static void sort_few(int64_t n, struct keyed *items) {
    for (int64_t i = 1; i < n; i++) {
        struct keyed item = items[i];
        int64_t at = i;
        for (; at > 0 && items[at - 1].key > item.key; at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

/* Counts the items of each bucket; whether one bucket has all. */
static int count(int64_t n, const struct keyed *items, int shift, int64_t sizes[BUCKETS]) {
    memset(sizes, 0, BUCKETS * sizeof *sizes);
    for (int64_t i = 0; i < n; i++) sizes[byte_of(&items[i], shift)]++;
    return sizes[byte_of(&items[0], shift)] == n;
}

static void to_buckets(struct keyed *items, int shift, const int64_t sizes[BUCKETS]) {
    int64_t next[BUCKETS], end[BUCKETS], sum = 0;
    for (int b = 0; b < BUCKETS; b++) {
        next[b] = sum;
        end[b] = sum += sizes[b];
    }
    for (int b = 0; b < BUCKETS; b++)
        while (next[b] < end[b]) {
            struct keyed item = items[next[b]];
            for (int other; (other = byte_of(&item, shift)) != b;) { /* carries it home, and takes on who was there */
                struct keyed there = items[next[other]];
                items[next[other]++] = item;
                item = there;
            }
            items[next[b]++] = item;
        }
}

/* By the bytes from `shift` down; those above are equal. At most eight deep. */
static void sort_bytes(int64_t n, struct keyed *items, int shift) {
    int64_t sizes[BUCKETS];
    for (; n > FEW && shift >= 0 && count(n, items, shift, sizes);) shift -= 8;
    if (n <= FEW) {
        sort_few(n, items);
        return;
    }
    if (shift < 0) return;
    to_buckets(items, shift, sizes);
    for (int b = 0; b < BUCKETS && shift > 0; items += sizes[b++]) sort_bytes(sizes[b], items, shift - 8);
}

void keyed_sort(int64_t n, struct keyed *items) { sort_bytes(n, items, 56); }
