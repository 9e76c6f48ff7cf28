/* Rows that each rank has a part of, brought together on every rank. Any number of rows: they travel in rounds of
 * bounded size. */
#ifndef MEDTOK_DIST_GATHER_H
#define MEDTOK_DIST_GATHER_H

#include "dist/comm.h"

/* Collective. all [*n_all, row_bytes]: the rows [n, row_bytes] of all ranks in rank order; n may differ and be 0. The
 * caller frees *all, which is not NULL. */
int comm_gather_rows(const struct comm *comm, int64_t n, int64_t row_bytes, const void *rows, int64_t *n_all,
                     void *all);

/* Collective. rows [n, row_bytes], n the same on every rank, are made in blocks of `block` rows, block b by rank b mod
 * size: each rank has its own blocks, and afterwards all. */
int comm_gather_blocks(const struct comm *comm, int64_t n, int64_t block, int64_t row_bytes, void *rows);

/* Collective. The same where all ranks know how many rows each has, in one message and into memory that is there: all [first[size],
 * row_bytes], of rank r the rows first[r] .. first[r + 1] - 1, from its rows. Refuses more than 2^31 - 1 rows. */
int comm_gather_known(const struct comm *comm, const int64_t *first, int64_t row_bytes, const void *rows, void *all);

#endif
