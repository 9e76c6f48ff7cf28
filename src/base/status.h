/* Status: how a function says that it failed, and why.
 *
 * A function that can fail returns `int`: STATUS_OK or one of the codes below. The message is set once, with
 * status_set(), where the fact is known (file, line, row, value, what was expected, what to do);
 * callers hand the code up unchanged. Only `main` prints the message, on one rank.
 */
#ifndef MEDTOK_BASE_STATUS_H
#define MEDTOK_BASE_STATUS_H

enum status_code {
    STATUS_OK = 0,
    STATUS_FAILED = 1,       /* input, output or computation failed: exit code 1 */
    STATUS_USAGE = 2,        /* command line or configuration is wrong: exit code 2 */
    STATUS_ALONE = 3,        /* this rank failed between collectives while others may wait: `main` prints and aborts */
    STATUS_INTERRUPTED = 75, /* stopped by a signal, with all tidied up; run again: exit code 75 (EX_TEMPFAIL) */
};

enum { STATUS_MESSAGE_BYTES = 4096 };

/* Sets this thread's message (printf style; what goes beyond STATUS_MESSAGE_BYTES is cut) and returns `code`. */
int status_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__ /* it sees one file at a time: tell it that a failure is never STATUS_OK */
#define status_set(code, ...) ((status_set)(code, __VA_ARGS__), (code))
#endif

/* Puts `format...: ` in front of the message already set, to add context; returns `code`. */
int status_prefix(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For what fails between collectives, where it cannot be agreed on: STATUS_ALONE instead of a failure. */
static inline int status_alone(int status) { return status == STATUS_OK ? STATUS_OK : STATUS_ALONE; }

/* The message last set by this thread; "" if none. Owned by the module. */
const char *status_message(void);

/* A failure that is kept while work goes on which may set other messages; {0} is none. */
struct kept_status {
    int code;
    char message[STATUS_MESSAGE_BYTES];
};

/* Keeps a failure and this thread's message, if none is kept yet; STATUS_OK changes nothing. */
void status_keep(struct kept_status *kept, int code);

/* Sets the message anew and returns the code, or STATUS_OK if none is kept; afterwards none is. */
int status_take(struct kept_status *kept);

/* Allocates `count * size` zeroed bytes into `*out` (free with free()). Fails with what was asked for, and *out is NULL.
 * A count of 0 gives a valid pointer. */
int mem_alloc(void *out, long long count, long long size);

/* Resizes the array at `*inout` to hold at least `count` items of `size` bytes, growing by half as needed;
 * `*capacity` is read and written in items. New items are not zeroed. */
int mem_grow(void *inout, long long *capacity, long long count, long long size);

/* Returns from the calling function with the status of `expression` if that is not STATUS_OK. */
#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        int try_status_ = (expression);                                                                                \
        if (try_status_ != STATUS_OK) return try_status_;                                                              \
    } while (0)

/* The same for functions that must clean up: needs a local `int status` and a label `done`. */
#define TRY_DONE(expression)                                                                                           \
    do {                                                                                                               \
        status = (expression);                                                                                         \
        if (status != STATUS_OK) goto done;                                                                            \
    } while (0)

#endif
