/* Shared by the files that implement h5file.h. */
#ifndef MEDTOK_STORE_H5INTERNAL_H
#define MEDTOK_STORE_H5INTERNAL_H

#include <hdf5.h>

#include "store/h5file.h"

struct h5file {
    hid_t id;
    struct comm comm;
    int writing, schema_version;
    int disk;               /* rank 0, while writing: the temporary file once more, to reserve room in; else -1 */
    int64_t reserved;       /* bytes of the file that are sure to have room */
    char *path, *temporary; /* owned */
    char key[33];
    /* what the content id is made of: `name checksum` of each dataset, in order of writing */
    char *contents;
    long long contents_size, contents_capacity;
};

/* Quiets HDF5's own printing, once, and keeps file locks from being a trap on shared file systems. */
void h5_quiet(void);

/* Innermost text of HDF5's error stack, e.g. "No space left on device"; clears the stack. */
const char *h5_reason(void);

/* Type of `type` in file and memory; the caller closes it with H5Tclose. cols is the length for H5_TEXT. */
hid_t h5_type(enum h5type type, int64_t cols);
int64_t h5_type_size(enum h5type type);

/* Sum over rows of XXH3-64 (h5file.h). row_bytes is the size of one row. */
uint64_t h5_checksum(const void *data, int64_t first, int64_t count, int64_t row_bytes);

/* Size in bytes of a row of a dataset. */
int64_t h5_row_bytes(enum h5type type, int64_t cols, int64_t inner);

#endif
