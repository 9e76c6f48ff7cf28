/* Rows are read as they come, then put in order. */
#include "ingest/class_predictions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/input_file.h"
#include "base/status.h"
#include "ingest/delimited.h"
#include "ingest/field_values.h"

static const char SUBJECT[] = "subject_id", TIME[] = "prediction_time", CLASSES[] = "classes";

struct reader {
    struct delimited text;
    struct class_rows *rows;
    int subject, time, classes; /* columns */
    long long scores_capacity, set_capacity, offsets_capacity;
    int64_t n_set;
};

/* ---- one row ---- */
static int bad_field(const struct reader *r, const char *column, struct field field, const char *expected) {
    return status_set(STATUS_FAILED, "%s, line %lld: %s is \"%.*s\": expected %s", r->text.path,
                      (long long)r->text.row_line, column, (int)(field.size < 64 ? field.size : 64), field.text,
                      expected);
}

static int score_of(struct field field, float *value) {
    char text[64], *end;
    if (field.size == 0 || field.size >= (int64_t)sizeof text) return 0;
    memcpy(text, field.text, (size_t)field.size);
    text[field.size] = 0;
    *value = strtof(text, &end);
    return *end == 0 && isfinite(*value);
}

static int read_scores(struct reader *r) {
    struct class_rows *rows = r->rows;
    int64_t n = rows->samples.n * rows->names.n;
    TRY(mem_grow(&rows->scores, &r->scores_capacity, n + rows->names.n, sizeof *rows->scores));
    for (int c = 0; c < r->text.n_columns; c++) {
        if (c == r->subject || c == r->time || c == r->classes) continue;
        if (!score_of(field_trim(r->text.fields[c]), &rows->scores[n++])) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)(r->text.header[c].size < 60 ? r->text.header[c].size : 60),
                     r->text.header[c].text);
            return bad_field(r, name, r->text.fields[c], "a number");
        }
    }
    return STATUS_OK;
}

static int ascending(const void *a, const void *b) { return *(const int32_t *)a - *(const int32_t *)b; }

/* The classes of the row in hand, behind those of the rows before it. */
static int read_classes(struct reader *r) {
    struct class_rows *rows = r->rows;
    struct field all = field_trim(r->text.fields[r->classes]), left = all;
    int64_t first = r->n_set;
    while (left.size > 0) {
        const char *end = memchr(left.text, ';', (size_t)left.size);
        struct field one = {left.text, end ? end - left.text : left.size};
        int64_t class;
        if (!field_integer(field_trim(one), 0, rows->names.n - 1, &class))
            return bad_field(r, CLASSES, all, "numbers of the file's classes, with ; between");
        TRY(mem_grow(&rows->set, &r->set_capacity, r->n_set + 1, sizeof *rows->set));
        rows->set[r->n_set++] = (int32_t) class;
        left = (struct field){left.text + one.size + (end != NULL), left.size - one.size - (end != NULL)};
    }
    if (rows->form == LABEL_CLASS && r->n_set - first != 1)
        return bad_field(r, CLASSES, all, "one class; of samples with any number of them set score.classes=any");
    if (r->n_set > first) qsort(rows->set + first, (size_t)(r->n_set - first), sizeof *rows->set, ascending);
    for (int64_t i = first + 1; i < r->n_set; i++)
        if (rows->set[i] == rows->set[i - 1]) return bad_field(r, CLASSES, all, "each class once");
    return STATUS_OK;
}

static int add_row(struct reader *r) {
    struct class_rows *rows = r->rows;
    struct predictions *p = &rows->samples;
    struct prediction row = {.row = r->text.row_line, .at = p->n, .decided = -1};
    struct field subject = field_trim(r->text.fields[r->subject]), time = field_trim(r->text.fields[r->time]);
    if (!field_integer(subject, INT64_MIN, INT64_MAX, &row.subject))
        return bad_field(r, SUBJECT, subject, "a whole number");
    if (!field_time(time, &row.time, NULL)) return bad_field(r, TIME, time, "a time, as 2019-12-31 23:59:00");
    TRY(read_scores(r));
    TRY(mem_grow(&rows->set_offsets, &r->offsets_capacity, p->n + 2, sizeof *rows->set_offsets));
    rows->set_offsets[p->n] = r->n_set;
    TRY(read_classes(r));
    rows->set_offsets[p->n + 1] = r->n_set;
    TRY(mem_grow(&p->rows, &p->capacity, p->n + 1, sizeof *p->rows));
    p->rows[p->n++] = row;
    return STATUS_OK;
}

