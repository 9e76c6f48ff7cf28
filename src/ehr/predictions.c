#include "ehr/predictions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/status.h"
#include "store/cohort.h"
#include "store/parquet_file.h"

const char PREDICTIONS_HEADER[] =
    "subject_id,prediction_time,boolean_value,predicted_boolean_value,predicted_boolean_probability\n";

static const struct parquet_column COLUMNS[] = {{"subject_id", "int64"},
                                                {"prediction_time", "timestamp[us]"},
                                                {"boolean_value", "bool"},
                                                {"predicted_boolean_value", "bool"},
                                                {"predicted_boolean_probability", "float32"}};
enum { N_COLUMNS = sizeof COLUMNS / sizeof *COLUMNS };

const char *predictions_ending(const struct ehr_options *o) {
    return o->predictions == PREDICTIONS_PARQUET ? ".parquet" : ".csv";
}

static const char *truth(int is_true) { return is_true ? "true" : "false"; }

/* times: of the task's samples. */
static void write_csv(FILE *out, const int64_t *times, int64_t n, const struct scored_sample *samples) {
    fputs(PREDICTIONS_HEADER, out);
    for (int64_t i = 0; i < n; i++) {
        char time[40];
        cohort_time_text(times[samples[i].sample], time);
        fprintf(out, "%" PRId64 ",%s,%s,%s,%.9g\n", samples[i].subject, time, truth(samples[i].label != 0),
                truth(samples[i].score >= 0.5), samples[i].score);
    }
}

static void write_rows(FILE *out, const int64_t *times, int64_t n, const struct scored_sample *samples) {
    for (int64_t i = 0; i < n; i++)
        fprintf(out, "%" PRId64 "\t%" PRId64 "\t%s\t%s\t%.9g\n", samples[i].subject, times[samples[i].sample],
                truth(samples[i].label != 0), truth(samples[i].score >= 0.5), samples[i].score);
}

static int write_file(const char *path, const char *python, const int64_t *times, int64_t n,
                      const struct scored_sample *samples) {
    size_t size = strlen(path), ending = strlen(".parquet");
    if (size >= ending && strcmp(path + size - ending, ".parquet") == 0) {
        struct parquet_file *file;
        TRY(parquet_file_open(&file, path, python, "ehr.python", N_COLUMNS, COLUMNS));
        write_rows(parquet_file_rows(file), times, n, samples);
        return parquet_file_close(file, STATUS_OK);
    }
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    write_csv(file.stream, times, n, samples);
    return atomic_file_close(&file, STATUS_OK);
}

int predictions_write(const char *path, const char *cohort, const struct ehr_options *o, int64_t n,
                      const struct scored_sample *samples) {
    struct cohort c;
    int64_t task = 0;
    int status;
    TRY(cohort_read(cohort, 0, 0, &c));
    if (o->task[0]) TRY_DONE(cohort_find_task(&c, cohort, o->task, &task));
    status = write_file(path, o->python ? o->python : "", c.sample_time + c.task_offsets[task], n, samples);
done:
    cohort_free(&c);
    return status;
}

/* ---- classes ---- */
/* In quotes, which are doubled inside. */
static void print_quoted(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_classes(FILE *out, const struct result_samples *s, int64_t i) {
    if (s->form == LABEL_CLASS) {
        fprintf(out, "%" PRId32, s->label[i]);
        return;
    }
    for (int64_t k = s->set_offsets[i]; k < s->set_offsets[i + 1]; k++)
        fprintf(out, "%s%" PRId32, k > s->set_offsets[i] ? ";" : "", s->set[k]);
}

static int write_classes(const char *path, const struct cohort *c, int64_t task, const struct result_samples *s,
                         const double *scores) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    fputs("subject_id,prediction_time,classes", file.stream);
    for (int32_t k = 0; k < s->n_classes; k++) {
        fputc(',', file.stream);
        print_quoted(file.stream, cohort_class(c, task, k));
    }
    fputc('\n', file.stream);
    for (int64_t i = 0; i < s->n; i++) {
        char time[40];
        cohort_time_text(s->time[i], time);
        fprintf(file.stream, "%" PRId64 ",%s,", s->subject[i], time);
        print_classes(file.stream, s, i);
        for (int32_t k = 0; k < s->n_classes; k++) fprintf(file.stream, ",%.9g", scores[i * s->n_classes + k]);
        fputc('\n', file.stream);
    }
    return atomic_file_close(&file, STATUS_OK);
}

int class_predictions_write(const char *path, const char *cohort, const char *task, const struct result_samples *s,
                            const double *scores) {
    struct cohort c;
    int64_t number = 0;
    int status;
    TRY(cohort_read(cohort, 0, 0, &c));
    TRY_DONE(cohort_find_task(&c, cohort, task, &number));
    status = write_classes(path, &c, number, s, scores);
done:
    cohort_free(&c);
    return status;
}
