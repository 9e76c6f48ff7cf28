/* A file that rank 0 lays out alone, and whose rows all ranks then write at known offsets: for files that are written while other
 * work goes on. It is the same file as one of h5file.h, to its content id; its datasets are contiguous.
 *
 * Three messages make it: rank 0 tells where the rows go, the ranks sum their checksums, and rank 0 tells whether the file is whole (that
 * one is the caller's). Between the first two, h5layout_write and h5layout_sync move the bytes without MPI, HDF5 or a device,
 * so that another thread may do it; so may another thread of rank 0 with h5layout_seal.
 *
 * A partial file is written over several runs, by any number of ranks each: `path`.partial, which lasts through killed processes and a
 * failure at any point behind h5layout_begin, and which h5layout_resume takes up again. It does not say which rows it has: the
 * caller knows (store/part_journal.h), and counts them with h5layout_count.
 */
#ifndef MEDTOK_STORE_H5LAYOUT_H
#define MEDTOK_STORE_H5LAYOUT_H

#include <limits.h>

#include "store/h5file.h"

/* Who writes the rows of a dataset: rank 0 all of them; each rank those that row_owner_first (dist/row_owner.h) gives it; any rank any
 * rows; or each rank those behind the rows of the ranks before it (h5layout_write_parts). */
enum h5layout_writer { ROWS_OF_ROOT, ROWS_OF_OWNERS, ROWS_OF_ANY, ROWS_IN_ORDER };

/* A dataset [n_rows, cols], or, inner > 0, [n_rows, cols, inner]. */
struct h5layout_set {
    const char *name;
    enum h5type type;
    int64_t n_rows, cols;
    enum h5layout_writer writer;
    int64_t inner;
};

struct h5layout {
    const struct comm *comm;         /* borrowed */
    const struct h5layout_set *sets; /* [n], borrowed */
    int n;
    struct h5sums *sums; /* [n] of what this rank wrote */
    uint64_t *all;       /* [n_all] sums of all blocks of all datasets, and how many ranks failed */
    int64_t n_all;
    struct h5file *file;        /* rank 0, while it is written */
    struct h5dataset **open;    /* rank 0: [n] */
    int disk;                   /* of this rank's writing; -1 */
    int partial;                /* the file lasts, as above; set it behind h5layout_make */
    struct h5layout_head *head; /* what rank 0 tells; private */
};

/* Memory for files of these datasets; one after the other may be written with it. Not collective. Free in any case, which abandons a file
 * that is not sealed. */
int h5layout_make(struct h5layout *layout, const struct comm *comm, int n, const struct h5layout_set *sets);
void h5layout_free(struct h5layout *layout);

/* Collective, one message. Creates the temporary file of `path` with its head, what `head` (with `self`) adds to it, attributes and small datasets of
 * rank 0 (h5file_set_*, h5file_write), and then the datasets of the layout, empty. Arguments are looked at on rank 0, of which `status` is what went
 * before: its failure becomes every rank's. */
int h5layout_begin(struct h5layout *layout, const char *path, enum file_kind kind, const struct provenance *provenance,
                   int64_t bytes_expected, int (*head)(struct h5file *file, void *self), void *self, int status);

/* Collective, one message, in place of h5layout_begin: goes on with `path`.partial. Fails, and leaves it, where it is not there, or has not
 * the datasets of this layout (*unfit: 1), or cannot be opened now (0: no handle, no memory, a disk that fails), so that a later run may
 * go on. The provenance is what the file was begun with. */
int h5layout_resume(struct h5layout *layout, const char *path, const struct provenance *provenance, int *unfit);

/* Writes rows first..first+count-1 of dataset number `set`, of those that are this rank's; each row once, whole. */
int h5layout_write(struct h5layout *layout, int set, int64_t first, int64_t count, const void *data);

/* Of rows of a dataset ROWS_OF_ANY that an earlier run has written: reads them back, zeros for those behind the file's end; their checksum; and counts them as written now. */
int h5layout_read(struct h5layout *layout, int set, int64_t first, int64_t count, void *data);
uint64_t h5layout_checksum(const struct h5layout *layout, int set, int64_t first, int64_t count, const void *data);
void h5layout_count(struct h5layout *layout, int set, int64_t first, int64_t count, const void *data);

/* Collective, in place of the calls of h5layout_write, of datasets that are ROWS_IN_ORDER: parts [n], rows of each dataset (none of others). Together the ranks have each row once, those of
 * rank r behind those of the ranks before it, cut anywhere: of a cell of checksums whose rows several ranks have, the first of them gets
 * what the others have. A part without rows has its place all the same. `status` as in h5layout_end. */
struct h5layout_part {
    int64_t first, count;
    const void *data;
};
int h5layout_write_parts(struct h5layout *layout, const struct h5layout_part *parts, int status);

/* Makes what this rank wrote last through a crash, and closes it. */
int h5layout_sync(struct h5layout *layout);

/* Collective, one message. `status`: of this rank's writing, which if it failed on any rank fails on all, and the file is removed, a partial one
 * left. */
int h5layout_end(struct h5layout *layout, int status);

/* Then, on rank 0: complete writes the checksums, and seal, on any thread, gives the file its name. What either failed with, or STATUS_OK,
 * goes through h5layout_close, which removes the file if it has no name (leaves a partial one). */
int h5layout_complete(struct h5layout *layout);
int h5layout_seal(struct h5layout *layout);
int h5layout_close(struct h5layout *layout, int status);

/* The three at once. */
int h5layout_finish(struct h5layout *layout);

#endif