/* ---- all rows ---- */
static int read_header(struct reader *r) {
    TRY(delimited_need(&r->text, SUBJECT, &r->subject));
    TRY(delimited_need(&r->text, TIME, &r->time));
    TRY(delimited_need(&r->text, CLASSES, &r->classes));
    for (int c = 0; c < r->text.n_columns; c++) {
        char name[256];
        if (c == r->subject || c == r->time || c == r->classes) continue;
        snprintf(name, sizeof name, "%.*s", (int)(r->text.header[c].size < 255 ? r->text.header[c].size : 255),
                 r->text.header[c].text);
        TRY(string_list_add(&r->rows->names, name));
    }
    if (r->rows->names.n > 0) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s has no columns of classes beside %s, %s and %s", r->text.path, SUBJECT, TIME,
                      CLASSES);
}

static int read_rows(struct reader *r) {
    int more = 1;
    TRY(read_header(r));
    while (more) {
        TRY(delimited_next(&r->text, &more));
        if (more) TRY(add_row(r));
    }
    return STATUS_OK;
}

/* Puts scores and classes in the order of the samples. */
static int order(struct class_rows *rows) {
    int64_t n = rows->samples.n, n_classes = rows->names.n, n_set = 0, *offsets = NULL;
    float *scores = NULL;
    int32_t *set = NULL;
    TRY(predictions_order(&rows->samples));
    int status = mem_alloc(&rows->subject, n, sizeof *rows->subject);
    if (status == STATUS_OK) status = mem_alloc(&scores, n * n_classes, sizeof *scores);
    if (status == STATUS_OK) status = mem_alloc(&offsets, n + 1, sizeof *offsets);
    if (status == STATUS_OK) status = mem_alloc(&set, rows->set_offsets[n], sizeof *set);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        int64_t at = rows->samples.rows[i].at, first = rows->set_offsets[at];
        rows->subject[i] = rows->samples.rows[i].subject;
        memcpy(scores + i * n_classes, rows->scores + at * n_classes, (size_t)n_classes * sizeof *scores);
        for (int64_t k = first; k < rows->set_offsets[at + 1]; k++) set[n_set++] = rows->set[k];
        offsets[i + 1] = n_set;
    }
    free(rows->scores);
    free(rows->set_offsets);
    free(rows->set);
    rows->scores = scores;
    rows->set_offsets = offsets;
    rows->set = set;
    return status;
}

int class_predictions_are(const char *path) {
    struct delimited text = {0};
    int is_text = input_file_check(path) == STATUS_OK && delimited_open(&text, path) == STATUS_OK &&
                  delimited_column(&text, CLASSES) >= 0;
    delimited_close(&text);
    return is_text;
}

int class_predictions_read(struct class_rows *rows, const char *path, enum label_form form) {
    struct reader r = {.rows = rows};
    *rows = (struct class_rows){.samples = {.path = path, .unit = "line"}, .form = form};
    TRY(input_file_check(path));
    int status = delimited_open(&r.text, path);
    if (status == STATUS_OK) status = read_rows(&r);
    delimited_close(&r.text);
    if (status == STATUS_OK) status = order(rows);
    if (status == STATUS_OK && form == LABEL_CLASS) { /* one each: the set is the list of labels */
        rows->label = rows->set;
        rows->set = NULL;
    }
    return status;
}

void class_predictions_free(struct class_rows *rows) {
    predictions_free(&rows->samples);
    string_list_clear(&rows->names);
    free(rows->scores);
    free(rows->subject);
    free(rows->label);
    free(rows->set_offsets);
    free(rows->set);
    *rows = (struct class_rows){0};
}

/* ---- two files ---- */
int class_predictions_match(const struct class_rows *a, const struct class_rows *b) {
    const int32_t *of_a = a->label ? a->label : a->set, *of_b = b->label ? b->label : b->set;
    if (a->names.n != b->names.n)
        return status_set(STATUS_FAILED, "%s has %d classes, and %s %d", a->samples.path, a->names.n, b->samples.path,
                          b->names.n);
    for (int c = 0; c < a->names.n; c++)
        if (strcmp(a->names.items[c], b->names.items[c]) != 0)
            return status_set(STATUS_FAILED, "class %d is %s in %s, and %s in %s", c, a->names.items[c],
                              a->samples.path, b->names.items[c], b->samples.path);
    TRY(predictions_match(&a->samples, &b->samples));
    for (int64_t i = 0; i < a->samples.n; i++) {
        int64_t first = a->set_offsets[i], n = a->set_offsets[i + 1] - first, other = b->set_offsets[i];
        if (b->set_offsets[i + 1] - other != n ||
            (n && memcmp(of_a + first, of_b + other, (size_t)n * sizeof *of_a) != 0))
            return status_set(STATUS_FAILED, "the classes of subject %lld differ in %s, line %lld, and %s, line %lld",
                              (long long)a->subject[i], a->samples.path, (long long)a->samples.rows[i].row,
                              b->samples.path, (long long)b->samples.rows[i].row);
    }
    return STATUS_OK;
}
