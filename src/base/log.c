/* Log lines: one write per line, so that lines of several ranks do not mix. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/format.h"

enum { LINE_SIZE = 8192 };
static const double LOG_INTERVAL_SECONDS = 10.0, TERMINAL_INTERVAL_SECONDS = 0.5;

static int log_rank;
static enum log_level log_most = LOG_LEVEL_INFO;
static int line_open; /* a progress line on a terminal that the next line must end */

void log_configure(int rank, enum log_level level) {
    log_rank = rank;
    log_most = level;
}

static void write_line(const char *level, const char *format, va_list args, const char *end) {
    char line[LINE_SIZE], clock[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(clock, sizeof clock, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    int n = snprintf(line, sizeof line, "%s%s [%d] %s: ", line_open ? "\n" : "", clock, log_rank, level);
    n += vsnprintf(line + n, sizeof line - (size_t)n - 2, format, args);
    if (n > LINE_SIZE - 3) n = LINE_SIZE - 3;
    line_open = 0;
    memcpy(line + n, end, strlen(end) + 1);
    fputs(line, stderr);
    fflush(stderr);
}

#define LOG_FUNCTION(name, label, level, ranks)                                                                        \
    void name(const char *format, ...) {                                                                               \
        if (log_most < (level) || !(ranks)) return;                                                                    \
        va_list args;                                                                                                  \
        va_start(args, format);                                                                                        \
        write_line(label, format, args, "\n");                                                                         \
        va_end(args);                                                                                                  \
    }
LOG_FUNCTION(log_error, "error", LOG_LEVEL_ERROR, 1)
LOG_FUNCTION(log_warn, "warning", LOG_LEVEL_WARN, 1)
LOG_FUNCTION(log_warn_once, "warning", LOG_LEVEL_WARN, log_rank == 0)
LOG_FUNCTION(log_info, "info", LOG_LEVEL_INFO, log_rank == 0)
LOG_FUNCTION(log_debug, "debug", LOG_LEVEL_DEBUG, 1)

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void overwrite_line(const char *text) {
    fprintf(stderr, "\r\033[K%s", text);
    fflush(stderr);
    line_open = 1;
}

/* The newest progress, for progress_now. */
static pthread_mutex_t newest_guard = PTHREAD_MUTEX_INITIALIZER;
static struct progress newest;

static void remember(const struct progress *progress, long long done) {
    pthread_mutex_lock(&newest_guard);
    newest = *progress;
    newest.done = done;
    pthread_mutex_unlock(&newest_guard);
}

struct progress progress_now(void) {
    pthread_mutex_lock(&newest_guard);
    struct progress copy = newest;
    pthread_mutex_unlock(&newest_guard);
    return copy;
}

void progress_begin(struct progress *progress, const char *what, long long total, const char *unit) {
    *progress = (struct progress){.what = what, .unit = unit, .total = total};
    progress->started = progress->last = clock_seconds();
    remember(progress, 0);
}

void progress_update(struct progress *progress, long long done) {
    int terminal = isatty(STDERR_FILENO);
    double now = clock_seconds();
    remember(progress, done);
    if (log_rank != 0 || log_most < LOG_LEVEL_INFO || done <= 0) return;
    if (now - progress->last < (terminal ? TERMINAL_INTERVAL_SECONDS : LOG_INTERVAL_SECONDS)) return;
    progress->last = now;
    double rate = (double)done / (now - progress->started);
    char left[32], text[256];
    snprintf(text, sizeof text, "%s %lld/%lld %s %.0f %%, %.4g %s/s, %s left", progress->what, done, progress->total,
             progress->unit, 100.0 * (double)done / (double)progress->total, rate, progress->unit,
             format_duration((double)(progress->total - done) / rate, left, sizeof left));
    if (terminal)
        overwrite_line(text);
    else
        log_info("%s", text);
}

void progress_end(struct progress *progress, long long done) {
    double seconds = clock_seconds() - progress->started;
    remember(progress, done);
    log_info("%s: %lld %s in %.1f s (%.4g %s/s)", progress->what, done, progress->unit, seconds,
             seconds > 0 ? (double)done / seconds : 0.0, progress->unit);
}
