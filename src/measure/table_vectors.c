/* Rows are read whole, and columns taken. */
#include "measure/table_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

static int read_vectors(void *self, int64_t first, int64_t count, float *rows) {
    const struct table_vectors *v = self;
    int64_t all = TABLE_GROUPS * v->table->shape.dim, width = v->source.width;
    TRY(table_read(v->table, first, count, NULL, NULL, v->rows));
    for (int64_t i = 0; i < count; i++)
        memcpy(rows + i * width, v->rows + i * all + v->first, (size_t)width * sizeof *rows);
    return STATUS_OK;
}

int table_vectors_make(struct table_vectors *v, struct table *table, int64_t first, int64_t width, int parts,
                       const uint8_t *used) {
    *v = (struct table_vectors){.table = table, .first = first};
    v->source = (struct vector_source){
        .n = table->shape.n_codes, .width = width, .parts = parts, .read = read_vectors, .self = v, .used = used};
    return mem_alloc(&v->rows, VECTOR_BLOCK * TABLE_GROUPS * table->shape.dim, sizeof *v->rows);
}

void table_vectors_free(struct table_vectors *v) {
    free(v->rows);
    *v = (struct table_vectors){0};
}
