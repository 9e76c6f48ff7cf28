/* A set of byte strings, numbered from 0 by first appearance. Zero it before use; free with dictionary_free. */
#ifndef MEDTOK_BASE_DICTIONARY_H
#define MEDTOK_BASE_DICTIONARY_H

#include <stdint.h>

struct dictionary {
    int64_t n, n_slots;
    int64_t *slots;   /* number + 1; 0: empty */
    uint64_t *hash;   /* [n] XXH3-64 of each string */
    int64_t *offsets; /* [n + 1] string i is bytes[offsets[i] .. offsets[i + 1]) */
    char *bytes;
    long long hash_capacity, offsets_capacity, bytes_capacity;
};

/* Number of the string bytes[size], which is copied and added if it is new. At most 2^31 - 1 strings. */
int dictionary_add(struct dictionary *dictionary, const void *bytes, int64_t size, int32_t *number);

/* Its number, or -1. */
int32_t dictionary_find(const struct dictionary *dictionary, const void *bytes, int64_t size);

void dictionary_free(struct dictionary *dictionary);

#endif
