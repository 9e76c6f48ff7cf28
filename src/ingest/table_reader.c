/* Heads of tables, and rows into the sink. */
#include "ingest/table_reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "ingest/table_reading.h"

/* ---- what a file is ---- */
/* The head of a block as bgzip writes it (SAM specification, 4.1): gzip with an extra field "BC". Bytes 4 to 9 may be anything. */
static int is_block_head(const unsigned char *p) {
    return memcmp(p, "\x1f\x8b\x08\x04", 4) == 0 && memcmp(p + 10, "\x06\0BC\x02\0", 6) == 0;
}
enum { BLOCK_HEAD = 16 };

int table_find_block(const char *path, int64_t begin, int64_t end, int64_t *offset) {
    enum { WINDOW = 1 << 17 };
    unsigned char
        *bytes; /* not of each thread's own: with CUDA's libraries, that leaves threads with small stacks no room */
    *offset = -1;
    TRY(mem_alloc(&bytes, WINDOW + BLOCK_HEAD, 1));
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        free(bytes);
        return status_set(STATUS_FAILED, "%s cannot be opened", path);
    }
    ssize_t n = 0;
    for (int64_t at = begin; at < end && *offset < 0; at += WINDOW) {
        n = pread(file, bytes, WINDOW + BLOCK_HEAD, at);
        if (n < BLOCK_HEAD) break;
        for (const unsigned char *p = bytes; p < bytes + WINDOW && at + (p - bytes) < end; p++) {
            p = memchr(p, 0x1f, (size_t)(bytes + n - p));
            if (!p || p + BLOCK_HEAD > bytes + n || p >= bytes + WINDOW || at + (p - bytes) >= end) break;
            if (!is_block_head(p)) continue;
            *offset = at + (p - bytes);
            break;
        }
    }
    close(file);
    free(bytes);
    return n < 0 ? status_set(STATUS_FAILED, "%s cannot be read", path) : STATUS_OK;
}

static int find_form(const char *path, struct table_shape *shape) {
    unsigned char head[BLOCK_HEAD] = {0};
    struct stat file_stat;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &file_stat) != 0 || pread(file, head, sizeof head, 0) < 0) {
        if (file >= 0) close(file);
        return status_set(STATUS_FAILED, "%s cannot be read", path);
    }
    close(file);
    shape->size = file_stat.st_size;
    shape->form = memcmp(head, "\x1f\x8b", 2) != 0 ? TABLE_PLAIN : is_block_head(head) ? TABLE_BLOCKS : TABLE_STREAM;
    return STATUS_OK;
}

static int find_columns(const struct delimited *r, const struct table_kind *kind, struct table_shape *shape) {
    shape->separator = r->separator;
    shape->n_columns = r->n_columns;
    for (int i = 0; kind->columns[i]; i++) {
        int column;
        TRY(delimited_need(r, kind->columns[i], &column));
        shape->column[shape->n_fields++] = column;
    }
    for (int i = 0; kind->optional[i]; i++) shape->column[shape->n_fields++] = delimited_column(r, kind->optional[i]);
    return STATUS_OK;
}

static int find_shape(const struct source_table *table, struct table_shape *shape) {
    struct delimited r;
    int status = delimited_open(&r, table->path);
    if (status == STATUS_OK) status = find_columns(&r, table->kind, shape);
    delimited_close(&r);
    return status == STATUS_OK ? find_form(table->path, shape) : status;
}

/* ---- rows ---- */
struct row_scan table_scan(struct table_reading *r, int table) {
    return (struct row_scan){
        .separator = r->shapes[table].separator, .n_columns = r->shapes[table].n_columns, .fields = r->fields};
}

int table_row_too_long(const char *path, int64_t line) {
    return status_set(STATUS_FAILED, "%s:%lld: a row is longer than 64 MiB: is a quote left open, or is this no table?",
                      path, (long long)line);
}

