/* From a description to lower-cased words. */
#ifndef MEDTOK_LM_NORMALIZE_H
#define MEDTOK_LM_NORMALIZE_H

#include <stdint.h>

/* Words of one text: runs of letters, marks and digits of its case-folded NFC form. A text without any is one word, the whole of
 * it. Owned by the caller; zero it before the first use, free with words_free. */
struct words {
    int64_t n;
    char *text;       /* the words, each ended by a zero byte */
    int64_t *offsets; /* [n] */
    long long text_size, text_capacity, offsets_capacity;
};

/* Splits text[size] (UTF-8) into at most `most` words. */
int words_split(struct words *words, const char *text, int64_t size, int64_t most);
void words_free(struct words *words);

#endif
