/* Rows of either form become fields, and fields predictions. */
#include "ingest/predictions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/input_file.h"
#include "base/status.h"
#include "base/string_list.h"
#include "ingest/delimited.h"
#include "ingest/field_values.h"
#include "ingest/python_lines.h"
#include "predictions_to_tsv.h"

enum column { SUBJECT, TIME, LABEL, PROBABILITY, DECIDED, N_COLUMNS };
static const char *const NAMES[N_COLUMNS] = {"subject_id", "prediction_time", "boolean_value",
                                             "predicted_boolean_probability", "predicted_boolean_value"};

/* ---- one row ---- */
static int bad_field(const struct predictions *p, int64_t row, enum column column, struct field field,
                     const char *expected) {
    return status_set(STATUS_FAILED, "%s, %s %lld: %s is \"%.*s\": expected %s", p->path, p->unit, (long long)row,
                      NAMES[column], (int)(field.size < 64 ? field.size : 64), field.text, expected);
}

/* 1, 0, or -1 for anything else. */
static int8_t truth_of(struct field field) {
    if (field_is(field, "true") || field_is(field, "1") || field_is(field, "t")) return 1;
    return field_is(field, "false") || field_is(field, "0") || field_is(field, "f") ? 0 : -1;
}

/* In double, as it is written. */
static int probability_of(struct field field, double *value) {
    char text[64], *end;
    if (field.size == 0 || field.size >= (int64_t)sizeof text) return 0;
    memcpy(text, field.text, (size_t)field.size);
    text[field.size] = 0;
    *value = strtod(text, &end);
    return *end == 0 && *value >= 0 && *value <= 1;
}

static int read_fields(const struct predictions *p, const struct field fields[N_COLUMNS], int64_t time,
                       struct prediction *row) {
    row->time = time;
    if (!field_integer(fields[SUBJECT], INT64_MIN, INT64_MAX, &row->subject))
        return bad_field(p, row->row, SUBJECT, fields[SUBJECT], "a whole number");
    row->label = truth_of(fields[LABEL]);
    if (row->label < 0) return bad_field(p, row->row, LABEL, fields[LABEL], "true or false");
    if (!probability_of(fields[PROBABILITY], &row->probability))
        return bad_field(p, row->row, PROBABILITY, fields[PROBABILITY], "a probability, a number from 0 to 1");
    row->decided = truth_of(fields[DECIDED]);
    if (row->decided < 0 && fields[DECIDED].size > 0)
        return bad_field(p, row->row, DECIDED, fields[DECIDED], "true, false or nothing");
    return STATUS_OK;
}

/* Adds a row; blanks around fields do not count. */
static int add_row(struct predictions *p, int64_t at, struct field fields[N_COLUMNS], int times_are_integers) {
    struct prediction row = {.row = at, .at = p->n};
    int64_t time;
    for (int i = 0; i < N_COLUMNS; i++) fields[i] = field_trim(fields[i]);
    int good = times_are_integers ? field_integer(fields[TIME], INT64_MIN, INT64_MAX, &time)
                                  : field_time(fields[TIME], &time, NULL);
    if (!good) return bad_field(p, at, TIME, fields[TIME], "a time, as 2019-12-31 23:59:00");
    TRY(read_fields(p, fields, time, &row));
    TRY(mem_grow(&p->rows, &p->capacity, p->n + 1, sizeof *p->rows));
    p->rows[p->n++] = row;
    return STATUS_OK;
}

/* ---- text ---- */
static int find_columns(const struct delimited *reader, int columns[N_COLUMNS]) {
    for (int i = 0; i < DECIDED; i++) TRY(delimited_need(reader, NAMES[i], &columns[i]));
    columns[DECIDED] = delimited_column(reader, NAMES[DECIDED]);
    return STATUS_OK;
}

static int read_text(struct predictions *p) {
    struct delimited reader = {0};
    int columns[N_COLUMNS], more = 1, status;
    TRY_DONE(delimited_open(&reader, p->path));
    TRY_DONE(find_columns(&reader, columns));
    while (more) {
        struct field fields[N_COLUMNS];
        TRY_DONE(delimited_next(&reader, &more));
        if (!more) break;
        for (int i = 0; i < N_COLUMNS; i++)
            fields[i] = columns[i] < 0 ? (struct field){"", 0} : reader.fields[columns[i]];
        TRY_DONE(add_row(p, reader.row_line, fields, 0));
    }
done:
    delimited_close(&reader);
    return status;
}

/* ---- Parquet ---- */
static int take_line(struct predictions *p, char *line, int *at_end) {
    struct field fields[N_COLUMNS];
    *at_end = strcmp(line, ".") == 0;
    if (*at_end) return STATUS_OK;
    if (strncmp(line, "!\t", 2) == 0) return status_set(STATUS_FAILED, "%s", line + 2);
    char *at = strncmp(line, "r\t", 2) == 0 ? line + 2 : NULL;
    for (int i = 0; i < N_COLUMNS && at; i++) {
        size_t size = strcspn(at, "\t");
        fields[i] = (struct field){at, (int64_t)size};
        at = at[size] ? at + size + 1 : i + 1 < N_COLUMNS ? NULL : at + size;
    }
    if (!at) return status_set(STATUS_FAILED, "the reader of Parquet wrote a line that is not understood: %.80s", line);
    return add_row(p, p->n + 1, fields, 1);
}

