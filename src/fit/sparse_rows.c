#include "fit/sparse_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int sparse_rows_add(struct sparse_rows *r, int64_t n, const int32_t *column, const float *value) {
    int64_t at = r->n ? r->offsets[r->n] : 0;
    TRY(mem_grow(&r->offsets, &r->n_capacity, r->n + 2, sizeof *r->offsets));
    TRY(mem_grow(&r->column, &r->column_capacity, at + n, sizeof *r->column));
    TRY(mem_grow(&r->value, &r->value_capacity, at + n, sizeof *r->value));
    if (r->n == 0) r->offsets[0] = 0;
    if (n > 0) {
        memcpy(r->column + at, column, (size_t)n * sizeof *column);
        memcpy(r->value + at, value, (size_t)n * sizeof *value);
    }
    r->offsets[++r->n] = at + n;
    return STATUS_OK;
}

void sparse_rows_free(struct sparse_rows *r) {
    free(r->offsets);
    free(r->column);
    free(r->value);
    *r = (struct sparse_rows){0};
}

int sparse_rows_from_entries(struct sparse_rows *r, int64_t n, int64_t n_entries, const struct sparse_entry *entries,
                             int transposed) {
    *r = (struct sparse_rows){.n = n};
    TRY(mem_alloc(&r->offsets, n + 2, sizeof *r->offsets));
    TRY(mem_alloc(&r->column, n_entries, sizeof *r->column));
    TRY(mem_alloc(&r->value, n_entries, sizeof *r->value));
    int64_t *next = r->offsets + 1; /* where a row goes on, so that in the end it is where the next one begins */
    for (int64_t i = 0; i < n_entries; i++) {
        int64_t row = transposed ? entries[i].column : entries[i].row;
        next[row + 1]++;
    }
    for (int64_t i = 0; i < n; i++) next[i + 1] += next[i];
    for (int64_t i = 0; i < n_entries; i++) {
        int64_t at = next[transposed ? entries[i].column : entries[i].row]++;
        r->column[at] = transposed ? entries[i].row : entries[i].column;
        r->value[at] = entries[i].value;
    }
    return STATUS_OK;
}
