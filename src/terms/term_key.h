/* The set of words that a term is. */
#ifndef MEDTOK_TERMS_TERM_KEY_H
#define MEDTOK_TERMS_TERM_KEY_H

#include "terms/term_index.h"

struct term_key {
    int32_t ids[TERM_WORDS]; /* ascending, each once */
    int n;                   /* 0: no term */
};

/* Of terms first .. end - 1 of a stream, without those that are skipped; none if there are more than TERM_WORDS different words, or one has
 * no id. */
struct term_key term_key_make(const struct term_stream *stream, int64_t first, int64_t end);
int term_key_same(const struct term_key *a, const struct term_key *b);

#endif
