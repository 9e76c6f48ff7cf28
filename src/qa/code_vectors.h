/* Vectors of some codes of a token table, of norm 1, for cosines. */
#ifndef MEDTOK_QA_CODE_VECTORS_H
#define MEDTOK_QA_CODE_VECTORS_H

#include <stdint.h>

#include "store/table.h"

struct code_vectors {
    int64_t n, width;
    int64_t *rows; /* [n] of the table, ascending, each once */
    float *unit;   /* [n, width]; 0 where the table has none */
};

/* The embeddings of rows[n], of all groups side by side; rows in any order and more than once, negative ones passed over. Free with
 * code_vectors_free in any case. */
int code_vectors_read(struct code_vectors *vectors, struct table *table, int64_t n, const int64_t *rows);
void code_vectors_free(struct code_vectors *vectors);

/* The vector of a row, or NULL: it was not read, or is 0. */
const float *code_vector(const struct code_vectors *vectors, int64_t row);

/* The cosine of two vectors of any length, sums in double; 0 if one is 0. */
double vector_cosine(const float *a, const float *b, int64_t width);

#endif
