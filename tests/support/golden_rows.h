/* Rows of the golden files of language models: fields between tabs, hexadecimal texts, numbers between spaces. */
#ifndef MEDTOK_TESTS_GOLDEN_ROWS_H
#define MEDTOK_TESTS_GOLDEN_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GOLDEN_MOST_FIELDS = 8 };

struct golden_rows {
    FILE *file;
    char *line;
    size_t capacity;
    char *field[GOLDEN_MOST_FIELDS];
    int n_fields;
};

static inline struct golden_rows golden_open(const char *path) {
    struct golden_rows rows = {.file = fopen(path, "r")};
    if (!rows.file) fail_msg("%s is missing: run the tests from the top of the source", path);
    return rows;
}

/* The next row's fields; 0, and all is closed, behind the last. */
static inline int golden_next(struct golden_rows *rows) {
    if (getline(&rows->line, &rows->capacity, rows->file) <= 0) {
        free(rows->line);
        fclose(rows->file);
        return 0;
    }
    rows->n_fields = 0;
    rows->line[strcspn(rows->line, "\n")] = 0;
    for (char *at = rows->line; at && rows->n_fields < GOLDEN_MOST_FIELDS;) {
        rows->field[rows->n_fields++] = at;
        at = strchr(at, '\t');
        if (at) *at++ = 0;
    }
    return 1;
}

/* Bytes of a hexadecimal field, in its place; returns how many. */
static inline int64_t golden_bytes(char *hex) {
    int64_t n = 0;
    unsigned byte;
    for (char *at = hex; at[0] && at[1] && sscanf(at, "%2x", &byte) == 1; at += 2) hex[n++] = (char)byte;
    return n;
}

static inline int64_t golden_numbers(const char *field, int64_t most, double *values) {
    int64_t n = 0;
    char *end;
    for (const char *at = field; n < most; at = end) {
        double value = strtod(at, &end);
        if (end == at) break;
        values[n++] = value;
    }
    return n;
}

static inline int64_t golden_ids(const char *field, int64_t most, int32_t *ids) {
    int64_t n = 0;
    char *end;
    for (const char *at = field; n < most; at = end) {
        long id = strtol(at, &end, 10);
        if (end == at) break;
        ids[n++] = (int32_t)id;
    }
    return n;
}

#endif
