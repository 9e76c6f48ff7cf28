/* Shared by the files that implement h5file.h. */
#ifndef MEDTOK_STORE_H5INTERNAL_H
#define MEDTOK_STORE_H5INTERNAL_H

#include <hdf5.h>

#include "store/h5file.h"
#include "store/h5sums.h"

enum { H5_NAME_BYTES = 256 }; /* of a dataset, with the final zero */

/* The block read last, verified: of a dataset that is read in small pieces, each block is read once. */
struct h5block {
    char name[H5_NAME_BYTES];
    int64_t number;
    char *rows; /* owned */
    long long capacity;
};

struct h5file {
    hid_t id;
    struct comm comm;
    int ranks;        /* by which it is written */
    int partial;      /* partial: what is written is kept when it cannot be finished */
    int unfit;        /* the last failure is of what the file holds, not of the system */
    int disk;         /* rank 0, while writing: the temporary file once more, to reserve room in; else -1 */
    int64_t reserved; /* bytes of the file that are sure to have room */
    char *path, *target, *temporary; /* owned: as named, where links lead, and what is written */
    char key[33];
    /* what the content id is made of: `name checksum` of each dataset, in order of writing */
    char *contents;
    long long contents_size, contents_capacity;
    /* checksums of blocks, of all datasets written so far, or of all in a file that is read; NULL: not read yet */
    uint64_t *sums;
    long long n_sums, sums_capacity;
    struct h5block last; /* reading */
};

/* Quiets HDF5's own printing, once, and keeps file locks from being a trap on shared file systems. */
void h5_quiet(void);

/* Innermost text of HDF5's error stack, e.g. "No space left on device"; clears the stack. */
const char *h5_reason(void);

/* Whether the reason told last is the system's: no memory, no handle, a disk that fails. */
int h5_reason_is_system(void);

/* Type of `type` in file and memory; the caller closes it with H5Tclose. cols is the length for H5_TEXT. */
hid_t h5_type(enum h5type type, int64_t cols);
int64_t h5_type_size(enum h5type type);

/* Size in bytes of a row of a dataset. */
int64_t h5_row_bytes(enum h5type type, int64_t cols, int64_t inner);

/* ---- writing ---- */
/* A file that is laid out for other ranks: all that HDF5 puts there begins a page. Where a client of a network file system holds a page,
 * it may write all of it, so what rank 0 writes must lie in none that has rows. */
enum { H5_PAGE_BYTES = 1 << 12 };
enum { H5_METADATA_BYTES = 1 << 16 }; /* more than the headers of a file or a dataset, and its end, take */

/* The error "PATH: WHAT: why". Sets file->unfit. */
int h5_failed_to(struct h5file *file, const char *what);

/* Collective. Makes sure that the file can grow by `bytes` over what was reserved before, ahead of any rank's writing:
 * when a disk fills up inside a collective write, Open MPI 4.1 leaves the other ranks waiting for ever. Where the file
 * system cannot reserve (Lustre, NFS before 4.2), its free room is looked at, which is nearly as good. */
int h5_reserve(struct h5file *file, int64_t bytes);

/* Fails: "FILE is damaged: NAME HOW; make it again with `medtok JOB`". */
int h5_damaged(const struct h5file *file, const char *name, const char *how);

/* Collective: one attribute of a file or a dataset; a scalar, or of another shape. */
int h5_set_attribute(struct h5file *file, hid_t object, const char *name, hid_t type, hid_t space, const void *value);
int h5_set_scalar(struct h5file *file, hid_t object, const char *name, hid_t type, const void *value);

/* For h5layout.h, on a rank alone. Creates the file as h5file_create, as one of `ranks` ranks; partial: TARGET.partial. */
int h5_create_alone(struct h5file **out, const char *path, enum file_kind kind, const struct provenance *provenance,
                    int64_t bytes_expected, int ranks, int partial);
/* Opens TARGET.partial again, without what h5_end_file may have written. *unfit: it fails as there is none, or for what is in it. */
int h5_reopen_alone(struct h5file **out, const char *path, const struct provenance *provenance, int ranks, int *unfit);
/* Creates a contiguous dataset with cells of cell_rows; *offset: of its rows in the file, -1 if it has none. */
int h5_lay_out(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type, int64_t n_rows,
               int64_t cols, int64_t inner, int64_t cell_rows, int64_t *offset);
/* The same of one that is there, without its sums; fails if it is another, and sets file->unfit. */
int h5_find_laid_out(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type, int64_t n_rows,
                     int64_t cols, int64_t inner, int64_t cell_rows, int64_t *offset);
/* Closes it, whose rows others wrote, with the sums of its blocks. */
int h5_close_summed(struct h5dataset *dataset, const uint64_t *blocks);

/* The parts of h5file_commit. Collective: all but the name; `file` stays. By rank 0, on any thread: the name. */
int h5_end_file(struct h5file *file);
int h5_sync_and_rename(const struct h5file *file);

/* Collective. The sums of all blocks, by rank 0; they are checked by what they are the sums of. */
int h5_write_sums(struct h5file *file);

#endif
