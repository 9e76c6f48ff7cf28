/* Rows of which only the values that are not 0 are held, side by side (CSR, ragged). */
#ifndef MEDTOK_FIT_SPARSE_ROWS_H
#define MEDTOK_FIT_SPARSE_ROWS_H

#include <stdint.h>

struct sparse_rows {
    int64_t n;
    int64_t *offsets; /* [n + 1] owned; NULL while there is no row */
    int32_t *column;  /* [offsets[n]] ascending within a row */
    float *value;
    long long n_capacity, column_capacity, value_capacity;
};

/* Adds a row of n entries. */
int sparse_rows_add(struct sparse_rows *rows, int64_t n, const int32_t *column, const float *value);
void sparse_rows_free(struct sparse_rows *rows);

/* An entry on its way to its row. */
struct sparse_entry {
    int32_t row, column;
    float value;
};

/* Rows 0 .. n - 1 from the entries, which within a row keep their order. transposed: the other way round, a row for each column. Free in
 * any case. */
int sparse_rows_from_entries(struct sparse_rows *rows, int64_t n, int64_t n_entries, const struct sparse_entry *entries,
                             int transposed);

#endif
