/* A child process, and a buffer for what it writes. */
#include "ingest/python_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/python.h"
#include "base/status.h"

enum { READ_BYTES = 1 << 20 };

struct python_lines {
    struct python python;
    char *buffer; /* unread bytes are buffer[at .. end) */
    long long capacity, at, end;
};

int python_lines_open(struct python_lines **out, const char *interpreter, const char *setting, const char *text,
                      const struct string_list *arguments) {
    struct python_lines *lines;
    *out = NULL;
    TRY(mem_alloc(&lines, 1, sizeof *lines));
    int status = python_start(&lines->python, interpreter, setting, text, arguments);
    if (status != STATUS_OK) {
        free(lines);
        return status;
    }
    shutdown(lines->python.socket, SHUT_WR); /* there is nothing for it to read */
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
