#include "report/metrics_follow.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "report/measures_file.h"

static void lines_free(struct followed_lines *l) {
    for (int c = 0; c < l->n_columns; c++) free(l->names[c]);
    free(l->names);
    free(l->rows);
    free(l->last);
    *l = (struct followed_lines){0};
}

void metrics_follow_free(struct metrics_follow *m) {
    lines_free(&m->steps);
    lines_free(&m->evaluations);
    *m = (struct metrics_follow){0};
}

int followed_column(const struct followed_lines *l, const char *name) {
    for (int c = 0; c < l->n_columns; c++)
        if (strcmp(l->names[c], name) == 0) return c;
    return -1;
}

/* ---- one line ---- */
static int begin(struct followed_lines *l) {
    TRY(mem_alloc(&l->names, FOLLOWED_COLUMNS, sizeof *l->names));
    TRY(mem_alloc(&l->rows, (long long)FOLLOWED_ROWS * FOLLOWED_COLUMNS, sizeof *l->rows));
    return mem_alloc(&l->last, FOLLOWED_COLUMNS, sizeof *l->last);
}

/* A column that rows before lack; some of a training's are of the lines of its log alone. */
static int add_columns(struct followed_lines *l, json_t *object) {
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        if (l->n_columns == FOLLOWED_COLUMNS) break;
        if (followed_column(l, name) >= 0) continue;
        if (!(l->names[l->n_columns] = strdup(name))) return status_set(STATUS_FAILED, "out of memory");
        for (int r = 0; r < FOLLOWED_ROWS; r++) l->rows[r * FOLLOWED_COLUMNS + l->n_columns] = NAN;
        l->n_columns++;
    }
    return STATUS_OK;
}

/* Keeps every second of the rows that there are, the last among them. */
static void thin(struct followed_lines *l) {
    enum { WIDTH = FOLLOWED_COLUMNS };
    l->n_kept /= 2;
    for (int r = 0; r < l->n_kept; r++)
        memmove(l->rows + r * WIDTH, l->rows + (2 * r + 1) * WIDTH, WIDTH * sizeof *l->rows);
    l->every *= 2;
}

/* What stands in the line, as the newest; what is no JSON object is left out. */
static int take(struct followed_lines *l, const char *line) {
    json_t *object = json_loads(line, 0, NULL);
    int status = STATUS_OK;
    if (json_is_object(object)) {
        if (!l->names) status = begin(l);
        if (status == STATUS_OK) status = add_columns(l, object);
        for (int c = 0; c < l->n_columns && status == STATUS_OK; c++)
            l->last[c] = measure_number(json_object_get(object, l->names[c]));
    }
    json_decref(object);
    return status;
}

static void put_last(struct followed_lines *l, int row) {
    memcpy(l->rows + row * FOLLOWED_COLUMNS, l->last, (size_t)l->n_columns * sizeof *l->rows);
}

static int add(struct followed_lines *l, const char *line) {
    if (l->every == 0) l->every = 1;
    if (++l->n % l->every != 0) return STATUS_OK;
    TRY(take(l, line));
    if (l->n_columns == 0) return STATUS_OK;
    put_last(l, l->n_kept);
    if (++l->n_kept == FOLLOWED_ROWS) thin(l);
    return STATUS_OK;
}

/* The newest line behind those that are kept. */
static int end(struct followed_lines *l, const char *line) {
    TRY(take(l, line));
    l->n_rows = l->n_kept;
    if (l->n_columns > 0 && l->n % l->every != 0) put_last(l, l->n_rows++);
    return STATUS_OK;
}

/* ---- the file ---- */
/* Exchanges the newest line of a kind; both texts are getline's. */
static void keep_line(char **kept, size_t *kept_size, char **line, size_t *size) {
    char *text = *kept;
    size_t n = *kept_size;
    *kept = *line, *kept_size = *size;
    *line = text, *size = n;
}

static int read_on(struct metrics_follow *m, FILE *file) {
    struct followed_lines *kinds[2] = {&m->steps, &m->evaluations};
    char *line = NULL, *newest[2] = {NULL, NULL};
    size_t size = 0, sizes[2] = {0, 0};
    ssize_t n;
    int status = STATUS_OK;
    while (status == STATUS_OK && (n = getline(&line, &size, file)) > 0 && line[n - 1] == '\n') {
        int kind = strncmp(line, "{\"step\":", 8) != 0;
        m->offset += n;
        status = add(kinds[kind], line);
        keep_line(&newest[kind], &sizes[kind], &line, &size);
    }
    for (int kind = 0; kind < 2; kind++) {
        if (newest[kind] && status == STATUS_OK) status = end(kinds[kind], newest[kind]);
        free(newest[kind]);
    }
    free(line);
    return status;
}

int metrics_follow(struct metrics_follow *m, const char *path) {
    struct stat info;
    FILE *file = fopen(path, "r");
    int status = STATUS_OK;
    if (!file) return STATUS_OK;
    if (fstat(fileno(file), &info) == 0) {
        if (info.st_ino != m->file || info.st_size < m->offset) metrics_follow_free(m);
        m->file = info.st_ino;
        if (info.st_size > m->offset && fseeko(file, m->offset, SEEK_SET) == 0) status = read_on(m, file);
    }
    fclose(file);
    return status;
}
