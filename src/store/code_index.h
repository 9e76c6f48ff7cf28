/* Finding codes by name: exactly, or as people write them (any case, with or without the dot, with the system in front). */
#ifndef MEDTOK_STORE_CODE_INDEX_H
#define MEDTOK_STORE_CODE_INDEX_H

#include <stdint.h>

struct code_index {
    int64_t n, code_bytes, system_bytes;
    const char *code, *system; /* borrowed: [n, bytes] */
    int32_t *by_name;          /* [n] codes sorted by normalised code, then number */
};

/* Codes and systems as fixed-length strings, which must outlive the index. */
int code_index_make(struct code_index *index, const char *code, int64_t code_bytes, const char *system,
                    int64_t system_bytes, int64_t n);
void code_index_free(struct code_index *index);

/* Numbers of the codes that `name` means: `CODE` in any system, or `SYSTEM:CODE`. Codes spelled exactly so win over those
 * that agree without dots and case. Writes at most `most`, ascending; returns how many there are. */
int64_t code_index_find(const struct code_index *index, const char *name, int64_t *found, int64_t most);

/* The first code of exactly this system and spelling, or -1. */
int64_t code_index_exact(const struct code_index *index, const char *system, const char *code);

/* The codes whose spelling is nearest to `name` (edit distance without dots and case; ties to the smaller number): writes
 * `most` or fewer, nearest first, and returns how many. */
int64_t code_index_near(const struct code_index *index, const char *name, int64_t *found, int64_t most);

#endif
