/* A child process, and a buffer for what it writes. */
#include "ingest/python_lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/python.h"
#include "base/status.h"
#include "base/string_list.h"

enum { READ_BYTES = 1 << 20, POLL_MILLISECONDS = 200 };

struct python_lines {
    struct python python;
    char *buffer; /* unread bytes are buffer[at .. end) */
    long long capacity, at, end;
};

/* Hands an item to the interpreter, with the zero byte behind it. One that has ended needs no more: its end is met when it is read. */
static int hand(const struct python *python, const char *item) {
    size_t left = strlen(item) + 1;
    while (left > 0) {
        struct pollfd socket = {.fd = python->socket, .events = POLLOUT};
        TRY(interrupt_poll());
        if (poll(&socket, 1, POLL_MILLISECONDS) == 0) continue;
        ssize_t n = send(python->socket, item, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return STATUS_OK;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return status_set(STATUS_FAILED, "writing to %s: %s", python->interpreter, strerror(errno));
        if (n <= 0) continue;
        item += n;
        left -= (size_t)n;
    }
    return STATUS_OK;
}

int python_lines_open(struct python_lines **out, const char *interpreter, const char *setting, const char *text,
                      const struct string_list *items) {
    static const struct string_list NO_ARGUMENTS;
    struct python_lines *lines;
    *out = NULL;
    TRY(mem_alloc(&lines, 1, sizeof *lines));
    int status = python_start(&lines->python, interpreter, setting, text, &NO_ARGUMENTS);
    if (status != STATUS_OK) {
        free(lines);
        return status;
    }
    for (int i = 0; i < items->n && status == STATUS_OK; i++) status = hand(&lines->python, items->items[i]);
    if (status != STATUS_OK) {
        python_lines_abandon(lines);
        return status;
    }
    shutdown(lines->python.socket, SHUT_WR);
    *out = lines;
    return STATUS_OK;
}

/* Adds what there is to the buffer; *more is 0 at the end. */
static int fill(struct python_lines *l, int *more) {
    if (l->at) memmove(l->buffer, l->buffer + l->at, (size_t)(l->end - l->at));
    l->end -= l->at;
    l->at = 0;
    TRY(mem_grow(&l->buffer, &l->capacity, l->end + READ_BYTES + 1, 1));
    TRY(python_wait_readable(&l->python));
    ssize_t n = read(l->python.socket, l->buffer + l->end, READ_BYTES);
    if (n < 0 && errno == ECONNRESET) n = 0; /* it has ended without reading all that it was handed */
    if (n < 0) return status_set(STATUS_FAILED, "reading from %s: %s", l->python.interpreter, strerror(errno));
    l->end += n;
    *more = n > 0;
    return STATUS_OK;
}

int python_lines_next(struct python_lines *l, char **line) {
    long long looked = 0; /* bytes behind `at` without a line's end */
    char *newline = NULL;
    for (int more = 1;;) {
        long long unread = l->end - l->at;
        if (unread > looked) newline = memchr(l->buffer + l->at + looked, '\n', (size_t)(unread - looked));
        if (newline || !more) break;
        looked = unread;
        TRY(fill(l, &more));
    }
    *line = NULL;
    if (!newline && l->at == l->end) return STATUS_OK;
    if (!newline) newline = l->buffer + l->end++; /* the last line lacks its end; there is a byte for it */
    *newline = 0;
    *line = l->buffer + l->at;
    l->at = newline + 1 - l->buffer;
    return STATUS_OK;
}

static void free_lines(struct python_lines *l) {
    free(l->buffer);
    free(l);
}

int python_lines_finish(struct python_lines *l) {
    int status = python_finish(&l->python);
    free_lines(l);
    return status;
}

void python_lines_abandon(struct python_lines *l) {
    if (!l) return;
    python_abandon(&l->python);
    free_lines(l);
}
