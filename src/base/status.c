/* One message per thread, set where the fact is known and read by `main`. */
#include "base/status.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[STATUS_MESSAGE_BYTES];

int(status_set)(int code, const char *format, ...) {
    /* Arguments may point into the old message, so write beside it first. */
    char text[STATUS_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof text);
    return code;
}

int status_prefix(int code, const char *format, ...) {
    char text[STATUS_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : n < STATUS_MESSAGE_BYTES - 3 ? (size_t)n : STATUS_MESSAGE_BYTES - 3;
    memcpy(text + used, ": ", 2);
    size_t rest = strnlen(message, STATUS_MESSAGE_BYTES - used - 3);
    memcpy(text + used + 2, message, rest);
    text[used + 2 + rest] = 0;
    memcpy(message, text, sizeof text);
    return code;
}

const char *status_message(void) { return message; }

void status_keep(struct kept_status *kept, int code) {
    if (code == STATUS_OK || kept->code != STATUS_OK) return;
    kept->code = code;
    memcpy(kept->message, message, sizeof message);
}

int status_take(struct kept_status *kept) {
    int code = kept->code;
    if (code == STATUS_OK) return STATUS_OK;
    memcpy(message, kept->message, sizeof message);
    kept->code = STATUS_OK;
    return code;
}

int mem_alloc(void *out, long long count, long long size) {
    void *p = count < 0 || size < 0 || (count > 0 && size > INT64_MAX / count)
                  ? NULL
                  : calloc(count > 0 ? (size_t)count : 1, size > 0 ? (size_t)size : 1);
    memcpy(out, &p, sizeof p);
    if (!p) return status_set(STATUS_FAILED, "out of memory: %lld items of %lld bytes were asked for", count, size);
    return STATUS_OK;
}

int mem_grow(void *inout, long long *capacity, long long count, long long size) {
    if (count <= *capacity) return STATUS_OK;
    long long wanted = *capacity + *capacity / 2;
    if (wanted < count) wanted = count;
    if (wanted < 16) wanted = 16;
    void *p;
    memcpy(&p, inout, sizeof p);
    p = wanted > INT64_MAX / size ? NULL : realloc(p, (size_t)(wanted * size));
    if (!p) return status_set(STATUS_FAILED, "out of memory: %lld items of %lld bytes were asked for", wanted, size);
    memcpy(inout, &p, sizeof p);
    *capacity = wanted;
    return STATUS_OK;
}
