/* A folder of files that is there whole or not at all: its files are written into a folder beside it under a temporary name, which
 * is then renamed. It has no folders in it. Symbolic links are followed. The caller holds the lock of `path` (base/file_lock.h), and
 * has looked at what is there, which is replaced (jobs/outputs.h). */
#ifndef MEDTOK_BASE_ATOMIC_FOLDER_H
#define MEDTOK_BASE_ATOMIC_FOLDER_H

#include <limits.h>

struct atomic_folder {
    char path[PATH_MAX], target[PATH_MAX];
    char temporary[PATH_MAX]; /* write here; "": not open */
};

/* Makes it, and those above it; removes what interrupted runs left. */
int atomic_folder_open(struct atomic_folder *folder, const char *path);

/* Renames it; what was there before is gone then. After a failure nothing is left, and the old folder is untouched. `status` other
 * than STATUS_OK: something failed before; then the temporary folder is removed and `status` returned. */
int atomic_folder_close(struct atomic_folder *folder, int status);

#endif
