/* Hashes of names. */
#include "measure/code_keys.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/status.h"
#include "terms/code_hierarchy.h"

int code_keys_make(struct code_keys *keys, int64_t n) {
    *keys = (struct code_keys){.n = n};
    TRY(mem_alloc(&keys->system, n, sizeof *keys->system));
    TRY(mem_alloc(&keys->description, n, sizeof *keys->description));
    return mem_alloc(&keys->parent, n, sizeof *keys->parent);
}

void code_keys_free(struct code_keys *keys) {
    free(keys->system);
    free(keys->description);
    free(keys->parent);
    *keys = (struct code_keys){0};
}

void code_keys_set(struct code_keys *keys, int64_t first, const struct vocabulary *v) {
    for (int64_t i = 0; i < v->n_codes; i++) {
        char parent[256];
        const char *system = vocabulary_system(v, i);
        int length = code_parent(system, vocabulary_code(v, i), parent, sizeof parent);
        uint64_t of_system = XXH3_64bits(system, strlen(system));
        keys->system[first + i] = of_system;
        keys->parent[first + i] = length ? XXH3_64bits_withSeed(parent, (size_t)length, of_system) : 0;
        keys->description[first + i] = XXH3_64bits(v->description + v->description_offsets[i],
                                                   (size_t)(v->description_offsets[i + 1] - v->description_offsets[i]));
    }
}
