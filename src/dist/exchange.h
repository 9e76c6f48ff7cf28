/* Rows that each rank has for each other, brought to where they belong. */
#ifndef MEDTOK_DIST_EXCHANGE_H
#define MEDTOK_DIST_EXCHANGE_H

#include "dist/comm.h"

/* What came: rows[n] of row_bytes, those of rank r from first[r] on. Zeroed it is empty; it is reused, and freed in the end. */
struct received_rows {
    int64_t n;
    int64_t *first; /* [size + 1] */
    char *rows;
    long long first_capacity, bytes_capacity;
};

/* Collective. rows: those for rank 0, then those for rank 1, ...; count [size] how many for each. From and to a
 * rank go at most 2^31 - 1 rows, unless it is alone. */
int comm_exchange_rows(const struct comm *comm, int64_t row_bytes, const int64_t *count, const void *rows,
                       struct received_rows *received);
void received_rows_free(struct received_rows *received);

#endif
