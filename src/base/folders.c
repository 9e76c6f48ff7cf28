/* mkdir -p, with our messages. */
#include "base/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"

static int make_one(const char *folder) {
    struct stat info;
    if (mkdir(folder, 0777) == 0) return STATUS_OK;
    int reason = errno; /* of a folder that is there: EEXIST, and of some that are not ours to write, EACCES or EROFS */
    if (stat(folder, &info) == 0) {
        if (S_ISDIR(info.st_mode)) return STATUS_OK;
        reason = ENOTDIR;
    }
    return status_set(STATUS_FAILED, "cannot make the folder %s: %s", folder, strerror(reason));
}

int folder_make(const char *folder) {
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", folder) >= (int)sizeof part)
        return status_set(STATUS_FAILED, "cannot make the folder %s: %s", folder, strerror(ENAMETOOLONG));
    for (char *p = part + 1; part[0]; p++) {
        char end = *p;
        if (end && end != '/') continue;
        *p = 0;
        TRY(make_one(part));
        if (!end) return STATUS_OK;
        *p = '/';
    }
    return STATUS_OK;
}

int folder_make_for(const char *file) {
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    if (!slash || slash == file) return STATUS_OK;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - file), file);
    return folder_make(folder);
}
