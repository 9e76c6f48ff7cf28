/* A growing buffer holds at least one whole row; fields are slices of it, quotes removed in place. */
#include "ingest/delimited.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "ingest/byte_source.h"

enum { READ_BYTES = 1 << 18 };
static const long long LONGEST_ROW = 64LL << 20;

static int fault(const struct delimited *r, int64_t line, const char *what) {
    return status_set(STATUS_FAILED, "%s:%lld: %s", r->path, (long long)line, what);
}

/* ---- bytes ---- */
/* Reads more bytes behind those in the buffer; moves them to its front first. */
static int fill(struct delimited *r) {
    if (r->at > 0) {
        memmove(r->buffer, r->buffer + r->at, (size_t)(r->end - r->at));
        r->end -= r->at;
        r->at = 0;
    }
    if (r->end > LONGEST_ROW)
        return fault(r, r->line + 1, "a row is longer than 64 MiB: is a quote left open, or is this no table?");
    TRY(mem_grow(&r->buffer, &r->capacity, r->end + READ_BYTES, 1));
    TRY(interrupt_poll());
    int n;
    TRY(byte_source_read(r->source, r->buffer + r->end, READ_BYTES, &n));
    r->at_end_of_file = n == 0;
    if (memchr(r->buffer + r->end, 0, (size_t)n)) {
        int64_t line = r->line + 1;
        for (const char *p = r->buffer; *p; p++) line += *p == '\n';
        return fault(r, line,
                     "a zero byte: this is no text file (UTF-16 text must be turned into UTF-8, e.g. with iconv)");
    }
    r->end += n;
    return STATUS_OK;
}

/* ---- UTF-8 ---- */
static int sequence_length(const unsigned char *p, const unsigned char *end) {
    int n = p[0] < 0x80                   ? 1
            : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
            : (p[0] & 0xf0) == 0xe0       ? 3
            : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                          : 0;
    if (n == 0 || end - p < n) return 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] >= 0x90))
        return 0; /* overlong, surrogate, or beyond U+10FFFF */
    return n;
}

static int check_utf8(const struct delimited *r, const char *text, long long size) {
    const unsigned char *p = (const unsigned char *)text, *end = p + size;
    while (p < end) {
        uint64_t word;
        if (end - p >= 8 && (memcpy(&word, p, 8), !(word & 0x8080808080808080u))) {
            p += 8;
            continue;
        }
        int n = sequence_length(p, end);
        if (n == 0)
            return status_set(STATUS_FAILED,
                              "%s:%lld: byte %lld of the row (0x%02x) is not UTF-8: turn the file into UTF-8, "
                              "e.g. `iconv -f latin1 -t utf-8`",
                              r->path, (long long)r->row_line, (long long)(p - (const unsigned char *)text) + 1, *p);
        p += n;
    }
    return STATUS_OK;
}

/* ---- rows ---- */
/* Finds the end of the row that begins at buffer[at]: *size without its line end, *whole with it. Quotes hide line ends in
 * CSV. Reads more as needed. */
static int find_row(struct delimited *r, long long *size, long long *whole) {
    long long i = 0;
    int quoted = 0;
    int64_t lines = 0;
    for (;;) {
        const char *p = r->buffer + r->at;
        long long n = r->end - r->at;
        if (r->separator == '\t') {
            const char *end = i < n ? memchr(p + i, '\n', (size_t)(n - i)) : NULL;
            i = end ? end - p : n;
        } else {
            for (; i < n && (quoted || p[i] != '\n'); i++) {
                quoted ^= p[i] == '"';
                lines += p[i] == '\n';
            }
        }
        if (i < n || r->at_end_of_file) break;
        TRY(fill(r));
    }
    if (quoted) return fault(r, r->row_line, "a quote opened in this row is never closed");
    const char *p = r->buffer + r->at;
    int ended = i < r->end - r->at;
    *whole = i + ended;
    *size = i > 0 && p[i - 1] == '\r' ? i - 1 : i;
    r->line += lines + ended;
    return STATUS_OK;
}

/* Removes the quotes of a field in place: "a ""b""" -> a "b". p is behind the opening quote. */
static char *unquote(char *p, char *end, struct field *field) {
    char *to = p;
    field->text = p;
    while (p < end) {
        if (*p == '"') {
            if (p + 1 < end && p[1] == '"')
                p++;
            else
                break;
        }
        *to++ = *p++;
    }
    field->size = to - field->text;
    return p + 1; /* behind the closing quote */
}

