/* A stream into a child's standard input, and its answer. */
#include "store/parquet_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/python.h"
#include "base/status.h"
#include "base/string_list.h"
#include "rows_to_parquet.h"

enum { ROW_BYTES = 1 << 16, ANSWER_BYTES = 4096 };

struct parquet_file {
    struct atomic_file file;
    struct python python;
    FILE *rows;
};

/* Of fopencookie: no signal comes of a child that is gone. */
static ssize_t send_rows(void *self, const char *bytes, size_t size) {
    const struct parquet_file *f = self;
    ssize_t n;
    while ((n = send(f->python.socket, bytes, size, MSG_NOSIGNAL)) < 0 && errno == EINTR) continue;
    return n < 0 ? 0 : n;
}

static int start(struct parquet_file *f, const char *interpreter, const char *setting, int n_columns,
                 const struct parquet_column *columns) {
    struct string_list arguments = {0};
    char column[256];
    int status = string_list_add(&arguments, f->file.temporary);
    for (int i = 0; i < n_columns && status == STATUS_OK; i++) {
        snprintf(column, sizeof column, "%s:%s", columns[i].name, columns[i].type);
        status = string_list_add(&arguments, column);
    }
    if (status == STATUS_OK) status = python_start(&f->python, interpreter, setting, ROWS_TO_PARQUET, &arguments);
    string_list_clear(&arguments);
    if (status != STATUS_OK) return status;
    f->rows = fopencookie(f, "w", (cookie_io_functions_t){.write = send_rows});
    if (!f->rows || setvbuf(f->rows, NULL, _IOFBF, ROW_BYTES)) return status_set(STATUS_FAILED, "out of memory");
    return STATUS_OK;
}

int parquet_file_open(struct parquet_file **out, const char *path, const char *interpreter, const char *setting,
                      int n_columns, const struct parquet_column *columns) {
    struct parquet_file *f;
    *out = NULL;
    TRY(mem_alloc(&f, 1, sizeof *f));
    int status = atomic_file_open(&f->file, path);
    if (status == STATUS_OK) status = start(f, interpreter, setting, n_columns, columns);
    if (status != STATUS_OK) return parquet_file_close(f, status);
    *out = f;
    return STATUS_OK;
}

FILE *parquet_file_rows(struct parquet_file *f) { return f->rows; }

/* The child's answer, behind all rows. */
static int read_answer(struct parquet_file *f) {
    char answer[ANSWER_BYTES] = "";
    size_t n = 0;
    ssize_t got = 1;
    while (got > 0 && n < sizeof answer - 1) {
        TRY(python_wait_readable(&f->python));
        got = recv(f->python.socket, answer + n, sizeof answer - 1 - n, 0);
        if (got > 0) n += (size_t)got;
    }
    answer[n] = 0;
    answer[strcspn(answer, "\n")] = 0;
    if (answer[0] == '!') return status_set(STATUS_FAILED, "%s: %s", f->file.path, answer + 1);
    TRY(python_finish(&f->python));
    return strcmp(answer, ".") == 0
               ? STATUS_OK
               : status_set(STATUS_FAILED, "%s: the writer of Parquet ended too early", f->file.path);
}

int parquet_file_close(struct parquet_file *f, int status) {
    if (!f) return status;
    int failed = f->rows && fclose(f->rows); /* the reason is the child's answer */
    if (status == STATUS_OK) {
        shutdown(f->python.socket, SHUT_WR);
        status = read_answer(f);
        if (status == STATUS_OK && failed)
            status = status_set(STATUS_FAILED, "%s: not all rows could be handed to Python", f->file.path);
    }
    python_abandon(&f->python);
    status = atomic_file_close(&f->file, status);
    free(f);
    return status;
}
