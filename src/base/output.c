/* Errors of standard output, which printf's callers do not look at. */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

void output_begin(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) /* open gives the lowest free number, fd; its use as what it stands for fails */
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int output_flush(void) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return STATUS_OK;
    return status_set(STATUS_FAILED, "standard output: %s",
                      errno == EBADF ? "it is closed"
                      : errno        ? strerror(errno)
                                     : "some of it could not be written");
}
