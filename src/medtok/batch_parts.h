/* The parts of a batch (loss.parts): the global batch, whose codes stand in one order on any number of ranks, cut into equal runs of codes.
 * The publication computes its losses on each of its 4 ranks alone; here the parts are the same wherever their codes are. */
#ifndef MEDTOK_MEDTOK_BATCH_PARTS_H
#define MEDTOK_MEDTOK_BATCH_PARTS_H

#include "medtok/batch.h"
#include "medtok/losses.h"

enum batch_list { LIST_TEXT, LIST_GRAPH, LIST_BOTH, N_LISTS };

/* Of each list of the batch (codes with text, with a graph, with both) the rows of each part. */
struct batch_parts {
    int n;                           /* parts; 1: nothing is made, and part_rows is NULL */
    struct part_rows lists[N_LISTS]; /* owned */
};

/* Room for n parts. Free in any case. */
int batch_parts_make(struct batch_parts *parts, int64_t n);
void batch_parts_free(struct batch_parts *parts);

/* How many numbers ranks tell each other of their parts. */
static inline int64_t batch_parts_shared(const struct batch_parts *parts) {
    return parts->n > 1 ? (int64_t)N_LISTS * parts->n : 0;
}

/* Writes to counts [N_LISTS, n] how many rows of each part this rank's flattened batch has, its codes standing at `before` and on in the
 * global batch of `total` codes. */
void batch_parts_count(const struct batch_parts *parts, const struct batch *batch, int64_t before, int64_t total,
                       int64_t *counts);

/* The parts, from the counts of all ranks together. */
void batch_parts_set(struct batch_parts *parts, const int64_t *counts);

static inline const struct part_rows *batch_parts_of(const struct batch_parts *parts, enum batch_list list) {
    return parts->n > 1 ? &parts->lists[list] : NULL;
}

#endif
