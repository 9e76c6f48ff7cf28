/* A text file that exists whole or not at all: written beside its target under a temporary name, then renamed. Symbolic links
 * are followed: the file they lead to is replaced. For HDF5 files store/h5file.h does the same. */
#ifndef MEDTOK_BASE_ATOMIC_FILE_H
#define MEDTOK_BASE_ATOMIC_FILE_H

#include <limits.h>
#include <stdio.h>

struct atomic_file {
    FILE *stream; /* write here; NULL: not open */
    char path[PATH_MAX], target[PATH_MAX], temporary[PATH_MAX];
};

/* Opens it, making the folder if it is missing. */
int atomic_file_open(struct atomic_file *file, const char *path);

/* STATUS_FAILED with the reason, if something could not be written to the stream just now; else STATUS_OK. */
int atomic_file_error(const struct atomic_file *file);

/* Whether it could be opened: for a job to ask before it computes what the file will hold. Leaves nothing. */
int atomic_file_check(const char *path);

/* Flushes, syncs and renames; after a failure nothing is left, and the old target is untouched. `status` other than STATUS_OK:
 * something failed before; then the temporary file is removed and `status` returned. A file that is not open: returns status. */
int atomic_file_close(struct atomic_file *file, int status);

#endif
