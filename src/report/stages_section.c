/* Where the time of the jobs went, from the files that they leave beside their outputs (dist/stages.h). */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "dist/stages.h"
#include "report/html.h"
#include "report/measures_file.h"
#include "report/sections.h"

static const enum report_file OUTPUTS[] = {REPORT_VOCABULARY, REPORT_TEXT,    REPORT_CHECKPOINT,
                                           REPORT_TABLE,      REPORT_QUALITY, REPORT_PROBES};
enum { N_OUTPUTS = sizeof OUTPUTS / sizeof *OUTPUTS };

/* Columns behind job and stage, as the members of a stage are called in the file. */
enum { JOB, STAGE, RANKS, SECONDS, N_FIRST = SECONDS };
static const char *const COLUMNS[] = {"job",    "stage",     "ranks",     "seconds",  "share",     "imbalance",
                                      "in_mpi", "flop_rate", "byte_rate", "messages", "bytes_sent"};
enum { N_COLUMNS = sizeof COLUMNS / sizeof *COLUMNS };

/* Stages that took less of their job are left out. */
static const double SHOWN = 1e-4;

static double number(json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static int add_stages(struct sheet *s, json_t *file) {
    const char *job = json_string_value(json_object_get(file, "job"));
    json_t *stage;
    size_t i;
    json_array_foreach(json_object_get(file, "stages"), i, stage) {
        const char *name = json_string_value(json_object_get(stage, "stage"));
        char label[96];
        if (number(stage, "share") < SHOWN) continue;
        snprintf(label, sizeof label, "%.40s: %.40s", job ? job : "?", name ? name : "?");
        TRY(sheet_add_row(s));
        TRY(sheet_set(s, JOB, job ? job : "?"));
        TRY(sheet_set(s, STAGE, label));
        TRY(sheet_set_number(s, RANKS, number(file, "ranks")));
        for (int c = N_FIRST; c < N_COLUMNS; c++) TRY(sheet_set_number(s, c, number(stage, COLUMNS[c])));
    }
    return STATUS_OK;
}

static int read_run(const struct report_run *run, struct sheet *s) {
    TRY(sheet_make(s, N_COLUMNS, COLUMNS));
    for (int i = 0; i < N_OUTPUTS; i++) {
        char path[PATH_MAX];
        json_t *file;
        stages_path(run->path[OUTPUTS[i]], path);
        if (!run->path[OUTPUTS[i]][0] || access(path, F_OK)) continue;
        TRY(measures_load(path, &file));
        int status = add_stages(s, file);
        json_decref(file);
        TRY(status);
    }
    return STATUS_OK;
}

static int plot_column(struct report *x, int run, const struct sheet *s, int column, const char *title,
                       const char *label) {
    char stem[64], name[160];
    snprintf(stem, sizeof stem, "stages_%s", COLUMNS[column]);
    struct plot plot = {.name = report_csv_name(x, run, stem, name),
                        .title = title,
                        .x_label = label,
                        .y_label = "",
                        .sheet = s,
                        .kind = PLOT_INTERVALS,
                        .x = STAGE,
                        .from_zero = 1};
    plot_add_series(&plot, COLUMNS[column], column, -1, -1);
    return plot_write(&plot, &x->page);
}

/* Whether some job ran on several ranks, so that there is a balance. */
static int has_ranks(const struct sheet *s) {
    for (long long r = 0; r < s->n_rows; r++)
        if (sheet_number(s, r, RANKS) > 1) return 1;
    return 0;
}

static int write_run(struct report *x, int run, const struct sheet *s) {
    fputs("<div class=\"figures\">\n", x->page.out);
    TRY(plot_column(x, run, s, SECONDS, "Time of each stage", "seconds, of the slowest rank"));
    if (has_ranks(s))
        TRY(plot_column(x, run, s, SECONDS + 2, "Imbalance over ranks", "most by mean of the ranks' own seconds"));
    fputs("</div>\n", x->page.out);
    html_table(
        x->page.out, s,
        "Stages of the last run of each job; rates a second are of all ranks, in_mpi is the share of time inside MPI");
    return STATUS_OK;
}

int report_stages_section(struct report *x) {
    html_section_begin(x->page.out, "stages", "Where the time went");
    report_runs_begin(x);
    for (int r = 0; r < x->n_runs; r++) {
        struct sheet s;
        int status = read_run(&x->runs[r], &s);
        report_run_begin(x, r);
        if (s.n_rows == 0)
            html_element(
                x->page.out, "p", NULL,
                "Not known: the files that the jobs write beside their outputs, called .stages.json, are missing.");
        if (status == STATUS_OK && s.n_rows > 0) status = write_run(x, r, &s);
        sheet_free(&s);
        TRY(status);
        report_run_end(x);
    }
    report_runs_end(x);
    html_section_end(x->page.out);
    return STATUS_OK;
}
