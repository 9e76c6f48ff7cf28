/* A child process between files without names, so that neither waits for the other. */
#include "report/gnuplot.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"

extern char **environ;

/* Starts `gnuplot ARGUMENT` and waits for it; *code: what it ended with, -1 for a signal. STATUS_FAILED: it cannot be started. */
static int run(char *argument, const int ends[3], int *code) {
    char name[] = "gnuplot", *argv[] = {name, argument, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t process = 0;
    int state = 0;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none); /* this program has signals blocked (base/interrupt.h) */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    int error = 0;
    for (int i = 0; i < 3 && error == 0; i++) error = posix_spawn_file_actions_adddup2(&actions, ends[i], i);
    if (error == 0) error = posix_spawnp(&process, name, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error) return status_set(STATUS_FAILED, "gnuplot cannot be started: %s", strerror(error));
    while (waitpid(process, &state, 0) < 0 && errno == EINTR) continue;
    *code = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    return STATUS_OK;
}

static int read_all(FILE *file, char **text) {
    long n = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    *text = NULL;
    if (n < 0) return status_set(STATUS_FAILED, "a temporary file: %s", strerror(errno));
    rewind(file);
    TRY(mem_alloc(text, n + 1, 1));
    return fread(*text, 1, (size_t)n, file) == (size_t)n ? STATUS_OK
                                                         : status_set(STATUS_FAILED, "a temporary file is cut");
}

static int check(int code, FILE *messages) {
    char *text;
    if (code == 0) return STATUS_OK;
    TRY(read_all(messages, &text));
    const char *line = text + strspn(text, " \n\t");
    status_set(STATUS_FAILED, "gnuplot ended with code %d: %.*s", code, (int)strcspn(line, "\n"), line);
    free(text);
    return STATUS_FAILED;
}

/* Files: script, drawing, messages. */
static int run_files(char *argument, FILE *const files[3], int *code) {
    int ends[3];
    for (int i = 0; i < 3; i++) {
        if (!files[i]) return status_set(STATUS_FAILED, "a temporary file cannot be made: %s", strerror(errno));
        ends[i] = fileno(files[i]);
    }
    return run(argument, ends, code);
}

int gnuplot_is_there(void) {
    char argument[] = "--version";
    FILE *files[3] = {tmpfile(), tmpfile(), tmpfile()};
    int code = -1, status = run_files(argument, files, &code);
    for (int i = 0; i < 3; i++)
        if (files[i]) fclose(files[i]);
    return status == STATUS_OK && code == 0;
}

int gnuplot_run(const char *script, size_t size, char **drawing) {
    char argument[] = "-d"; /* nobody's .gnuplot */
    FILE *files[3] = {tmpfile(), tmpfile(), tmpfile()};
    int code = 0, status = STATUS_OK;
    *drawing = NULL;
    if (files[0] && (fwrite(script, 1, size, files[0]) != size || fflush(files[0])))
        status = status_set(STATUS_FAILED, "a temporary file: %s", strerror(errno));
    if (files[0]) rewind(files[0]);
    if (status == STATUS_OK) status = run_files(argument, files, &code);
    if (status == STATUS_OK) status = check(code, files[2]);
    if (status == STATUS_OK) status = read_all(files[1], drawing);
    for (int i = 0; i < 3; i++)
        if (files[i]) fclose(files[i]);
    return status;
}
