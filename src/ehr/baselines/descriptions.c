#include "ehr/baselines/descriptions.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "terms/code_form.h"
#include "terms/code_hierarchy.h"

int descriptions_open(struct descriptions *d, const char *path) {
    *d = (struct descriptions){0};
    TRY(vocabulary_read(path, 0, -1, VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS, &d->vocabulary));
    struct strings code = {d->vocabulary.code, NULL, d->vocabulary.code_bytes};
    struct strings system = {d->vocabulary.system, NULL, d->vocabulary.system_bytes};
    return code_index_make(&d->index, code, system, d->vocabulary.n_codes);
}

void descriptions_free(struct descriptions *d) {
    code_index_free(&d->index);
    vocabulary_free(&d->vocabulary);
    *d = (struct descriptions){0};
}

const char *descriptions_find(const struct descriptions *d, const char *system, const char *code, int64_t *size) {
    const struct vocabulary *v = &d->vocabulary;
    char at[CODE_FORM_BYTES], parent[CODE_FORM_BYTES];
    snprintf(at, sizeof at, "%s", code);
    for (;;) {
        int64_t found = code_index_same(&d->index, system, at);
        if (found >= 0 && vocabulary_has_text(v, found)) {
            *size = v->description_offsets[found + 1] - v->description_offsets[found];
            return v->description + v->description_offsets[found];
        }
        if (code_parent(system, at, parent, sizeof parent) == 0) return NULL;
        strcpy(at, parent);
    }
}

/* Bytes of UTF-8 beyond ASCII are letters here. */
static int of_word(char c) { return isalnum((unsigned char)c) || (unsigned char)c >= 0x80; }

int next_word(const char *text, int64_t size, int64_t *at, char word[WORD_BYTES]) {
    while (*at < size) {
        int n = 0;
        while (*at < size && !of_word(text[*at])) ++*at;
        for (; *at < size && of_word(text[*at]); ++*at)
            if (n < WORD_BYTES) word[n++] = (char)tolower((unsigned char)text[*at]);
        if (n >= 2) return n;
    }
    return 0;
}
