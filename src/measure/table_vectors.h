/* The embeddings of a table, or columns of them, as vectors (measure/vector_search.h). */
#ifndef MEDTOK_MEASURE_TABLE_VECTORS_H
#define MEDTOK_MEASURE_TABLE_VECTORS_H

#include "measure/vector_search.h"
#include "store/table.h"

/* It must stay where it was made: the source points at it. */
struct table_vectors {
    struct vector_source source;
    struct table *table; /* borrowed */
    int64_t first;       /* column */
    float *rows;         /* [VECTOR_BLOCK, 4 dim] */
};

/* Columns first .. first + width - 1 of `parts` parts; used: as of struct vector_source. Free in any case. */
int table_vectors_make(struct table_vectors *vectors, struct table *table, int64_t first, int64_t width, int parts,
                       const uint8_t *used);
void table_vectors_free(struct table_vectors *vectors);

#endif
