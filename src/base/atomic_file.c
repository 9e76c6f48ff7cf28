#include "base/atomic_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file_lock.h"
#include "base/path.h"
#include "base/status.h"

static int failed(const struct atomic_file *file) {
    return status_set(STATUS_FAILED, "%s: %s", file->path,
                      errno ? strerror(errno) : "not all of it could be written: is the disk full?");
}

int atomic_file_open(struct atomic_file *file, const char *path) {
    *file = (struct atomic_file){0};
    TRY(path_resolve(path, file->target));
    TRY(path_make_folder_of(file->target));
    snprintf(file->path, sizeof file->path, "%s", path);
    path_remove_temporaries(file->target);
    TRY(path_temporary(file->target, file->temporary));
    file->stream = fopen(file->temporary, "wb");
    return file->stream ? STATUS_OK : failed(file);
}

int atomic_file_error(const struct atomic_file *file) { return ferror(file->stream) ? failed(file) : STATUS_OK; }

int atomic_file_check(const char *path) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    fclose(file.stream);
    unlink(file.temporary);
    return STATUS_OK;
}

int atomic_file_close(struct atomic_file *file, int status) {
    if (!file->stream) return status;
    errno = 0;
    if (status == STATUS_OK && (fflush(file->stream) || ferror(file->stream) || fsync(fileno(file->stream))))
        status = failed(file);
    if (fclose(file->stream) && status == STATUS_OK) status = failed(file);
    file->stream = NULL;
    if (status == STATUS_OK) status = file_lock_check();
    if (status == STATUS_OK && rename(file->temporary, file->target)) status = failed(file);
    if (status != STATUS_OK) unlink(file->temporary);
    return status;
}
