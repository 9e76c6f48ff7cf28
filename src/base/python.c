/* A child process and a socket. */
#include "base/python.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "base/string_list.h"

extern char **environ;

enum { POLL_MILLISECONDS = 200 };

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

static int spawn(struct python *python, const char *setting, int end, char *const argv[]) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int code = set_signals(&attributes);
    if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO);
    if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, end, STDOUT_FILENO);
    if (code == 0) code = posix_spawnp(&python->process, python->interpreter, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (code == 0) return STATUS_OK;
    python->process = 0;
    return status_set(STATUS_FAILED,
                      "%s cannot be started: %s. Parquet needs Python with pyarrow: name an interpreter that has it by "
                      "%s, or by PYTHON in the environment",
                      python->interpreter, strerror(code), setting);
}

static int start(struct python *python, const char *setting, const char *text, const struct string_list *arguments) {
    int ends[2];
    char **argv;
    TRY(mem_alloc(&argv, arguments->n + 4, sizeof *argv));
    argv[0] = python->interpreter;
    argv[1] = "-c";
    argv[2] = (char *)(uintptr_t)text; /* argv is not written to */
    for (int i = 0; i < arguments->n; i++) argv[3 + i] = arguments->items[i];
    int status = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0
                     ? STATUS_OK
                     : status_set(STATUS_FAILED, "a socket: %s", strerror(errno));
    if (status == STATUS_OK) {
        python->socket = ends[0];
        status = spawn(python, setting, ends[1], argv);
        close(ends[1]);
    }
    free(argv);
    return status;
}

int python_start(struct python *python, const char *interpreter, const char *setting, const char *text,
                 const struct string_list *arguments) {
    *python = (struct python){.interpreter = strdup(interpreter_of(interpreter)), .socket = -1};
    int status =
        python->interpreter ? start(python, setting, text, arguments) : status_set(STATUS_FAILED, "out of memory");
    if (status != STATUS_OK) python_abandon(python);
    return status;
}

int python_wait_readable(const struct python *python) {
    struct pollfd socket = {.fd = python->socket, .events = POLLIN};
    int ready;
    while ((ready = poll(&socket, 1, POLL_MILLISECONDS)) == 0 || (ready < 0 && errno == EINTR)) TRY(interrupt_poll());
    return interrupt_poll();
}

/* Ends `python` but for the interpreter's name; the code that the child ended with. */
static int wait_for(struct python *python) {
    int code = 0;
    if (python->socket >= 0) close(python->socket);
    python->socket = -1;
    while (python->process && waitpid(python->process, &code, 0) < 0 && errno == EINTR) continue;
    python->process = 0;
    return code;
}

static void forget(struct python *python) {
    free(python->interpreter);
    python->interpreter = NULL;
}

int python_finish(struct python *python) {
    int code = wait_for(python), status = STATUS_OK;
    if (WIFSIGNALED(code))
        status = status_set(STATUS_FAILED, "%s was ended by signal %d", python->interpreter, WTERMSIG(code));
    else if (WEXITSTATUS(code))
        status = status_set(STATUS_FAILED, "%s ended with code %d; it may have said why on standard error",
                            python->interpreter, WEXITSTATUS(code));
    forget(python);
    return status;
}

void python_abandon(struct python *python) {
    if (!python->interpreter) return;
    if (python->process) kill(python->process, SIGKILL);
    wait_for(python);
    forget(python);
}
