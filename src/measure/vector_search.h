/* Questions (measure/probe_question.h) answered by the cosine of vectors, or of vectors in parts: by the mean of the cosines of those parts
 * that both codes have. A cosine over all parts puts a code that lacks one apart from those that have it, however alike the others are.
 *
 * Vectors come in blocks of codes, of which each rank makes its part, so that no rank holds all; queries are dealt to the ranks in blocks of
 * fixed size, each computed alike by any rank: the answers are the same for any number of ranks.
 */
#ifndef MEDTOK_MEASURE_VECTOR_SEARCH_H
#define MEDTOK_MEASURE_VECTOR_SEARCH_H

#include "dist/comm.h"
#include "kernels.h"
#include "measure/probe_question.h"

enum { VECTOR_BLOCK = 4096, VECTOR_PIECE = 128, VECTOR_MOST_PARTS = 8 };

/* Where vectors come from. */
struct vector_source {
    int64_t n, width; /* codes, values of each */
    /* Writes the vectors of codes first .. first + count - 1 into rows [count, width]; 0 for a code without one. Called with the parts
     * vector_part() of this rank, ascending within a walk. */
    int (*read)(void *self, int64_t first, int64_t count, float *rows);
    void *self;
    const uint8_t
        *used; /* [n] codes that are ever asked for; blocks without any are passed over. NULL: all. Borrowed */
    int parts; /* of a vector, width / parts values each, all 0 where a code has none of it; 0: the vector is one part */
};

/* This rank's codes of the block of `count` codes that begins with `first`: *begin .. *end - 1. It consists of pieces of VECTOR_PIECE codes:
 * who computes a vector by products of matrices does so piece by piece, so that it rounds alike on any number of ranks. */
void vector_part(const struct comm *comm, int64_t first, int64_t count, int64_t *begin, int64_t *end);
int64_t vector_part_first(const struct comm *comm, int64_t count,
                          int rank); /* where that of a rank begins in the block */

/* Whether all of row[n] are 0: that of a code without a vector. */
int vector_is_zero(const float *row, int64_t n);

/* Bits of the parts of row[width] that are not 0. */
unsigned vector_parts(const float *row, int64_t width, int64_t parts);

/* Collective. The vectors of codes[n], ascending, each part of norm 1 (or 0), into rows [n, width] on every rank. */
int vectors_collect(const struct comm *comm, const struct vector_source *source, int64_t n, const int32_t *codes,
                    float *rows);

/* Vectors of some codes, each part of norm 1 (or 0), on every rank. */
struct vector_rows {
    int64_t n, width, parts;
    int32_t *row_of; /* [source's n] of each code in rows; -1: it is not there */
    float *rows;     /* [n, width] */
};

/* Collective. Of the codes that are queries or, of QUESTION_LINEAR, candidates. Free in any case. */
int vector_rows_make(struct vector_rows *rows, const struct comm *comm, const struct vector_source *source,
                     int n_questions, const struct probe_question *questions);
void vector_rows_free(struct vector_rows *rows);

static inline const float *vector_row(const struct vector_rows *rows, int32_t code) {
    return rows->rows + rows->row_of[code] * rows->width;
}

/* Collective. Questions of QUESTION_RANK and QUESTION_NEAREST; rows: the vectors of their queries. answers [n_questions]
 * (probe_answers_make): the same on every rank. */
int vector_search(const struct comm *comm, struct device *device, const struct vector_source *source,
                  const struct vector_rows *rows, int n_questions, const struct probe_question *questions,
                  struct probe_answers *answers);

#endif
