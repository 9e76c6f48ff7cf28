/* What probe asks of a space of codes, and what came of it. A space is a way in which two codes are more or less alike: the cosine of
 * vectors (measure/vector_search.h) or of weighted bags (measure/bag_search.h).
 *
 *   QUESTION_RANK     where among all candidates do a query's right answers come? (the ICD-10 codes that a published map gives an ICD-9
 *                     code, the diseases that removed edges of the graph join to a drug)
 *   QUESTION_NEAREST  which candidates outside the query's own category are nearest? Their classes are its class, or not
 *
 * Of candidates that are alike equally (of vectors to 2e-6 of a cosine, float32's rounding), the order counts as drawn by chance:
 * ranks are the expectation over it, and neighbours are drawn by a hash of their number. Candidates that have nothing in common with the
 * query (no vector, no item of the bag) are never found.
 */
#ifndef MEDTOK_MEASURE_PROBE_QUESTION_H
#define MEDTOK_MEASURE_PROBE_QUESTION_H

#include <stdint.h>

enum question_kind { QUESTION_RANK, QUESTION_NEAREST };
enum { QUESTION_NAME_BYTES = 96, PROBE_MOST_NEAREST = 64 };

/* Some codes of each query: of query q codes[offsets[q] .. offsets[q + 1]), ascending. */
struct query_codes {
    int64_t *offsets;
    int32_t *codes;
    long long capacity;
};

struct probe_question {
    char name[QUESTION_NAME_BYTES];
    enum question_kind kind;
    int64_t n_queries, n_candidates;
    int32_t *queries;           /* [n_queries] codes, ascending */
    uint8_t *is_candidate;      /* [n_codes] */
    struct query_codes targets; /* QUESTION_RANK: the right answers; at least one of each query, all candidates */
    struct query_codes known;   /* QUESTION_RANK: left out of the ranking; offsets NULL: none */
    const int32_t *category; /* [n_codes] of QUESTION_NEAREST: candidates of the query's own are left out; borrowed */
};

void probe_question_free(struct probe_question *question);

/* Where the best of a query's right answers came. */
struct rank_answer {
    int64_t above, tied; /* other candidates that are more alike, and as much so */
    int32_t right;       /* right answers that are as much alike; 0: none was found */
};

/* The answers to a question; ranks or nearest is there. Zero it before use. */
struct probe_answers {
    struct rank_answer *ranks; /* [n_queries] */
    int32_t *nearest;          /* [n_queries, k] codes, nearest first; -1: no more */
    int k;
};

int probe_answers_make(struct probe_answers *answers, const struct probe_question *question, int k);
void probe_answers_free(struct probe_answers *answers);

/* The probability that a right answer is among the first `most`, and the mean of 1 / its rank, over all orders of what is tied. */
double rank_hit(struct rank_answer rank, int most);
double rank_reciprocal(struct rank_answer rank);

/* The class (class_of [n_codes], -1: none) of most of the nearest[k] that have one, of equal ones that of the nearest; -1: none has. */
int32_t nearest_class(const int32_t *nearest, int k, const int32_t *class_of);

/* One of k nearest candidates while they are searched. */
struct near_candidate {
    float likeness;
    int32_t code; /* -1: none */
};

/* Puts a candidate among nearest[k], which are in order, if it belongs there. */
void near_candidates_add(struct near_candidate *nearest, int k, float likeness, int32_t code);

#endif
