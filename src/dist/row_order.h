/* An order of the rows of a table that is cut among ranks (row_owner.h), in which each row lies, if it can, on the rank that uses it most.
 *
 * Rank r holds positions row_owner_first(r) .. row_owner_first(r + 1) - 1 of the order, as many rows as without one; among its own
 * they ascend. Rows that are used most choose first; those whose rank is full, and those that nobody uses, fill up the others. Where
 * rows lie changes no result: a row's number is what keys its first value, and files have rows by number.
 */
#ifndef MEDTOK_DIST_ROW_ORDER_H
#define MEDTOK_DIST_ROW_ORDER_H

#include "dist/comm.h"

struct row_order {
    int64_t n;
    int32_t *position; /* [n] of each row */
    int32_t *held;     /* [count] the rows that this rank holds, ascending */
    int64_t first, count;
    /* for moving rows: */
    int *to_count, *to_first, *from_count,
        *from_first; /* [size] held rows by the rank whose block of numbers has them; rows of this rank's
                                                           block of numbers by the rank that holds them */
    int *taken;      /* [size] */
    float *block;    /* [values] rows of this rank's block of numbers, by the rank that holds them */
    int64_t values;
    MPI_Request *requests; /* [2 size] */
};

/* owner [n]: the rank of each row, of `size`, as above. uses [n]: of the rank that uses a row most, which is user [n]; 0: nobody does. */
int row_order_assign(int64_t n, int size, const int64_t *uses, const int32_t *user, int32_t *owner);

/* Collective. uses [n]: how much this rank uses each row, up to 2^31 - 1; of ranks that use a row as much the lowest counts. */
int row_order_make(struct row_order *order, const struct comm *comm, int64_t n, const int64_t *uses);
void row_order_free(struct row_order *order);

enum { ROW_ORDER_MOST_PARTS = 4 };

/* Memory for moving rows of so many values; not collective. */
int row_order_reserve(struct row_order *order, int64_t values_a_row);

/* Collective, messages only between ranks that have rows for each other. rows [n_parts][count, cols], of ROW_ORDER_MOST_PARTS at most: parts of the rows that this rank
 * holds become those of its block of numbers, row_owner_first(rank) .. , and the other way round. In place; memory was reserved. */
int row_order_to_blocks(struct row_order *order, const struct comm *comm, int n_parts, int64_t cols,
                        float *const *rows);
int row_order_from_blocks(struct row_order *order, const struct comm *comm, int n_parts, int64_t cols,
                          float *const *rows);

#endif