static int read_parquet(struct predictions *p, const char *python, const char *setting) {
    struct string_list arguments = {0};
    struct python_lines *lines = NULL;
    char *line;
    int at_end = 0, status;
    TRY_DONE(string_list_add(&arguments, p->path));
    TRY_DONE(python_lines_open(&lines, python, setting, PREDICTIONS_TO_TSV, &arguments));
    while (!at_end) {
        TRY_DONE(python_lines_next(lines, &line));
        if (!line) break;
        TRY_DONE(take_line(p, line, &at_end));
    }
    status = python_lines_finish(lines);
    lines = NULL;
    if (status == STATUS_OK && !at_end) status = status_set(STATUS_FAILED, "the reader of Parquet ended too early");
done:
    python_lines_abandon(lines);
    string_list_clear(&arguments);
    return status;
}

/* 1 or 0; -1: it cannot be read. */
static int is_parquet(const char *path) {
    char begins[4] = "";
    FILE *file = fopen(path, "rb");
    if (!file) return -1;
    size_t n = fread(begins, 1, sizeof begins, file);
    fclose(file);
    return n == sizeof begins && memcmp(begins, "PAR1", sizeof begins) == 0;
}

/* ---- all of it ---- */
static int by_sample(const void *a, const void *b) {
    const struct prediction *x = a, *y = b;
    if (x->subject != y->subject) return x->subject < y->subject ? -1 : 1;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int is_same_sample(const struct prediction *a, const struct prediction *b) {
    return a->subject == b->subject && a->time == b->time;
}

/* YYYY-MM-DD HH:MM:SS of a time, the fraction of its second left out. */
static const char *time_text(int64_t time, char text[32]) {
    time_t seconds = (time_t)(time / 1000000 - (time % 1000000 < 0));
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) || !strftime(text, 32, "%Y-%m-%d %H:%M:%S", &parts)) snprintf(text, 32, "?");
    return text;
}

static int check_rows(const struct predictions *p) {
    char time[32];
    if (p->n == 0) return status_set(STATUS_FAILED, "%s has no predictions in it", p->path);
    for (long long i = 1; i < p->n; i++)
        if (is_same_sample(&p->rows[i - 1], &p->rows[i]))
            return status_set(
                STATUS_FAILED,
                "%s, %s %lld: subject %lld at %s is predicted already in %s %lld: a sample is scored once", p->path,
                p->unit, (long long)p->rows[i].row, (long long)p->rows[i].subject, time_text(p->rows[i].time, time),
                p->unit, (long long)p->rows[i - 1].row);
    return STATUS_OK;
}

static int is_in_order(const struct predictions *p) {
    for (long long i = 1; i < p->n; i++)
        if (by_sample(&p->rows[i - 1], &p->rows[i]) > 0) return 0;
    return 1;
}

int predictions_order(struct predictions *p) {
    if (p->n > 1 && !is_in_order(p)) qsort(p->rows, (size_t)p->n, sizeof *p->rows, by_sample);
    return check_rows(p);
}

int predictions_read(struct predictions *p, const char *path, const char *python, const char *setting) {
    *p = (struct predictions){.path = path, .unit = "line"};
    TRY(input_file_check(path));
    int parquet = is_parquet(path);
    if (parquet > 0) p->unit = "row";
    if (parquet < 0) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    TRY(parquet ? read_parquet(p, python, setting) : read_text(p));
    return predictions_order(p);
}

void predictions_free(struct predictions *p) {
    free(p->rows);
    *p = (struct predictions){0};
}

/* ---- two files ---- */
static int lacks(const struct predictions *there, const struct prediction *row, const struct predictions *missing) {
    char time[32];
    return status_set(STATUS_FAILED, "%s, %s %lld: subject %lld at %s is not in %s: both must predict the same samples",
                      there->path, there->unit, (long long)row->row, (long long)row->subject,
                      time_text(row->time, time), missing->path);
}

int predictions_match(const struct predictions *a, const struct predictions *b) {
    for (long long i = 0; i < a->n || i < b->n; i++) {
        const struct prediction *x = i < a->n ? &a->rows[i] : NULL, *y = i < b->n ? &b->rows[i] : NULL;
        if (!y || (x && !is_same_sample(x, y) && by_sample(x, y) < 0)) return lacks(a, x, b);
        if (!x || !is_same_sample(x, y)) return lacks(b, y, a);
        if (x->label != y->label)
            return status_set(STATUS_FAILED, "the label of subject %lld is %s in %s, %s %lld, and %s in %s, %s %lld",
                              (long long)x->subject, x->label ? "true" : "false", a->path, a->unit, (long long)x->row,
                              y->label ? "true" : "false", b->path, b->unit, (long long)y->row);
    }
    return STATUS_OK;
}

int predictions_check_apart(const struct predictions *chosen_on, const struct predictions *scored) {
    char time[32];
    for (long long i = 0, j = 0; i < chosen_on->n && j < scored->n;) {
        const struct prediction *x = &chosen_on->rows[i], *y = &scored->rows[j];
        if (is_same_sample(x, y))
            return status_set(
                STATUS_FAILED,
                "%s, %s %lld: subject %lld at %s is in %s too: a threshold is chosen on other samples than "
                "those that are scored",
                chosen_on->path, chosen_on->unit, (long long)x->row, (long long)x->subject, time_text(x->time, time),
                scored->path);
        if (by_sample(x, y) < 0)
            i++;
        else
            j++;
    }
    return STATUS_OK;
}
