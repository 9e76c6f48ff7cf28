/* Provenance: what the attributes of our files say. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/format.h"
#include "base/status.h"
#include "report/html.h"
#include "report/sections.h"
#include "store/h5file.h"

#define FILE_NAME(constant, name, job) name,
#define FILE_JOB(constant, name, job)  job,
static const char *const NAMES[N_REPORT_FILES] = {REPORT_FILES(FILE_NAME)}, *const JOBS[N_REPORT_FILES] = {
                                                                                REPORT_FILES(FILE_JOB)};

enum {
    FILE_COLUMN,
    PATH_COLUMN,
    JOB_COLUMN,
    SIZE_COLUMN,
    MADE_COLUMN,
    VERSION_COLUMN,
    RANKS_COLUMN,
    ID_COLUMN,
    N_COLUMNS
};
static const char *const COLUMNS[N_COLUMNS] = {"file", "path",    "made by", "size",
                                               "when", "program", "ranks",   "content"};

static int set_attribute(struct sheet *sheet, int column, struct h5file *file, const char *name) {
    char *text = NULL;
    TRY(h5file_get_text(file, name, &text));
    int status = sheet_set(sheet, column, text);
    free(text);
    return status;
}

/* What an HDF5 file says of itself. */
static int set_attributes(struct sheet *sheet, const char *path) {
    struct h5file *file = NULL;
    int64_t ranks = 0;
    int status;
    TRY_DONE(h5file_open(&file, path, KIND_UNKNOWN));
    TRY_DONE(set_attribute(sheet, MADE_COLUMN, file, "created"));
    TRY_DONE(set_attribute(sheet, VERSION_COLUMN, file, "program_version"));
    TRY_DONE(set_attribute(sheet, ID_COLUMN, file, "content_id"));
    TRY_DONE(h5file_get_int(file, "ranks", &ranks));
    TRY_DONE(sheet_set_number(sheet, RANKS_COLUMN, (double)ranks));
done:
    h5file_close(file);
    return status;
}

static int add_file(struct sheet *sheet, const struct report_run *run, int f) {
    struct stat info = {0};
    char size[32];
    if (!run->path[f][0]) return STATUS_OK;
    TRY(sheet_add_row(sheet));
    TRY(sheet_set(sheet, FILE_COLUMN, NAMES[f]));
    TRY(sheet_set(sheet, PATH_COLUMN, run->path[f]));
    TRY(sheet_set(sheet, JOB_COLUMN, JOBS[f]));
    if (!run->is_there[f]) return sheet_set(sheet, SIZE_COLUMN, "missing");
    if (stat(run->path[f], &info) == 0)
        TRY(sheet_set(sheet, SIZE_COLUMN, format_bytes(info.st_size, size, sizeof size)));
    return f < N_REPORT_H5_FILES ? set_attributes(sheet, run->path[f]) : STATUS_OK;
}

static int write_files(struct report *x, const struct report_run *run) {
    struct sheet sheet;
    int status = sheet_make(&sheet, N_COLUMNS, COLUMNS);
    for (int f = 0; f < N_REPORT_FILES && status == STATUS_OK; f++) status = add_file(&sheet, run, f);
    if (status == STATUS_OK) html_table(x->page.out, &sheet, "Files");
    sheet_free(&sheet);
    return status;
}

/* The settings and the inputs of a file, folded up. */
static int write_settings(struct report *x, const struct report_run *run, int f) {
    struct h5file *file = NULL;
    char *config = NULL, *inputs = NULL;
    int status;
    TRY_DONE(h5file_open(&file, run->path[f], KIND_UNKNOWN));
    TRY_DONE(h5file_get_text(file, "config", &config));
    TRY_DONE(h5file_get_text(file, "inputs", &inputs));
    fputs("<details><summary>Settings and inputs of ", x->page.out);
    html_text(x->page.out, NAMES[f]);
    fputs("</summary><pre tabindex=\"0\">", x->page.out);
    html_text(x->page.out, config);
    fputs("</pre><pre tabindex=\"0\">", x->page.out);
    html_text(x->page.out, inputs);
    fputs("</pre></details>\n", x->page.out);
done:
    free(config);
    free(inputs);
    h5file_close(file);
    return status;
}

int report_files_section(struct report *x) {
    html_section_begin(x->page.out, "files", "What was made, and from what");
    report_runs_begin(x);
    for (int r = 0; r < x->n_runs; r++) {
        report_run_begin(x, r);
        TRY(write_files(x, &x->runs[r]));
        for (int f = 0; f < N_REPORT_H5_FILES; f++)
            if (x->runs[r].is_there[f]) TRY(write_settings(x, &x->runs[r], f));
        report_run_end(x);
    }
    report_runs_end(x);
    html_section_end(x->page.out);
    return STATUS_OK;
}
