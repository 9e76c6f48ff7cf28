/* read(2) into a buffer, and inflate from there. */
#include "ingest/byte_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/input_file.h"
#include "base/status.h"
#include "ingest/inflater.h"

enum { BUFFER_BYTES = 1 << 18 };
static const unsigned char MAGIC[2] = {0x1f, 0x8b};

struct byte_source {
    const char *path;
    int file;
    struct inflater *inflater; /* of a gzip file; owned */
    int in_member, n_members;  /* n_members: those ended */
    long long n_read;          /* of the file: where the bytes end that were read */
    int64_t limit;             /* byte_source_limit */
    const unsigned char *next; /* bytes read and not yet used: next[left] */
    unsigned left;
    unsigned char buffer[BUFFER_BYTES];
};

/* Reads on if no byte is left; none is at the end. */
static int need_bytes(struct byte_source *s) {
    if (s->left > 0) return STATUS_OK;
    ssize_t n;
    do n = read(s->file, s->buffer, sizeof s->buffer);
    while (n < 0 && errno == EINTR);
    if (n < 0) return status_set(STATUS_FAILED, "%s: %s", s->path, strerror(errno));
    s->next = s->buffer;
    s->left = (unsigned)n;
    s->n_read += n;
    return STATUS_OK;
}

int byte_source_open(struct byte_source **out, const char *path) {
    TRY(input_file_check(path));
    TRY(mem_alloc(out, 1, sizeof **out));
    struct byte_source *s = *out;
    s->path = path;
    s->limit = INT64_MAX;
    s->file = open(path, O_RDONLY | O_CLOEXEC);
    if (s->file < 0) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    TRY(need_bytes(s));
    if (s->left < 2 || memcmp(s->next, MAGIC, 2) != 0) return STATUS_OK;
    TRY(inflater_make(&s->inflater));
    inflater_begin(s->inflater);
    s->in_member = 1;
    return STATUS_OK;
}

void byte_source_close(struct byte_source *s) {
    if (!s) return;
    inflater_free(s->inflater);
    if (s->file >= 0) close(s->file);
    free(s);
}

static int read_plain(struct byte_source *s, char *bytes, int size, int *n) {
    TRY(need_bytes(s));
    int64_t most = s->limit - byte_source_offset(s);
    if (most < size) size = most > 0 ? (int)most : 0;
    *n = s->left < (unsigned)size ? (int)s->left : size;
    memcpy(bytes, s->next, (size_t)*n);
    s->next += *n;
    s->left -= (unsigned)*n;
    return STATUS_OK;
}

static int trailing(const struct byte_source *s) {
    return status_set(
        STATUS_FAILED,
        "%s: the gzip data end at byte %lld, but the file goes on with something else: was it written over "
        "or joined with another? Bring it again, or keep what comes before: gzip -dc %s",
        s->path, s->n_read - (long long)s->left, s->path);
}

/* Between members: passes over zeros, and begins the next member if there is one before the limit. */
static int begin_member(struct byte_source *s) {
    while (s->left > 0 && *s->next == 0) s->next++, s->left--;
    if (s->left == 0 || byte_source_offset(s) >= s->limit) return STATUS_OK;
    if (*s->next != MAGIC[0]) return trailing(s);
    inflater_begin(s->inflater);
    s->in_member = 1;
    return STATUS_OK;
}

static int read_gzip(struct byte_source *s, char *bytes, int size, int *n) {
    const char *reason;
    for (*n = 0; *n == 0;) {
        TRY(need_bytes(s));
        int at_end = s->left == 0;
        if (at_end && !s->in_member) return STATUS_OK;
        if (!s->in_member) {
            TRY(begin_member(s));
            if (!s->in_member && s->left > 0) return STATUS_OK; /* at the limit */
            continue;
        }
        enum inflater_state state = inflater_run(s->inflater, &s->next, &s->left, bytes, size, n, &reason);
        if (state == INFLATER_DAMAGED)
            return status_set(STATUS_FAILED,
                              "%s is a damaged gzip file (member %d, before byte %lld): %s: bring it again", s->path,
                              s->n_members + 1, s->n_read - (long long)s->left, reason);
        if (state == INFLATER_ENDED) {
            s->in_member = 0;
            s->n_members++;
        } else if (at_end && *n == 0) { /* nor has it kept anything */
            return status_set(STATUS_FAILED, "%s is a truncated gzip file: bring it again", s->path);
        }
    }
    return STATUS_OK;
}

int byte_source_read(struct byte_source *s, char *bytes, int size, int *n) {
    return s->inflater ? read_gzip(s, bytes, size, n) : read_plain(s, bytes, size, n);
}

int byte_source_seek(struct byte_source *s, int64_t offset) {
    if (lseek(s->file, offset, SEEK_SET) < 0) return status_set(STATUS_FAILED, "%s: %s", s->path, strerror(errno));
    s->n_read = offset;
    s->left = 0;
    s->in_member = 0;
    return STATUS_OK;
}

void byte_source_limit(struct byte_source *s, int64_t offset) { s->limit = offset; }

int64_t byte_source_offset(const struct byte_source *s) { return s->in_member ? -1 : s->n_read - (int64_t)s->left; }
