#include "report/metrics_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "report/measures_file.h"

static int is_step(const char *line) { return strncmp(line, "{\"step\":", 8) == 0; }

/* Reads the next whole line; 0 at the end. */
static int next_line(FILE *file, char **line, size_t *size) {
    ssize_t n = getline(line, size, file);
    return n > 0 && (*line)[n - 1] == '\n';
}

static int count_steps(struct metrics_sheets *m, const char *path) {
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    if (!file) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    while (next_line(file, &line, &size)) m->n_steps += is_step(line);
    free(line);
    fclose(file);
    return STATUS_OK;
}

/* The columns of the first object. */
static int begin_sheet(struct sheet *sheet, json_t *object) {
    const char *names[64], *name;
    json_t *value;
    int n = 0;
    json_object_foreach(object, name, value) {
        if (n < 64) names[n++] = strcmp(name, "eval_step") == 0 ? "step" : name;
    }
    return sheet_make(sheet, n, names);
}

static int add_object(struct sheet *sheet, json_t *object) {
    const char *name;
    json_t *value;
    if (!sheet->names) TRY(begin_sheet(sheet, object));
    TRY(sheet_add_row(sheet));
    json_object_foreach(object, name, value) {
        int column = sheet_column(sheet, strcmp(name, "eval_step") == 0 ? "step" : name);
        if (column >= 0) TRY(sheet_set_number(sheet, column, measure_number(value)));
    }
    return STATUS_OK;
}

static int add_line(struct metrics_sheets *m, const char *path, const char *line, int64_t number) {
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        return status_set(STATUS_FAILED, "%s:%lld: no metrics of a step: %.80s", path, (long long)number, line);
    }
    int status = add_object(is_step(line) ? &m->steps : &m->evaluations, object);
    json_decref(object);
    return status;
}

int metrics_sheets_read(struct metrics_sheets *m, const char *path, int64_t most_rows) {
    char *line = NULL;
    size_t size = 0;
    int64_t step = 0, number = 0;
    int status = STATUS_OK;
    *m = (struct metrics_sheets){.every = 1};
    TRY(count_steps(m, path));
    m->every = (m->n_steps + most_rows - 1) / most_rows;
    if (m->every < 1) m->every = 1;
    FILE *file = fopen(path, "r");
    if (!file) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    while (status == STATUS_OK && next_line(file, &line, &size)) {
        number++;
        if (is_step(line) && step++ % m->every != 0 && step != m->n_steps) continue;
        status = add_line(m, path, line, number);
    }
    free(line);
    fclose(file);
    return status;
}

void metrics_sheets_free(struct metrics_sheets *m) {
    sheet_free(&m->steps);
    sheet_free(&m->evaluations);
}
