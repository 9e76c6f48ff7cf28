/* Any bytes are predictions, of a binary task or of many classes, by subject and time, each once, or an error. Without Python: Parquet is
 * an error here. */
#include "ingest/class_predictions.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "ingest/python_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int interrupt_poll(void) { return STATUS_OK; }

int python_lines_open(struct python_lines **out, const char *interpreter, const char *setting, const char *text,
                      const struct string_list *arguments) {
    (void)interpreter;
    (void)setting;
    (void)text;
    (void)arguments;
    *out = NULL;
    return status_set(STATUS_FAILED, "no Python");
}
int python_lines_next(struct python_lines *lines, char **line) {
    (void)lines;
    *line = NULL;
    return STATUS_OK;
}
int python_lines_finish(struct python_lines *lines) { return lines ? STATUS_OK : STATUS_FAILED; }
void python_lines_abandon(struct python_lines *lines) { (void)lines; }

static void check(const struct predictions *p) {
    if (p->n < 1) abort();
    for (long long i = 0; i < p->n; i++) {
        const struct prediction *row = &p->rows[i], *before = i ? row - 1 : NULL;
        if (!(row->probability >= 0 && row->probability <= 1) || row->label < 0 || row->label > 1) abort();
        if (before &&
            (before->subject > row->subject || (before->subject == row->subject && before->time >= row->time)))
            abort();
    }
    if (predictions_match(p, p) != STATUS_OK || predictions_check_apart(p, p) == STATUS_OK) abort();
}

static void read_classes(const char *path, enum label_form form) {
    struct class_rows rows;
    if (class_predictions_read(&rows, path, form) == STATUS_OK) {
        if (!class_predictions_are(path) || class_predictions_match(&rows, &rows) != STATUS_OK) abort();
        int64_t n = rows.set_offsets[rows.samples.n];
        const int32_t *classes = form == LABEL_CLASS ? rows.label : rows.set;
        if (form == LABEL_CLASS && n != rows.samples.n) abort();
        for (int64_t i = 0; i < n; i++)
            if (classes[i] < 0 || classes[i] >= rows.names.n) abort();
    }
    class_predictions_free(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[64];
    struct predictions predictions;
    snprintf(path, sizeof path, "/tmp/fuzz_predictions.%ld", (long)getpid());
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(bytes, 1, size, out) != size || fclose(out)) abort();
    if (predictions_read(&predictions, path, "", "score.python") == STATUS_OK)
        check(&predictions);
    else if (!status_message()[0])
        abort();
    predictions_free(&predictions);
    read_classes(path, LABEL_CLASS);
    read_classes(path, LABEL_SET);
    unlink(path);
    return 0;
}
