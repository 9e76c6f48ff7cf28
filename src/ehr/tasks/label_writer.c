/* Rows of labels, twice. */
#include "ehr/tasks/label_writer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "store/cohort.h"
#include "store/parquet_file.h"

static const char HEAD[] = "subject_id,prediction_time,";
static const struct {
    const char *column, *type;
} VALUES[] = {[LABEL_BINARY] = {"boolean_value", "bool"},
              [LABEL_CLASS] = {"integer_value", "int64"},
              [LABEL_SET] = {"categorical_value", "string"}};

/* ---- a row ---- */
/* 2180-05-06T23:59:00, and microseconds if there are any. */
static void time_text(int64_t time, char text[40]) {
    int64_t second = time / 1000000 - (time % 1000000 < 0), rest = time - second * 1000000;
    time_t seconds = (time_t)second;
    struct tm parts;
    size_t n = gmtime_r(&seconds, &parts) ? strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts) : 0;
    text[n] = 0;
    if (rest) snprintf(text + n, 40 - n, ".%06d", (int)rest);
}

static void write_value(FILE *out, const struct cohort *c, int64_t task, int64_t sample) {
    int32_t label = c->sample_label[sample];
    if (c->task_form[task] == LABEL_BINARY) fputs(label ? "true" : "false", out);
    if (c->task_form[task] == LABEL_CLASS) fprintf(out, "%d", label);
    for (int64_t i = c->sample_set[sample]; c->task_form[task] == LABEL_SET && i < c->sample_set[sample] + label; i++)
        fprintf(out, "%s%s", i > c->sample_set[sample] ? "|" : "", cohort_class(c, task, c->set[i]));
}

/* ---- a file ---- */
/* Label files of others begin as ours do: what is ours is told by a file beside them, which is written before them. */
static const char MARK[] = "{\n \"labels\": \"made by medtok cohort\"";

/* Whether there is a file that begins so; an empty one begins as any. */
static int begins_with(const char *path, const char *begin) {
    char text[64] = "";
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    size_t n = fread(text, 1, strlen(begin), file);
    fclose(file);
    return n == 0 || strncmp(text, begin, strlen(begin)) == 0;
}

/* Whether label files at these paths may be written. */
static int check_there(const char *const path[2], const char *mark) {
    const char *const begins[2] = {HEAD, "PAR1"};
    for (int k = 0; k < 2; k++) {
        if (access(path[k], F_OK)) continue;
        if (!begins_with(path[k], begins[k]))
            return status_set(STATUS_FAILED,
                              "%s is there already and holds no labels: name another folder, or move it away "
                              "(cohort.labels)",
                              path[k]);
        if (!begins_with(mark, MARK))
            return status_set(STATUS_FAILED,
                              "%s is there already, and no %s says that it is ours: name another folder, or move it "
                              "away (cohort.labels)",
                              path[k], mark);
    }
    return STATUS_OK;
}

static int write_mark(const struct cohort *c, int64_t task, const char *mark) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, mark));
    struct json j = json_begin(file.stream, 2);
    json_object(&j, NULL);
    json_text(&j, "labels", "made by medtok cohort");
    json_text(&j, "task", cohort_task(c, task));
    json_integer(&j, "samples", c->task_offsets[task + 1] - c->task_offsets[task]);
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}

/* Names of classes have commas in them. */
static int write_csv(const struct cohort *c, int64_t task, const char *path) {
    struct atomic_file file;
    const char *quote = c->task_form[task] == LABEL_SET ? "\"" : "";
    char time[40];
    TRY(atomic_file_open(&file, path));
    fprintf(file.stream, "%s%s\n", HEAD, VALUES[c->task_form[task]].column);
    for (int64_t i = c->task_offsets[task]; i < c->task_offsets[task + 1]; i++) {
        time_text(c->sample_time[i], time);
        fprintf(file.stream, "%lld,%s,%s", (long long)c->subject[c->sample_subject[i]], time, quote);
        write_value(file.stream, c, task, i);
        fprintf(file.stream, "%s\n", quote);
    }
    return atomic_file_close(&file, interrupt_poll());
}

static int write_parquet(const struct cohort *c, int64_t task, const char *path, const char *python) {
    const struct parquet_column columns[] = {{"subject_id", "int64"},
                                             {"prediction_time", "timestamp[us]"},
                                             {VALUES[c->task_form[task]].column, VALUES[c->task_form[task]].type}};
    struct parquet_file *file;
    TRY(parquet_file_open(&file, path, python, "cohort.python", 3, columns));
    FILE *out = parquet_file_rows(file);
    for (int64_t i = c->task_offsets[task]; i < c->task_offsets[task + 1]; i++) {
        fprintf(out, "%lld\t%lld\t", (long long)c->subject[c->sample_subject[i]], (long long)c->sample_time[i]);
        write_value(out, c, task, i);
        fputc('\n', out);
    }
    return parquet_file_close(file, interrupt_poll());
}

/* ---- all of them ---- */
static int write_task(const struct cohort *c, int64_t task, const char *folder, const char *python, int *parquet) {
    char path[3][PATH_MAX];
    static const char *const NAMES[3] = {"labels.csv", "labels.parquet", "labels.json"};
    for (int k = 0; k < 3; k++)
        if (snprintf(path[k], PATH_MAX, "%s/%s/%s", folder, cohort_task(c, task), NAMES[k]) >= PATH_MAX)
            return status_set(STATUS_USAGE, "cohort.labels is too long a path: %.200s...", folder);
    TRY(path_make_folder_of(path[0]));
    const char *const labels[2] = {path[0], path[1]};
    TRY(check_there(labels, path[2]));
    TRY(write_mark(c, task, path[2]));
    TRY(write_csv(c, task, path[0]));
    if (!*parquet) return STATUS_OK;
    int status = write_parquet(c, task, path[1], python);
    int lacking = strstr(status_message(), "pyarrow") || strstr(status_message(), "cannot be started");
    if (status == STATUS_OK || status == STATUS_INTERRUPTED || !lacking) return status;
    log_warn("labels are written as CSV alone: %s", status_message());
    *parquet = 0;
    return STATUS_OK;
}

int label_files_write(const char *cohort, const char *folder, const char *python) {
    struct cohort c;
    int parquet = 1;
    TRY(cohort_read(cohort, 0, 0, &c));
    int status = STATUS_OK;
    for (int64_t t = 0; t < c.n_tasks && status == STATUS_OK; t++) status = write_task(&c, t, folder, python, &parquet);
    if (status == STATUS_OK) log_info("wrote the labels of %lld tasks to %s", (long long)c.n_tasks, folder);
    cohort_free(&c);
    return status;
}
