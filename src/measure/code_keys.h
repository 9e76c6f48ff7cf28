/* What codes have in common, as numbers: codes with the same key share the system, the parent, or the description. */
#ifndef MEDTOK_MEASURE_CODE_KEYS_H
#define MEDTOK_MEASURE_CODE_KEYS_H

#include "store/vocabulary.h"

/* Keys are 64-bit hashes; two of a million different names have the same with probability 3e-8. */
struct code_keys {
    int64_t n;
    uint64_t *system, *description; /* [n] */
    uint64_t *parent;               /* [n] of system and parent; 0: the code's string tells none */
};

/* Room for n codes. */
int code_keys_make(struct code_keys *keys, int64_t n);
void code_keys_free(struct code_keys *keys);

/* Sets the keys from index `first` on for the codes that `vocabulary` holds, with names and descriptions. */
void code_keys_set(struct code_keys *keys, int64_t first, const struct vocabulary *vocabulary);

#endif
