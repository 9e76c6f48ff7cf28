/* Rows of a dataset, wanted by several ranks in any mixture, each read from the file by one rank alone: rank r reads the rows that
 * row_owner_first (dist/row_owner.h) gives it, of those that anybody wants, and sends them to who does. So a rank reads its share of the
 * file and holds what it asked for, however the two lie to each other. */
#ifndef MEDTOK_STORE_ROW_FETCH_H
#define MEDTOK_STORE_ROW_FETCH_H

#include "store/h5file.h"

struct row_range {
    int64_t first, count;
};

/* Collective. rows: those of ranges[n], ascending, one behind the other, in the type's memory form (room for them is the caller's). `file` is
 * open on every rank; on one rank alone, comm_self(), it is plain reading of what is wanted. `status`: what failed on this rank on the way
 * here; any rank's failure, ranges that do not ascend or are not in the dataset among them, becomes every rank's. Goes in rounds
 * of bounded size, whatever is wanted. */
int h5file_fetch(struct h5file *file, const struct comm *comm, const char *name, enum h5type type, int64_t n,
                 const struct row_range *ranges, void *rows, int status);

/* Collective. Of ragged data: (*spans)[n], where the values of each item lie, of items[n] (ascending, each once), by the dataset `name` of
 * offsets, of which there is one more than items; and how many there are, in *n_values. The caller frees *spans in any case. */
int h5file_fetch_spans(struct h5file *file, const struct comm *comm, const char *name, int64_t n, const int64_t *items,
                       struct row_range **spans, int64_t *n_values, int status);

/* Not collective. offsets[n + 1], from 0, of spans[n] that lie one behind the other. */
void offsets_of_spans(int64_t n, const struct row_range *spans, int64_t *offsets);

#endif
