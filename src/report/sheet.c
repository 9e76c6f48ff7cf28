#include "report/sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

static int copy_text(char **to, const char *text) {
    free(*to);
    *to = strdup(text);
    return *to ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

int sheet_add_column(struct sheet *s, const char *name) {
    int c = s->n_columns;
    TRY(mem_grow(&s->names, &s->name_capacity, c + 1, sizeof *s->names));
    TRY(mem_grow(&s->is_text, &s->text_capacity, c + 1, 1));
    s->names[c] = NULL;
    s->is_text[c] = 0;
    s->n_columns++;
    return copy_text(&s->names[c], name);
}

int sheet_make(struct sheet *s, int n_columns, const char *const *names) {
    *s = (struct sheet){0};
    for (int c = 0; c < n_columns; c++) TRY(sheet_add_column(s, names[c]));
    return STATUS_OK;
}

void sheet_free(struct sheet *s) {
    for (int c = 0; s->names && c < s->n_columns; c++) free(s->names[c]);
    for (long long i = 0; i < s->n_rows * s->n_columns; i++) free(s->cells[i]);
    free(s->names);
    free(s->is_text);
    free(s->cells);
    *s = (struct sheet){0};
}

int sheet_add_row(struct sheet *s) {
    long long n = s->n_rows * s->n_columns;
    TRY(mem_grow(&s->cells, &s->capacity, n + s->n_columns, sizeof *s->cells));
    for (int c = 0; c < s->n_columns; c++) s->cells[n + c] = NULL;
    s->n_rows++;
    return STATUS_OK;
}

int sheet_set(struct sheet *s, int column, const char *text) {
    return copy_text(&s->cells[(s->n_rows - 1) * s->n_columns + column], text);
}

int sheet_set_number(struct sheet *s, int column, double value) {
    char text[32];
    if (!isfinite(value)) return STATUS_OK;
    snprintf(text, sizeof text, "%.9g", value);
    return sheet_set(s, column, text);
}

void sheet_mark_text(struct sheet *s, int column) { s->is_text[column] = 1; }

int sheet_column(const struct sheet *s, const char *name) {
    for (int c = 0; c < s->n_columns; c++)
        if (strcmp(s->names[c], name) == 0) return c;
    return -1;
}

const char *sheet_text(const struct sheet *s, long long row, int column) {
    const char *text = s->cells[row * s->n_columns + column];
    return text ? text : "";
}

double sheet_number(const struct sheet *s, long long row, int column) {
    const char *text = sheet_text(s, row, column);
    char *end;
    double value = strtod(text, &end);
    return end != text && !*end && !s->is_text[column] ? value : NAN;
}

static void write_field(FILE *out, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void sheet_write_csv(const struct sheet *s, FILE *out) {
    for (int c = 0; c < s->n_columns; c++) {
        if (c) fputc(',', out);
        write_field(out, s->names[c]);
    }
    fputc('\n', out);
    for (long long r = 0; r < s->n_rows; r++) {
        for (int c = 0; c < s->n_columns; c++) {
            if (c) fputc(',', out);
            write_field(out, sheet_text(s, r, c));
        }
        fputc('\n', out);
    }
}
