#include "store/table_walk.h"

#include <stdlib.h>

#include "base/status.h"

int table_walk_begin(struct table_walk *w, struct table *table, unsigned parts, int64_t first, int64_t end) {
    int64_t rows = end - first < TABLE_WALK_ROWS ? end - first : TABLE_WALK_ROWS;
    int64_t picks = rows * TABLE_GROUPS * table->shape.top_k, width = rows * TABLE_GROUPS * table->shape.dim;
    *w = (struct table_walk){.table = table, .first = first, .end = end};
    if (parts & TABLE_TOKENS) TRY(mem_alloc(&w->tokens, picks, sizeof *w->tokens));
    if (parts & TABLE_WEIGHTS) TRY(mem_alloc(&w->weights, picks, sizeof *w->weights));
    return parts & TABLE_EMBEDDING ? mem_alloc(&w->embedding, width, sizeof *w->embedding) : STATUS_OK;
}

int table_walk_next(struct table_walk *w) {
    w->first += w->count;
    w->count = w->end - w->first < TABLE_WALK_ROWS ? w->end - w->first : TABLE_WALK_ROWS;
    return w->count > 0 ? table_read(w->table, w->first, w->count, w->tokens, w->weights, w->embedding) : STATUS_OK;
}

void table_walk_end(struct table_walk *w) {
    free(w->tokens);
    free(w->weights);
    free(w->embedding);
    *w = (struct table_walk){0};
}
