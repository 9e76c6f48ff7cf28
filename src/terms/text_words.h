/* A text as words in the normal form in which terms are compared, each with its place in the text.
 *
 * A word is a run of letters, marks and digits, with a point between two digits. Its form: compatibility decomposition without marks, folded
 * case (utf8proc), so é is e and ﬁ is fi; 's cut off (Crohn's); British spelling and plurals brought to one form, by rules on letters that
 * are the same for descriptions and for texts, so that a form need not be a word: haemorrhages -> hemorrhage, oedema -> edema,
 * tumours -> tumor, biopsies -> biopsy, diagnoses -> diagnosis, diabetes -> diabete.
 */
#ifndef MEDTOK_TERMS_TEXT_WORDS_H
#define MEDTOK_TERMS_TEXT_WORDS_H

#include <stdint.h>

/* What stands between a word and the one before. */
enum word_break {
    BREAK_NONE,
    BREAK_COMMA,
    BREAK_CLAUSE
}; /* comma or bracket; full stop, question mark, ; : or a new line */

struct text_word {
    int32_t begin, end; /* bytes of the text */
    int32_t at, size;   /* of the form in text_words.forms */
    uint8_t breaks;     /* enum word_break */
    uint8_t capitals;   /* all letters are, but for an s behind two of them (UTIs) */
    uint8_t initial;    /* the first letter is, of A to Z */
};

/* Zero it before the first use; used again, it keeps its memory. Free with text_words_free. */
struct text_words {
    int64_t n;
    struct text_word *items; /* [n] */
    char *forms;             /* not ended by zero bytes */
    int64_t n_bytes;
    int shouts; /* most long words are written in capitals, so that capitals say nothing */
    long long capacity, bytes_capacity;
};

/* Splits text[size], at most 2^31 - 1 bytes of UTF-8; others are an error. */
int text_words_split(struct text_words *words, const char *text, int64_t size);
void text_words_free(struct text_words *words);

static inline const char *text_word_form(const struct text_words *w, int64_t i) { return w->forms + w->items[i].at; }

/* Whether word i has this form. */
int text_word_is(const struct text_words *words, int64_t i, const char *form);

#endif
