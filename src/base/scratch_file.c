#include "base/scratch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/status.h"

/* Where the file system has no files without names, one is made and its name removed at once. */
static int open_in(const char *folder) {
    char path[PATH_MAX];
    int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return descriptor;
    if (snprintf(path, sizeof path, "%s/.medtok-scratch-XXXXXX", folder) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    descriptor = mkostemp(path, O_CLOEXEC);
    if (descriptor >= 0) unlink(path);
    return descriptor;
}

int scratch_file_open(struct scratch_file *file, const char *beside) {
    char target[PATH_MAX], folder[PATH_MAX];
    *file = (struct scratch_file){0};
    TRY(path_resolve(beside, target));
    path_folder(target, folder);
    TRY(path_make_folders(folder));
    file->folder = strdup(folder);
    if (!file->folder) return status_set(STATUS_FAILED, "out of memory");
    file->descriptor = open_in(folder);
    if (file->descriptor < 0) {
        int status = status_set(STATUS_FAILED, "a scratch file in %s: %s", folder, strerror(errno));
        scratch_file_close(file);
        return status;
    }
    file->open = 1;
    return STATUS_OK;
}

void scratch_file_close(struct scratch_file *file) {
    if (file->open) close(file->descriptor);
    free(file->folder);
    *file = (struct scratch_file){0};
}

int scratch_file_append(struct scratch_file *file, const void *bytes, int64_t n) {
    const char *from = bytes;
    while (n > 0) {
        ssize_t done = pwrite(file->descriptor, from, (size_t)n, (off_t)file->size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return status_set(STATUS_FAILED, "a scratch file of %lld bytes in %s: %s", (long long)file->size,
                              file->folder, done < 0 ? strerror(errno) : "nothing can be written");
        file->size += done;
        from += done;
        n -= done;
    }
    return STATUS_OK;
}

int scratch_file_read(const struct scratch_file *file, int64_t at, int64_t n, void *bytes) {
    char *to = bytes;
    while (n > 0) {
        ssize_t done = pread(file->descriptor, to, (size_t)n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return status_set(STATUS_FAILED, "reading a scratch file in %s: %s", file->folder,
                              done < 0 ? strerror(errno) : "it is too short");
        at += done;
        to += done;
        n -= done;
    }
    return STATUS_OK;
}