static int split_row(struct delimited *r, char *row, long long size) {
    char *p = row, *end = row + size;
    int n = 0;
    for (;; n++) {
        if (n == DELIMITED_MAX_COLUMNS) return fault(r, r->row_line, "more than 256 columns");
        struct field *field = &r->fields[n];
        if (r->separator == ',' && p < end && *p == '"') {
            p = unquote(p + 1, end, field);
            if (p < end && *p != ',')
                return fault(r, r->row_line,
                             "text behind a closing quote; a quote within a quoted field must be doubled");
        } else {
            char *stop = memchr(p, r->separator, (size_t)(end - p));
            if (!stop) stop = end;
            *field = (struct field){p, stop - p};
            p = stop;
        }
        if (p >= end) break;
        p++; /* the separator */
    }
    r->n_columns = r->n_columns ? r->n_columns : n + 1;
    if (n + 1 == r->n_columns) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s:%lld: %d fields, but the header has %d columns", r->path,
                      (long long)r->row_line, n + 1, r->n_columns);
}

int delimited_next(struct delimited *r, int *more) {
    long long size = 0, whole = 0;
    *more = 0;
    do {
        r->at += whole;
        if (r->at == r->end) {
            if (!r->at_end_of_file) TRY(fill(r));
            if (r->at == r->end && r->at_end_of_file) return STATUS_OK;
        }
        r->row_line = r->line + 1;
        TRY(find_row(r, &size, &whole));
    } while (size == 0);
    char *row = r->buffer + r->at;
    r->at += whole;
    TRY(check_utf8(r, row, size));
    TRY(split_row(r, row, size));
    *more = 1;
    return STATUS_OK;
}

/* ---- header ---- */
static int keep_header(struct delimited *r) {
    for (int i = 0; i < r->n_columns; i++) {
        char *copy;
        TRY(mem_alloc(&copy, r->fields[i].size + 1, 1));
        memcpy(copy, r->fields[i].text, (size_t)r->fields[i].size);
        r->header[i] = (struct field){copy, r->fields[i].size};
        for (int j = 0; j < i; j++)
            if (strcmp(r->header[j].text, copy) == 0)
                return status_set(STATUS_FAILED, "%s:1: the column %s is there twice", r->path, copy);
    }
    return STATUS_OK;
}

static int read_header(struct delimited *r) {
    long long size, whole;
    int more;
    TRY(fill(r));
    if (r->end >= 3 && memcmp(r->buffer, "\xef\xbb\xbf", 3) == 0) r->at = 3;
    r->separator = ',';
    r->row_line = 1;
    TRY(find_row(r, &size, &whole));
    if (memchr(r->buffer + r->at, '\t', (size_t)size)) r->separator = '\t';
    r->line = 0;
    TRY(delimited_next(r, &more));
    if (!more) return status_set(STATUS_FAILED, "%s is empty: a header line with column names is expected", r->path);
    return keep_header(r);
}

int delimited_open(struct delimited *r, const char *path) {
    *r = (struct delimited){.path = path};
    TRY(byte_source_open(&r->source, path));
    return read_header(r);
}

void delimited_close(struct delimited *r) {
    byte_source_close(r->source);
    free(r->buffer);
    for (int i = 0; i < DELIMITED_MAX_COLUMNS; i++) free((char *)r->header[i].text);
    *r = (struct delimited){0};
}

/* How many columns have the name, in any case; *column is the first, or the one that is spelled exactly so. */
static int count_columns(const struct delimited *r, const char *name, int *column) {
    int n = 0;
    *column = -1;
    for (int i = 0; i < r->n_columns; i++) {
        if (!r->header[i].text || strcasecmp(r->header[i].text, name) != 0) continue;
        if (*column < 0 || strcmp(r->header[i].text, name) == 0) *column = i;
        n++;
    }
    return n;
}

int delimited_column(const struct delimited *r, const char *name) {
    int column;
    count_columns(r, name, &column);
    return column;
}

int delimited_need(const struct delimited *r, const char *name, int *column) {
    if (count_columns(r, name, column) > 0) return STATUS_OK;
    char found[1024];
    size_t used = 0;
    for (int i = 0; i < r->n_columns && used < sizeof found - 1; i++) {
        int n = snprintf(found + used, sizeof found - used, "%s%.64s", i ? ", " : "", r->header[i].text);
        used += (size_t)n;
    }
    return status_set(STATUS_FAILED, "%s: the column %s is missing; there are: %s", r->path, name, found);
}

int delimited_integer(const struct delimited *r, const char *column, struct field field, int64_t least, int64_t most,
                      int64_t *value) {
    int64_t n = 0;
    int bad = field.size == 0 || field.size > 18;
    for (int64_t i = 0; i < field.size && !bad; i++) {
        bad = field.text[i] < '0' || field.text[i] > '9';
        n = n * 10 + (field.text[i] - '0');
    }
    if (bad || n < least || n > most)
        return status_set(STATUS_FAILED, "%s:%lld: %s is \"%.*s\": expected an integer from %lld to %lld", r->path,
                          (long long)r->row_line, column, (int)(field.size < 64 ? field.size : 64), field.text,
                          (long long)least, (long long)most);
    *value = n;
    return STATUS_OK;
}
