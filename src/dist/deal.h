/* Rows that each rank sends to others, one by one to whom they belong. Any number of rows: they travel in rounds of bounded size. */
#ifndef MEDTOK_DIST_DEAL_H
#define MEDTOK_DIST_DEAL_H

#include "dist/comm.h"

/* Collective. Row i of rows [n, row_bytes] goes to rank to[i]. got [*n_got, row_bytes]: what this rank is sent, by sender and in the
 * sender's order. The caller frees *got, which is not NULL. */
int comm_deal_rows(const struct comm *comm, int64_t n, int64_t row_bytes, const void *rows, const int *to,
                   int64_t *n_got, void *got);

#endif
