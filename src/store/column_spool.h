/* Columns of rows that are written before it is known where in a dataset they go: they wait in a scratch file. Private to the store.
 *
 * Rows belong to units (subjects), whose rows follow each other in the datasets; the rows of a unit come together.
 */
#ifndef MEDTOK_STORE_COLUMN_SPOOL_H
#define MEDTOK_STORE_COLUMN_SPOOL_H

#include "base/scratch_file.h"
#include "store/h5file.h"

enum { SPOOL_MOST_COLUMNS = 5 };

struct spool_column {
    const char *name; /* of its dataset */
    enum h5type type;
};

/* Rows of units that follow each other: from row `skip` of unit `unit` on. */
struct spool_block {
    int64_t unit, skip, n, at; /* at: where in the scratch file its first column begins; then come the others */
};

struct column_spool {
    int n_columns;
    const struct spool_column *columns; /* borrowed */
    struct scratch_file file;
    struct spool_block *blocks;
    long long n_blocks, blocks_capacity;
    /* the block that is being filled */
    int64_t unit, skip, n, next_unit;
    char *rows[SPOOL_MOST_COLUMNS];
    long long capacity[SPOOL_MOST_COLUMNS];
};

int column_spool_open(struct column_spool *spool, const struct spool_column *columns, int n_columns,
                      const char *beside);
void column_spool_close(struct column_spool *spool);

/* The n rows of a unit: data[c] has those of column c. */
int column_spool_add(struct column_spool *spool, int64_t unit, int64_t n, const void *const *data);

/* Collective. Writes the datasets, of offsets[n_units] rows; those of unit u begin at row offsets[u]. */
int column_spool_write(struct column_spool *spool, struct h5file *file, const struct comm *comm, int64_t n_units,
                       const int64_t *offsets);

#endif
