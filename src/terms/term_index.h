/* The terms by which texts name codes, and the spans of a text that are such terms.
 *
 * A term is the set of the words of a description (terms/text_words.h), rewritten by the rules (terms/term_rules.h), without words like `of`:
 * so "Hepatitis, acute" is "acute hepatitis", and "diabetes mellitus type II" is "Type 2 diabetes mellitus". A description gives up to five
 * terms, each with its fit:
 *   1    all of it
 *   .95  without what stands in brackets: "Essential (primary) hypertension"
 *   .9   that, without "unspecified", with what is unspecified, and "without complication": "Pneumonia, unspecified organism"; not where it
 *        says "other" (.855 where it is "not elsewhere classified"), for then it is the rest of a category
 *   .81  of that, of two diseases joined by "and", each: "Hypo-osmolality and hyponatremia"
 * Terms of more than TERM_WORDS words are left out, and so are those that consist of words of the lists not_terms.txt, of numbers, or of one
 * word with fewer than 4 letters: "other", "left", "level 2" say nothing; of the lists, a finding with a place is a term ("lung infection").
 *
 * In a text, windows of words next to each other, with no punctuation between, are looked up as sets. Of those that are terms the ones with
 * most words are taken first, then the leftmost, then the longest; spans do not overlap. An abbreviation is never cut. A lookup is a hash of at most TERM_WORDS numbers, so
 * a text costs its words times TERM_WORDS of them, however many descriptions there are.
 */
#ifndef MEDTOK_TERMS_TERM_INDEX_H
#define MEDTOK_TERMS_TERM_INDEX_H

#include "terms/term_rules.h"

enum { TERM_WORDS = 8 };

struct term_candidate {
    int32_t term, row; /* row: of the code, the caller's */
    float fit;
    int is_brand;
};

/* What a name is. A brand's is any word (Today, Balance): where a term is one word and only brands are called so, it counts in a text only
 * if it begins with a capital inside a sentence. It fits BRAND_FIT times as well. */
enum name_kind { NAME_DESCRIPTION, NAME_BRAND };
#define BRAND_FIT 0.8F

struct term_index {
    struct term_rules rules;
    struct dictionary terms; /* sorted ids of a term's words, as bytes */
    struct term_candidate
        *candidates; /* when complete by term, then by fit (best first), then by row; each row once a term */
    int64_t n_candidates;
    int64_t *offsets;     /* [terms.n + 1] when complete */
    uint8_t *only_brands; /* [terms.n] when complete */
    uint8_t *says;        /* [n_said] what words of not_terms.txt say, by id */
    int64_t n_said;
    int64_t n_descriptions, n_without_term;
    long long capacity, says_capacity;
    struct text_words text; /* scratch */
    struct term_stream stream;
};

/* An empty index with our rules (clinical_terms.tsv); further rules may be added to index->rules before the first description. Free with
 * term_index_free in any case. */
int term_index_begin(struct term_index *index);

/* Adds a description, or another name, of the code `row`. */
int term_index_add(struct term_index *index, const char *text, int64_t size, enum name_kind kind, int32_t row);

/* Completes the index; behind it nothing may be added. */
int term_index_complete(struct term_index *index);
void term_index_free(struct term_index *index);

/* A span of a text: bytes begin .. end - 1, which is the term `term`. */
struct term_span {
    int32_t begin, end, term;
    int32_t other_term; /* that of another meaning of the same abbreviation; -1: none */
    int32_t n_words;
    int negated;
};

struct term_spans {
    int64_t n;
    struct term_span *items; /* [n] by begin */
    long long capacity;
    struct text_words text; /* scratch */
    struct term_stream stream;
    uint8_t *negated;
    long long negated_capacity;
};

/* The spans of text[size], at most 2^31 - 1 bytes of UTF-8. Zero *spans before the first use; used again, it keeps its memory. */
int term_index_match(struct term_index *index, const char *text, int64_t size, struct term_spans *spans);
void term_spans_free(struct term_spans *spans);

/* The candidates of a term. */
static inline const struct term_candidate *term_candidates(const struct term_index *index, int32_t term, int64_t *n) {
    *n = index->offsets[term + 1] - index->offsets[term];
    return index->candidates + index->offsets[term];
}

#endif
