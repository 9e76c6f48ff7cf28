/* read(2) into a buffer, and inflate from there. */
#include "ingest/byte_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/input_file.h"
#include "base/status.h"

enum { BUFFER_BYTES = 1 << 18 };
static const unsigned char MAGIC[2] = {0x1f, 0x8b};

struct byte_source {
    const char *path;
    int file;
    int gzip, in_member, n_members; /* n_members: those ended */
    long long n_read;               /* of the file: where the bytes end that were read */
    int64_t limit;                  /* byte_source_limit */
    z_stream stream;                /* next_in, avail_in: bytes read and not yet used, of plain files too */
    unsigned char buffer[BUFFER_BYTES];
};

/* Reads on if no byte is left; avail_in is 0 at the end. */
static int need_bytes(struct byte_source *s) {
    if (s->stream.avail_in > 0) return STATUS_OK;
    ssize_t n;
    do n = read(s->file, s->buffer, sizeof s->buffer);
    while (n < 0 && errno == EINTR);
    if (n < 0) return status_set(STATUS_FAILED, "%s: %s", s->path, strerror(errno));
    s->stream.next_in = s->buffer;
    s->stream.avail_in = (uInt)n;
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
    if (s->stream.avail_in < 2 || memcmp(s->buffer, MAGIC, 2) != 0) return STATUS_OK;
    enum { GZIP_WINDOW = 15 + 16 }; /* zlib.h: the largest window, gzip alone */
    if (inflateInit2(&s->stream, GZIP_WINDOW) != Z_OK) return status_set(STATUS_FAILED, "out of memory");
    s->gzip = s->in_member = 1;
    return STATUS_OK;
}

void byte_source_close(struct byte_source *s) {
    if (!s) return;
    if (s->gzip) inflateEnd(&s->stream);
    if (s->file >= 0) close(s->file);
    free(s);
}

static int read_plain(struct byte_source *s, char *bytes, int size, int *n) {
    TRY(need_bytes(s));
    int64_t left = s->limit - byte_source_offset(s);
    if (left < size) size = left > 0 ? (int)left : 0;
    *n = s->stream.avail_in < (uInt)size ? (int)s->stream.avail_in : size;
    memcpy(bytes, s->stream.next_in, (size_t)*n);
    s->stream.next_in += *n;
    s->stream.avail_in -= (uInt)*n;
    return STATUS_OK;
}

static int trailing(const struct byte_source *s) {
    return status_set(
        STATUS_FAILED,
        "%s: the gzip data end at byte %lld, but the file goes on with something else: was it written over "
        "or joined with another? Bring it again, or keep what comes before: gzip -dc %s",
        s->path, s->n_read - (long long)s->stream.avail_in, s->path);
}

/* Between members: passes over zeros, and begins the next member if there is one. */
static int begin_member(struct byte_source *s) {
    while (s->stream.avail_in > 0 && *s->stream.next_in == 0) s->stream.next_in++, s->stream.avail_in--;
    if (s->stream.avail_in == 0) return STATUS_OK;
    if (byte_source_offset(s) >= s->limit) return STATUS_OK;
    if (*s->stream.next_in != MAGIC[0]) return trailing(s);
    inflateReset(&s->stream);
    s->in_member = 1;
    return STATUS_OK;
}

static int inflate_failed(const struct byte_source *s, int code) {
    if (code == Z_MEM_ERROR) return status_set(STATUS_FAILED, "out of memory");
    return status_set(STATUS_FAILED, "%s is a damaged gzip file (member %d, before byte %lld): %s: bring it again",
                      s->path, s->n_members + 1, s->n_read - (long long)s->stream.avail_in,
                      s->stream.msg ? s->stream.msg : "not gzip");
}

static int read_gzip(struct byte_source *s, char *bytes, int size, int *n) {
    s->stream.next_out = (unsigned char *)bytes;
    s->stream.avail_out = (uInt)size;
    for (;;) {
        TRY(need_bytes(s));
        if (s->stream.avail_in == 0) {
            *n = 0;
            return s->in_member ? status_set(STATUS_FAILED, "%s is a truncated gzip file: bring it again", s->path)
                                : STATUS_OK;
        }
        if (!s->in_member) {
            TRY(begin_member(s));
            *n = 0;
            if (!s->in_member && s->stream.avail_in > 0) return STATUS_OK; /* at the limit */
            continue;
        }
        int code = inflate(&s->stream, Z_NO_FLUSH);
        if (code == Z_STREAM_END) {
            s->in_member = 0;
            s->n_members++;
        } else if (code != Z_OK) {
            return inflate_failed(s, code);
        }
        *n = size - (int)s->stream.avail_out;
        if (*n > 0) return STATUS_OK;
    }
}

int byte_source_read(struct byte_source *s, char *bytes, int size, int *n) {
    return s->gzip ? read_gzip(s, bytes, size, n) : read_plain(s, bytes, size, n);
}

int byte_source_seek(struct byte_source *s, int64_t offset) {
    if (lseek(s->file, offset, SEEK_SET) < 0) return status_set(STATUS_FAILED, "%s: %s", s->path, strerror(errno));
    s->n_read = offset;
    s->stream.avail_in = 0;
    s->in_member = 0;
    return STATUS_OK;
}

void byte_source_limit(struct byte_source *s, int64_t offset) { s->limit = offset; }

int64_t byte_source_offset(const struct byte_source *s) {
    return s->in_member ? -1 : s->n_read - (int64_t)s->stream.avail_in;
}
