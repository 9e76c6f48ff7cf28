/* The two libraries behind one door. */
#include "ingest/inflater.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/status.h"

#ifdef MEDTOK_ISAL
#include <isa-l/igzip_lib.h>

struct inflater {
    struct inflate_state state;
};

int inflater_make(struct inflater **out) { return mem_alloc(out, 1, sizeof **out); }

void inflater_free(struct inflater *inflater) { free(inflater); }

void inflater_begin(struct inflater *inflater) {
    isal_inflate_init(&inflater->state);
    inflater->state.crc_flag = ISAL_GZIP;
}

static const char *say(int code) {
    switch (code) {
        case ISAL_INVALID_BLOCK: return "invalid block";
        case ISAL_INVALID_SYMBOL: return "invalid symbol";
        case ISAL_INVALID_LOOKBACK: return "invalid distance too far back";
        case ISAL_INVALID_WRAPPER: return "incorrect header check";
        case ISAL_UNSUPPORTED_METHOD: return "unknown compression method";
        case ISAL_INCORRECT_CHECKSUM: return "incorrect data check";
        default: return "not gzip";
    }
}

enum inflater_state inflater_run(struct inflater *inflater, const unsigned char **next, unsigned *left, char *out,
                                 int size, int *n, const char **reason) {
    struct inflate_state *s = &inflater->state;
    s->next_in = (uint8_t *)(uintptr_t)*next;
    s->avail_in = *left;
    s->next_out = (uint8_t *)out;
    s->avail_out = (uint32_t)size;
    int code = isal_inflate(s);
    *next = s->next_in;
    *left = s->avail_in;
    *n = size - (int)s->avail_out;
    if (code >= 0) return s->block_state == ISAL_BLOCK_FINISH ? INFLATER_ENDED : INFLATER_GOES_ON;
    *reason = say(code);
    return INFLATER_DAMAGED;
}

#else
#include <zlib.h>

struct inflater {
    z_stream stream;
};

int inflater_make(struct inflater **out) {
    enum { GZIP_WINDOW = 15 + 16 }; /* zlib.h: the largest window, gzip alone */
    TRY(mem_alloc(out, 1, sizeof **out));
    return inflateInit2(&(*out)->stream, GZIP_WINDOW) == Z_OK ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

void inflater_free(struct inflater *inflater) {
    if (inflater) inflateEnd(&inflater->stream);
    free(inflater);
}

void inflater_begin(struct inflater *inflater) { inflateReset(&inflater->stream); }

enum inflater_state inflater_run(struct inflater *inflater, const unsigned char **next, unsigned *left, char *out,
                                 int size, int *n, const char **reason) {
    z_stream *s = &inflater->stream;
    s->next_in = (Bytef *)(uintptr_t)*next;
    s->avail_in = *left;
    s->next_out = (Bytef *)out;
    s->avail_out = (uInt)size;
    int code = inflate(s, Z_NO_FLUSH);
    *next = s->next_in;
    *left = s->avail_in;
    *n = size - (int)s->avail_out;
    if (code == Z_OK || code == Z_BUF_ERROR) return INFLATER_GOES_ON;
    if (code == Z_STREAM_END) return INFLATER_ENDED;
    *reason = code == Z_MEM_ERROR ? "out of memory" : s->msg ? s->msg : "not gzip";
    return INFLATER_DAMAGED;
}
#endif
