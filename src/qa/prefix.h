/* Vectors of codes as tokens of a language model:
 *
 *   p_i = W norm(z_i) + b for the first codes of a question, or their mean;   a learned vector where there is none
 *
 * with z_i the code's vector in a token table. Training and testing come here alike.
 */
#ifndef MEDTOK_QA_PREFIX_H
#define MEDTOK_QA_PREFIX_H

#include "loader/pack.h"
#include "nn/parameters.h"
#include "qa/code_vectors.h"
#include "qa/options.h"
#include "qa/questions.h"
#include "terms/code_index.h"

struct prefix {
    enum qa_prefix kind;
    int64_t width, most; /* of a vector; codes of a question that are read */
    int is_mean;
    int64_t n_questions, *offsets; /* [n_questions + 1] of `vectors` */
    float *vectors;                /* [offsets[n], width] of norm 1, or means of such */
    char table_id[33];             /* of the table; "": none was read */
    struct linear_map projector;   /* [hidden, width]; .weight NULL: QA_PREFIX_NULL */
    struct parameter *none;        /* [1, hidden] */
};

/* Reads the vectors of the questions' codes from `table` and adds the parameters, prefix.*, to the set. QA_PREFIX_RANDOM: random vectors of
 * norm 1 in their place, a code always the same; QA_PREFIX_SHUFFLED: all codes of a system in the table change vectors; both keyed by the seed, a code's the
 * same whatever the questions are. */
int prefix_make(struct prefix *prefix, const struct qa_options *options, const char *table, uint64_t seed,
                const struct questions *questions, struct parameter_set *set, int64_t hidden);
void prefix_free(struct prefix *prefix);

/* Whether rows stand before a question, and whether codes' vectors make them. */
static inline int prefix_has_rows(enum qa_prefix kind) { return kind >= QA_PREFIX_NULL; }
static inline int prefix_has_vectors(enum qa_prefix kind) { return kind > QA_PREFIX_NULL; }

/* At most so many rows has a question's prefix with these options. */
int64_t prefix_most_rows(const struct qa_options *options);

/* Vectors of codes that a question's prefix has; 0: it has the learned one alone. */
int64_t prefix_vectors(const struct prefix *prefix, int64_t question);

/* Rows of a question's prefix: at least 1. */
int64_t prefix_rows(const struct prefix *prefix, int64_t question);

/* The prefixes of a batch's questions, one behind the other. */
struct prefix_batch {
    int64_t n, n_vectors; /* rows; those that are of codes */
    dev_real vectors;     /* [n_vectors, width] */
    dev_int vector, none; /* [n] row of vectors, or -1; 0, or -1 */
};
int prefix_pack(const struct prefix *prefix, struct pack *pack, int64_t n, const int64_t *questions,
                struct prefix_batch *batch);

/* [batch->n, hidden] */
struct var *prefix_apply(const struct prefix *prefix, struct tape *tape, const struct prefix_batch *batch);

#endif
