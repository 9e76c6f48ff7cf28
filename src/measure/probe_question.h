/* What probe asks of a space of codes, and what came of it. A space is a way in which two codes are more or less alike: the cosine of
 * vectors (measure/vector_search.h) or of weighted bags (measure/bag_search.h).
 *
 *   QUESTION_RANK      where among all candidates do a query's right answers come? (the ICD-10 codes that a published map gives an ICD-9
 *                      code, the diseases that removed edges of the graph join to a drug)
 *   QUESTION_NEAREST   which candidates outside the query's own category are nearest? Their classes are its class, or not
 *   QUESTION_LINEAR    which class does a linear map give a query, if it was fitted to codes of other categories? (measure/probe_linear.h)
 *   QUESTION_DISTANCE  are two codes the less alike, the farther apart they are in their system's hierarchy? (measure/probe_hierarchy.h)
 *
 * Of candidates that are alike equally (of vectors to 2e-6 of a cosine, float32's rounding), the order counts as drawn by chance:
 * ranks are the expectation over it, and neighbours are drawn by a hash of their number. Candidates that have nothing in common with the
 * query (no vector, no item of the bag) are never found.
 */
#ifndef MEDTOK_MEASURE_PROBE_QUESTION_H
#define MEDTOK_MEASURE_PROBE_QUESTION_H

#include <stdint.h>

enum question_kind { QUESTION_RANK, QUESTION_NEAREST, QUESTION_LINEAR, QUESTION_DISTANCE };
enum { QUESTION_NAME_BYTES = 96, PROBE_MOST_NEAREST = 64 };

/* Some codes of each query: of query q codes[offsets[q] .. offsets[q + 1]), ascending. */
struct query_codes {
    int64_t *offsets;
    int32_t *codes;
    long long capacity;
};

/* Two queries, by their place among them, and the length of the path between them in the hierarchy. */
struct code_pair {
    int32_t a, b, distance;
};

struct probe_question {
    char name[QUESTION_NAME_BYTES];
    enum question_kind kind;
    int64_t n_queries, n_candidates;
    int32_t *queries;      /* [n_queries] codes, ascending */
    uint8_t *is_candidate; /* [n_codes] of QUESTION_LINEAR: what is learned from; of QUESTION_DISTANCE NULL: none */
    struct query_codes targets; /* QUESTION_RANK: the right answers; at least one of each query, all candidates */
    struct query_codes known;   /* QUESTION_RANK: left out of the ranking; offsets NULL: none */
    const int32_t
        *category;   /* [n_codes] of QUESTION_NEAREST: candidates of the query's own are left out (NULL: none are); of
                                 * QUESTION_LINEAR: what is held out together. Borrowed */
    int64_t n_pairs; /* QUESTION_DISTANCE */
    struct code_pair *pairs; /* [n_pairs], each pair once */
};

void probe_question_free(struct probe_question *question);

/* Where the best of a query's right answers came. */
struct rank_answer {
    int64_t above, tied; /* other candidates that are more alike, and as much so */
    int32_t right;       /* right answers that are as much alike; 0: none was found */
};

/* One of the k nearest. */
struct near_candidate {
    float likeness;
    int32_t code; /* -1: no more */
};

/* The answers to QUESTION_RANK or QUESTION_NEAREST; ranks or nearest is there. Zero it before use. */
struct probe_answers {
    struct rank_answer *ranks;      /* [n_queries] */
    struct near_candidate *nearest; /* [n_queries, k], nearest first */
    int k;
};

int probe_answers_make(struct probe_answers *answers, const struct probe_question *question, int k);
void probe_answers_free(struct probe_answers *answers);

/* The probability that a right answer is among the first `most`, and the mean of 1 / its rank, over all orders of what is tied. */
double rank_hit(struct rank_answer rank, int most);
double rank_reciprocal(struct rank_answer rank);

/* The class (class_of [n_codes], -1: none) of most of the nearest[k] that have one, of equal ones that of the nearest; -1: none has. */
int32_t nearest_class(const struct near_candidate *nearest, int k, const int32_t *class_of);

/* Puts a candidate among nearest[k], which are in order, if it belongs there. */
void near_candidates_add(struct near_candidate *nearest, int k, float likeness, int32_t code);

#endif
