/* Codes whose characters are the levels of their hierarchy. */
#include "store/code_hierarchy.h"

#include <ctype.h>
#include <string.h>

enum { MOST_BYTES = 72 };

/* Copies letters and digits, in lower case. */
static size_t plain(const char *text, char out[MOST_BYTES]) {
    size_t n = 0;
    for (; *text && n + 1 < MOST_BYTES; text++)
        if (isalnum((unsigned char)*text)) out[n++] = (char)tolower((unsigned char)*text);
    out[n] = 0;
    return n;
}

/* Characters that the parent of a code of n characters has; 0: none. */
static size_t parent_length(const char *system, size_t n) {
    static const size_t ATC_LEVELS[] = {7, 5, 4, 3, 1};
    if (strcmp(system, "icd9cm") == 0 || strcmp(system, "icd10cm") == 0) return n > 3 ? n - 1 : 0;
    if (strcmp(system, "icd10pcs") == 0) return n == 7 ? 6 : 0;
    if (strcmp(system, "atc") == 0)
        for (int i = 0; i < 4; i++)
            if (n == ATC_LEVELS[i]) return ATC_LEVELS[i + 1];
    return 0;
}

int code_parent(const char *system, const char *code, char *parent, size_t size) {
    char name[MOST_BYTES], characters[MOST_BYTES];
    plain(system, name);
    size_t length = parent_length(name, plain(code, characters));
    if (length == 0 || length >= size) return 0;
    memcpy(parent, characters, length);
    parent[length] = 0;
    for (size_t i = 0; i < length; i++) parent[i] = (char)toupper((unsigned char)parent[i]);
    return 1;
}
