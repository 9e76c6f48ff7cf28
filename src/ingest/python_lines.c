/* A child process and a pipe. */
#include "ingest/python_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "base/string_list.h"

extern char **environ;

enum { READ_BYTES = 1 << 20, POLL_MILLISECONDS = 200 };

struct python_lines {
    char *interpreter;
    pid_t process;
    int pipe;
    char *buffer; /* unread bytes are buffer[at .. end) */
    long long capacity, at, end;
};

static const char *interpreter_of(const char *setting) {
    const char *environment = getenv("PYTHON");
    if (setting[0]) return setting;
    return environment && environment[0] ? environment : "python3";
}

/* The child takes signals as they are by default: this program has them blocked (base/interrupt.h). */
static int set_signals(posix_spawnattr_t *attributes) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(struct python_lines *lines, int out, char *const argv[]) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int code = set_signals(&attributes);
    if (code == 0) code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (code == 0) code = posix_spawnp(&lines->process, lines->interpreter, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (code == 0) return STATUS_OK;
    lines->process = 0;
    return status_set(
        STATUS_FAILED,
        "%s cannot be started: %s. Parquet is read by Python with pyarrow: name an interpreter that has it by "
        "cohort.python, or by PYTHON in the environment",
        lines->interpreter, strerror(code));
}

static int start(struct python_lines *lines, const char *text, const struct string_list *arguments) {
    int ends[2];
    char **argv;
    TRY(mem_alloc(&argv, arguments->n + 4, sizeof *argv));
    argv[0] = lines->interpreter;
    argv[1] = "-c";
    argv[2] = (char *)(uintptr_t)text; /* argv is not written to */
    for (int i = 0; i < arguments->n; i++) argv[3 + i] = arguments->items[i];
    int status = pipe2(ends, O_CLOEXEC) == 0 ? STATUS_OK : status_set(STATUS_FAILED, "a pipe: %s", strerror(errno));
    if (status == STATUS_OK) {
        lines->pipe = ends[0];
        status = spawn(lines, ends[1], argv);
        close(ends[1]);
    }
    free(argv);
    return status;
}

int python_lines_open(struct python_lines **out, const char *interpreter, const char *text,
                      const struct string_list *arguments) {
    struct python_lines *lines;
    *out = NULL;
    TRY(mem_alloc(&lines, 1, sizeof *lines));
    lines->pipe = -1;
    lines->interpreter = strdup(interpreter_of(interpreter));
    int status = lines->interpreter ? start(lines, text, arguments) : status_set(STATUS_FAILED, "out of memory");
    if (status != STATUS_OK) {
        python_lines_abandon(lines);
        return status;
    }
    *out = lines;
    return STATUS_OK;
}

/* Adds what the pipe has to the buffer; *more is 0 at its end. */
static int fill(struct python_lines *l, int *more) {
    struct pollfd pipe = {.fd = l->pipe, .events = POLLIN};
    if (l->at) memmove(l->buffer, l->buffer + l->at, (size_t)(l->end - l->at));
    l->end -= l->at;
    l->at = 0;
    TRY(mem_grow(&l->buffer, &l->capacity, l->end + READ_BYTES + 1, 1));
    int ready;
    while ((ready = poll(&pipe, 1, POLL_MILLISECONDS)) == 0 || (ready < 0 && errno == EINTR)) TRY(interrupt_poll());
    TRY(interrupt_poll());
    ssize_t n = read(l->pipe, l->buffer + l->end, READ_BYTES);
    if (n < 0) return status_set(STATUS_FAILED, "reading from %s: %s", l->interpreter, strerror(errno));
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
    if (l->pipe >= 0) close(l->pipe);
    free(l->interpreter);
    free(l->buffer);
    free(l);
}

static int wait_for(struct python_lines *l) {
    int code = 0;
    while (l->process && waitpid(l->process, &code, 0) < 0 && errno == EINTR) continue;
    return code;
}

int python_lines_finish(struct python_lines *l) {
    int code = wait_for(l), status = STATUS_OK;
    if (WIFSIGNALED(code))
        status = status_set(STATUS_FAILED, "%s was ended by signal %d", l->interpreter, WTERMSIG(code));
    else if (WEXITSTATUS(code))
        status = status_set(STATUS_FAILED, "%s ended with code %d; it may have said why on standard error",
                            l->interpreter, WEXITSTATUS(code));
    free_lines(l);
    return status;
}

void python_lines_abandon(struct python_lines *l) {
    if (!l) return;
    if (l->process) {
        kill(l->process, SIGKILL);
        wait_for(l);
    }
    free_lines(l);
}
