/* One stat. */
#include "base/input_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"

int input_file_check(const char *path) {
    struct stat info;
    if (stat(path, &info)) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    if (S_ISREG(info.st_mode)) return STATUS_OK;
    if (S_ISDIR(info.st_mode)) return status_set(STATUS_FAILED, "%s is a folder; a file is needed", path);
    if (S_ISFIFO(info.st_mode))
        return status_set(STATUS_FAILED,
                          "%s is a pipe, but inputs are read more than once: write its bytes to a file, and name that "
                          "(gzip files are read as they are)",
                          path);
    return status_set(STATUS_FAILED, "%s is a %s; a file is needed", path,
                      S_ISSOCK(info.st_mode) ? "socket" : "device");
}
