/* Predictions: of binary tasks those of ehr/predictions.h, of others a column a class. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/status.h"
#include "ehr/baselines/report.h"
#include "ehr/predictions.h"

/* In quotes, which are doubled inside. */
static void print_quoted(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_classes(FILE *out, const struct features *f, int64_t sample) {
    if (f->form == LABEL_CLASS) {
        fprintf(out, "%" PRId32, f->label[sample]);
        return;
    }
    for (int64_t i = f->set_offsets[sample]; i < f->set_offsets[sample + 1]; i++)
        fprintf(out, "%s%" PRId32, i > f->set_offsets[sample] ? ";" : "", f->set[i]);
}

static int write_classes(const struct features *f, const struct sample_scores *s, const char *path) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    fputs("subject_id,prediction_time,classes", file.stream);
    for (int k = 0; k < f->class_names.n; k++) {
        fputc(',', file.stream);
        print_quoted(file.stream, f->class_names.items[k]);
    }
    fputc('\n', file.stream);
    for (int64_t i = 0; i < s->n; i++) {
        char time[40];
        cohort_time_text(f->time[s->sample[i]], time);
        fprintf(file.stream, "%" PRId64 ",%s,", s->subject[i], time);
        print_classes(file.stream, f, s->sample[i]);
        for (int k = 0; k < s->n_outputs; k++) fprintf(file.stream, ",%.9g", s->score[i * s->n_outputs + k]);
        fputc('\n', file.stream);
    }
    return atomic_file_close(&file, STATUS_OK);
}

int baseline_predictions_write(const struct baseline_report *r, const char *path, const char *cohort) {
    const struct features *f = r->terms->features;
    struct ehr_options options = {.task = f->task};
    struct scored_sample *samples;
    if (f->form != LABEL_BINARY) return write_classes(f, &r->experiment->samples, path);
    int status = scored_samples_make(f, &r->experiment->samples, &samples);
    if (status == STATUS_OK) status = predictions_write(path, cohort, &options, r->experiment->samples.n, samples);
    free(samples);
    return status;
}
