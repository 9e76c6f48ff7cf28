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

static const char *column_name(const char *member) { return strcmp(member, "eval_step") == 0 ? "step" : member; }

/* Columns are those of all rows: some of a training's are of the lines of its log alone. */
static int add_columns(struct sheet *sheet, json_t *object) {
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) if (sheet_column(sheet, column_name(name)) < 0)
        TRY(sheet_add_column(sheet, column_name(name)));
    return STATUS_OK;
}

static int add_row(struct sheet *sheet, json_t *object) {
    const char *name;
    json_t *value;
    TRY(sheet_add_row(sheet));
    json_object_foreach(object, name, value)
        TRY(sheet_set_number(sheet, sheet_column(sheet, column_name(name)), measure_number(value)));
    return STATUS_OK;
}

static int add_line(struct metrics_sheets *m, const char *path, const char *line, int64_t number,
                    int (*add)(struct sheet *sheet, json_t *object)) {
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        return status_set(STATUS_FAILED, "%s:%lld: no metrics of a step: %.80s", path, (long long)number, line);
    }
    int status = add(is_step(line) ? &m->steps : &m->evaluations, object);
    json_decref(object);
    return status;
}

/* Of steps the first, the last, and each m->every'th: multiples of it, so that they meet those of train.log_every. */
static int add_lines(struct metrics_sheets *m, const char *path, int (*add)(struct sheet *sheet, json_t *object)) {
    char *line = NULL;
    size_t size = 0;
    int64_t step = 0, number = 0;
    int status = STATUS_OK;
    FILE *file = fopen(path, "r");
    if (!file) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    while (status == STATUS_OK && next_line(file, &line, &size)) {
        number++;
        if (is_step(line) && ++step % m->every != 0 && step != 1 && step != m->n_steps) continue;
        status = add_line(m, path, line, number, add);
    }
    free(line);
    fclose(file);
    return status;
}

int metrics_sheets_read(struct metrics_sheets *m, const char *path, int64_t most_rows) {
    *m = (struct metrics_sheets){.every = 1};
    TRY(count_steps(m, path));
    m->every = (m->n_steps + most_rows - 1) / most_rows;
    if (m->every < 1) m->every = 1;
    TRY(add_lines(m, path, add_columns));
    return add_lines(m, path, add_row);
}

void metrics_sheets_free(struct metrics_sheets *m) {
    sheet_free(&m->steps);
    sheet_free(&m->evaluations);
}
