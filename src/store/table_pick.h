/* Some rows of a table as a table of their own, which is small enough to be taken elsewhere. */
#ifndef MEDTOK_STORE_TABLE_PICK_H
#define MEDTOK_STORE_TABLE_PICK_H

#include "store/table.h"

/* Writes rows[n] of `from`, in the order of `from` and each once, to `path`: codes, tokens, weights and embeddings are what they were, and so are the
 * codebook and where the table came from. It has not all rows of the vocabulary (vocabulary_rows is 0): `picked` says how many of its codes are in it. One process calls it. */
int table_pick(struct table *from, int64_t n, const int64_t *rows, const char *path,
               const struct provenance *provenance);

#endif
