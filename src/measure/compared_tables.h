/* Two tables beside each other: the codes that both have, their tokens, and the codes nearest to some of them in each. */
#ifndef MEDTOK_MEASURE_COMPARED_TABLES_H
#define MEDTOK_MEASURE_COMPARED_TABLES_H

#include "dist/comm.h"
#include "kernels.h"
#include "measure/stability.h"
#include "store/table.h"

struct compared_tables {
    /* borrowed, set by the caller, all else zero */
    const struct comm *comm;
    struct device *device;
    struct table *tables[2];
    int64_t sample; /* queries, at most */
    /* private */
    int64_t n;                         /* codes in both, in the order of the first table */
    int64_t *rows[2];                  /* [n] of each table */
    int64_t *place[2];                 /* [n_codes of each table] 0 .. n-1; -1: not in the other */
    struct stability_tokens tokens[2]; /* [n, 4, K] */
    int32_t *owned_tokens[2];
    float *owned_weights[2];
    int64_t *queries, n_queries; /* ascending */
    int32_t *near[2];
};

/* Collective; every rank reads both tables' names and tokens, and their embeddings block by block. STATUS_FAILED if they have no code in
 * common (a code is the same in any spelling: terms/code_index.h). bootstrap: of the intervals, whose seed draws the queries. Call
 * compared_tables_free in any case. */
int compared_tables_measure(struct compared_tables *compared, const struct bootstrap *bootstrap,
                            struct stability *stability);
void compared_tables_free(struct compared_tables *compared);

#endif
