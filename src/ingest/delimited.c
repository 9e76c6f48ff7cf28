/* A growing buffer holds at least one whole row; row_scan.h finds its fields. */
#include "ingest/delimited.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "ingest/byte_source.h"

enum { READ_BYTES = 1 << 18 };

static int fault(const struct delimited *r, int64_t line, const char *what) {
    return status_set(STATUS_FAILED, "%s:%lld: %s", r->path, (long long)line, what);
}

/* Reads more bytes behind those in the buffer; moves them to its front first. The more are there, the more it reads: what is there is
 * looked at again. */
static int fill(struct delimited *r) {
    struct row_scan *s = &r->rows;
    if (s->at) memmove(r->buffer, r->buffer + s->at, (size_t)(s->size - s->at));
    s->size -= s->at;
    s->at = 0;
    if (s->size > ROW_LONGEST)
        return fault(r, s->line, "a row is longer than 64 MiB: is a quote left open, or is this no table?");
    TRY(interrupt_poll());
    int64_t old = s->size;
    do {
        int n;
        TRY(mem_grow(&r->buffer, &r->capacity, s->size + READ_BYTES, 1));
        TRY(byte_source_read(r->source, r->buffer + s->size, READ_BYTES, &n));
        if (memchr(r->buffer + s->size, 0, (size_t)n)) {
            int64_t line = s->line;
            for (const char *p = r->buffer; *p; p++) line += *p == '\n';
            return fault(r, line,
                         "a zero byte: this is no text file (UTF-16 text must be turned into UTF-8, e.g. with iconv)");
        }
        s->last = n == 0;
        s->size += n;
    } while (!s->last && s->size < old + old / 2 && s->size <= ROW_LONGEST);
    s->bytes = r->buffer;
    s->stop = s->size;
    row_scan_move(s);
    return STATUS_OK;
}

int delimited_next(struct delimited *r, int *more) {
    struct row_scan *s = &r->rows;
    *more = 0;
    enum row_state state = row_scan_next(s);
    while (state == ROW_NONE && !s->last) {
        TRY(fill(r));
        state = row_scan_next(s);
    }
    r->row_line = s->row_line;
    r->n_columns = s->n_columns;
    if (state == ROW_BAD) return fault(r, s->row_line, s->fault);
    if (state == ROW_OPEN) return fault(r, s->row_line, "a quote opened in this row is never closed");
    *more = state == ROW_GOOD;
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

/* Whether a tab stands in the first line: until it does, the file is taken for CSV. */
static int tabs_separate(const struct delimited *r) {
    const struct row_scan *s = &r->rows;
    int64_t n_lines, end = row_scan_first(s->bytes + s->at, s->size - s->at, 1, 0, &n_lines);
    return memchr(s->bytes + s->at, '\t', (size_t)(end < 0 ? s->size - s->at : end)) != NULL;
}

static int read_header(struct delimited *r) {
    struct row_scan *s = &r->rows;
    int more;
    TRY(fill(r));
    if (s->size >= 3 && memcmp(s->bytes, "\xef\xbb\xbf", 3) == 0) s->at = 3;
    if (tabs_separate(r)) s->separator = r->separator = '\t';
    row_scan_move(s);
    TRY(delimited_next(r, &more));
    if (!more) return status_set(STATUS_FAILED, "%s is empty: a header line with column names is expected", r->path);
    return keep_header(r);
}

int delimited_open(struct delimited *r, const char *path) {
    *r = (struct delimited){.path = path, .separator = ','};
    r->rows = (struct row_scan){.separator = ',', .fields = r->fields, .line = 1};
    TRY(byte_source_open(&r->source, path));
    return read_header(r);
}

void delimited_close(struct delimited *r) {
    byte_source_close(r->source);
    free(r->buffer);
    for (int i = 0; i < ROW_MAX_COLUMNS; i++) free((char *)r->header[i].text);
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

int row_integer(const char *path, int64_t line, const char *column, struct field field, int64_t least, int64_t most,
                int64_t *value) {
    int64_t n = 0;
    int bad = field.size == 0 || field.size > 18;
    for (int64_t i = 0; i < field.size && !bad; i++) {
        bad = field.text[i] < '0' || field.text[i] > '9';
        n = n * 10 + (field.text[i] - '0');
    }
    if (bad || n < least || n > most)
        return status_set(STATUS_FAILED, "%s:%lld: %s is \"%.*s\": expected an integer from %lld to %lld", path,
                          (long long)line, column, (int)(field.size < 64 ? field.size : 64), field.text,
                          (long long)least, (long long)most);
    *value = n;
    return STATUS_OK;
}

int delimited_integer(const struct delimited *r, const char *column, struct field field, int64_t least, int64_t most,
                      int64_t *value) {
    return row_integer(r->path, r->row_line, column, field, least, most, value);
}
