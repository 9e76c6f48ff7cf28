/* The words of codes' descriptions, from vocabulary.h5. */
#ifndef MEDTOK_EHR_BASELINES_DESCRIPTIONS_H
#define MEDTOK_EHR_BASELINES_DESCRIPTIONS_H

#include "store/vocabulary.h"
#include "terms/code_index.h"

struct descriptions {
    struct vocabulary vocabulary;
    struct code_index index;
};

/* Free in any case. */
int descriptions_open(struct descriptions *descriptions, const char *vocabulary);
void descriptions_free(struct descriptions *descriptions);

/* The description of a code, *size bytes, borrowed and not terminated; of its nearest ancestor that has one, if it has none. NULL:
 * there is none. */
const char *descriptions_find(const struct descriptions *descriptions, const char *system, const char *code,
                              int64_t *size);

/* The next word of text[size] from *at on, in lower case: letters and digits that stand together, two or more. Returns its length, cut at
 * WORD_BYTES; 0: there is no other. */
enum { WORD_BYTES = 64 };
int next_word(const char *text, int64_t size, int64_t *at, char word[WORD_BYTES]);

#endif
