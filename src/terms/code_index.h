/* Finding codes by name: as they are spelled, or as people write them (any case, with or without the dot, with the system in
 * front). What is the same code is said in terms/code_form.h. */
#ifndef MEDTOK_TERMS_CODE_INDEX_H
#define MEDTOK_TERMS_CODE_INDEX_H

#include <stdint.h>

/* Strings, each ended by a zero byte: number i is at text + at[i], or where `at` is NULL at text + i * stride. Borrowed. */
struct strings {
    const char *text;
    const int64_t *at;
    int64_t stride;
};

static inline const char *string_at(const struct strings *s, int64_t i) {
    return s->text + (s->at ? s->at[i] : i * s->stride);
}

struct code_slot;

struct code_index {
    int64_t n;
    struct strings code, system;
    uint8_t *known;          /* [n] enum code_system of each code */
    struct code_slot *slots; /* [n_slots] hash table of codes by form */
    int64_t n_slots;         /* a power of two */
};

/* The strings must outlive the index. At most 2^31 - 1 codes. */
int code_index_make(struct code_index *index, struct strings code, struct strings system, int64_t n);
void code_index_free(struct code_index *index);

/* Numbers of the codes that `name` means: `CODE` in any system, or `SYSTEM:CODE`. A code of any system is meant if the name
 * has its form; in systems unknown to code_form.h case does not count here. Writes the first `most`, those spelled exactly so
 * before the others, each ascending, and returns how many there are. So a code that is added never hides another. */
int64_t code_index_find(const struct code_index *index, const char *name, int64_t *found, int64_t most);

/* The first code that is the same as this one, or -1. */
int64_t code_index_same(const struct code_index *index, const char *system, const char *code);

/* How many codes are the same as one before them. If there are any, pair[1] is the first of them, and pair[0] the one before. */
int64_t code_index_twice(const struct code_index *index, int64_t pair[2]);

/* The codes whose form is nearest to that of `name` (edit distance without case; ties to the smaller number): writes `most`
 * or fewer, nearest first, and returns how many. */
int64_t code_index_near(const struct code_index *index, const char *name, int64_t *found, int64_t most);

#endif
