/* From the texts of questions to codes, with spans and scores.
 *
 * A text (a stem, an option) is matched first (terms/term_index.h). A span has the codes of its term as candidates, at most
 * LINK_CANDIDATES, those that fit best, without codes below another candidate in their hierarchy, and without packages (NDC) where the substance has
 * a code. A candidate's score is its fit f, or, where the table has vectors of it and of other spans of the
 * stem,
 *     f (1 + cos(v, u)) / 2,   u = sum over the other spans of the stem that are not negated of the mean of their candidates' vectors,
 * with vectors of norm 1. Of equal scores, the preferred system (code_names_preference), then the shorter code, then the smaller row comes
 * first. The span's codes are the best of each system, at most link.codes, and of them those of the best code's topic. A negated span has codes and scores, but they do not count as
 * the text's.
 */
#ifndef MEDTOK_QA_LINK_H
#define MEDTOK_QA_LINK_H

#include "qa/code_names.h"
#include "qa/code_vectors.h"
#include "qa/options.h"
#include "qa/questions.h"

enum { LINK_CANDIDATES = 64 };

struct linked_code {
    int64_t row; /* of the vocabulary */
    double score;
};

struct linked_span {
    struct term_span term;
    int64_t n_candidates;
    int n_codes;
    struct linked_code codes[SPAN_MOST_CODES]; /* best first */
};

/* The spans of one text. */
struct text_links {
    int64_t n;
    struct linked_span *spans; /* [n] in the text's order */
};

struct question_links {
    struct text_links stem, options[QUESTION_OPTIONS]; /* owned */
};

/* Links questions first .. first + n - 1 into links [n], zeroed. table: of the vocabulary, or NULL. Free each with question_links_free in
 * any case. */
int link_questions(struct code_names *names, struct table *table, const struct questions *questions, int64_t first,
                   int64_t n, int n_codes, struct question_links *links);
void question_links_free(struct question_links *links);

/* The codes of a text: those of its spans that are not negated, each once, in the text's order. Writes at most `most` rows, and returns
 * how many there are. */
int64_t text_links_rows(const struct text_links *links, int64_t *rows, int64_t most);

#endif
