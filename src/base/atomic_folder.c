#include "base/atomic_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_lock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"

static int failed(const char *path) { return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno ? errno : EIO)); }

/* With the files in it. */
static void remove_folder(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    if (rmdir(path)) log_warn("could not remove %s: %s", path, strerror(errno));
}

/* Behind the target's name, `.tmp-medtok-` and numbers. */
static void remove_left(const char *path, void *context) {
    (void)context;
    log_info("removing %s, left by an interrupted run", path);
    remove_folder(path);
}

int atomic_folder_open(struct atomic_folder *f, const char *path) {
    *f = (struct atomic_folder){.temporary = ""};
    snprintf(f->path, sizeof f->path, "%s", path);
    TRY(path_resolve(path, f->target));
    TRY(path_make_folder_of(f->target));
    TRY(path_list(f->target, ".tmp-medtok-[0-9]*", remove_left, NULL));
    TRY(path_temporary(f->target, f->temporary));
    if (mkdir(f->temporary, 0777) == 0) return STATUS_OK;
    int status = failed(f->temporary);
    f->temporary[0] = 0;
    return status;
}

/* That the names in a folder last. */
static int sync_folder(const char *path) {
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return failed(path);
    int status = fsync(descriptor) && errno != EINVAL ? failed(path) : STATUS_OK; /* some file systems cannot */
    close(descriptor);
    return status;
}

/* The two change names, in one step where the file system can; the old one is then removed. */
static int replace(const struct atomic_folder *f) {
    char old[PATH_MAX + 8];
    if (renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->target, RENAME_EXCHANGE) == 0) {
        remove_folder(f->temporary);
        return STATUS_OK;
    }
    if (errno != EINVAL && errno != ENOSYS) return failed(f->path);
    snprintf(old, sizeof old, "%s.0", f->temporary);
    if (rename(f->target, old)) return failed(f->path);
    if (rename(f->temporary, f->target)) {
        int status = failed(f->path);
        if (rename(old, f->target)) log_warn("%s is now called %s", f->path, old);
        return status;
    }
    remove_folder(old);
    return STATUS_OK;
}

int atomic_folder_close(struct atomic_folder *f, int status) {
    struct stat info;
    if (!f->temporary[0]) return status;
    errno = 0;
    if (status == STATUS_OK) status = sync_folder(f->temporary);
    if (status == STATUS_OK) status = file_lock_check();
    if (status == STATUS_OK && stat(f->target, &info) == 0)
        status = replace(f);
    else if (status == STATUS_OK && rename(f->temporary, f->target))
        status = failed(f->path);
    if (status != STATUS_OK) remove_folder(f->temporary);
    f->temporary[0] = 0;
    return status;
}