static int check_zeros(struct table_reading *r, const char *path, const struct row_scan *s) {
    const char *zero = memchr(s->bytes + s->at, 0, (size_t)(s->size - s->at));
    if (!zero) return STATUS_OK;
    int64_t line = s->line;
    for (const char *p = s->bytes + s->at; p < zero; p++) line += *p == '\n';
    r->at.line = line;
    return status_set(STATUS_FAILED,
                      "%s:%lld: a zero byte: this is no text file (UTF-16 text must be turned into UTF-8, e.g. with "
                      "iconv), or it is damaged",
                      path, (long long)line);
}

static int scan_rows(struct table_reading *r, int table, struct row_scan *s) {
    const struct table_shape *shape = &r->shapes[table];
    const struct table_kind *kind = r->tables[table].kind;
    struct field wanted[2 * SOURCE_MOST_COLUMNS];
    struct row_position at = {.file = table};
    TRY(interrupt_poll());
    TRY(check_zeros(r, r->tables[table].path, s));
    int in_head = s->line == 1;
    for (;;) {
        enum row_state state = row_scan_next(s);
        if (state == ROW_NONE) return STATUS_OK;
        at.line = r->at.line = s->row_line;
        if (state == ROW_OPEN)
            return status_set(STATUS_FAILED, "%s:%lld: a quote opened in this row is never closed",
                              r->tables[table].path, (long long)at.line);
        if (in_head) {
            in_head = 0;
            continue;
        }
        r->n_rows[table]++;
        if (state == ROW_BAD) {
            TRY(r->sink->fault(r->sink->self, at, "%s", s->fault));
            continue;
        }
        for (int i = 0; i < shape->n_fields; i++)
            wanted[i] = shape->column[i] < 0 ? (struct field){"", 0} : r->fields[shape->column[i]];
        TRY(kind->row(r->state, wanted, at, r->sink));
    }
}

int table_rows(struct table_reading *r, int table, struct row_scan *s) {
    r->at = (struct row_position){table, s->line};
    TRY(scan_rows(r, table, s));
    r->at.line = INT64_MAX;
    return STATUS_OK;
}

/* ---- all tables ---- */
/* Collective. Of the ranks' failures that of the first row: which rank has read it does not matter. */
static int agree_on_first(const struct table_reading *r, int status) {
    int64_t own[2] = {status == STATUS_OK ? INT64_MIN : -r->at.file, INT64_MIN}, file = own[0];
    TRY(comm_max_int64(r->comm, &file, 1));
    if (status != STATUS_OK && own[0] == file) own[1] = -r->at.line;
    int64_t line = own[1];
    TRY(comm_max_int64(r->comm, &line, 1));
    int first = status != STATUS_OK && own[0] == file && own[1] == line;
    return comm_agree(r->comm, first ? status : STATUS_OK);
}

static int read_all(struct table_reading *r, struct table_shape *shapes) {
    int status = STATUS_OK;
    if (r->comm->rank == 0)
        for (int t = 0; t < r->n && status == STATUS_OK; t++) status = find_shape(&r->tables[t], &shapes[t]);
    TRY(comm_agree(r->comm, status));
    TRY(comm_broadcast(r->comm, shapes, r->n * (int64_t)sizeof *shapes));
    TRY(agree_on_first(r, table_parts_read(r)));
    TRY(agree_on_first(r, table_streams_read(r)));
    return comm_sum_int64(r->comm, r->n_rows, r->n);
}

int source_tables_read(const struct comm *comm, const struct source_table *tables, int n, const void *state,
                       const struct record_sink *sink, int64_t *n_rows) {
    struct table_shape *shapes = NULL;
    int64_t *rows = NULL;
    int status = mem_alloc(&shapes, n, sizeof *shapes);
    if (status == STATUS_OK) status = mem_alloc(&rows, n, sizeof *rows);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) {
        struct table_reading reading = {.comm = comm,
                                        .tables = tables,
                                        .shapes = shapes,
                                        .n = n,
                                        .state = state,
                                        .sink = sink,
                                        .n_rows = rows,
                                        .at.line = INT64_MAX};
        status = read_all(&reading, shapes);
    }
    if (status == STATUS_OK && n_rows) memcpy(n_rows, rows, (size_t)n * sizeof *rows);
    free(shapes);
    free(rows);
    return status;
}
