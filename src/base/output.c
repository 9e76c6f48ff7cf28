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
    static int reason; /* of the first failure: a failed flush forgets what it held, so that the next one may go well */
    errno = 0;
    if (fflush(stdout) != 0 && reason == 0) reason = errno;
    if (!ferror(stdout)) return STATUS_OK;
    return status_set(STATUS_FAILED, "standard output: %s",
                      reason == EBADF ? "it is closed"
                      : reason        ? strerror(reason)
                                      : "some of it could not be written");
}
