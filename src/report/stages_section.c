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

static int add_stages(struct sheet *s, json_t *file) {
    const char *job = json_string_value(json_object_get(file, "job"));
    json_t *stage;
    size_t i;
    json_array_foreach(json_object_get(file, "stages"), i, stage) {
        const char *name = json_string_value(json_object_get(stage, "stage"));
        char label[96];
        if (member_number(stage, "share") < SHOWN) continue;
        snprintf(label, sizeof label, "%.40s: %.40s", job ? job : "?", name ? name : "?");
        TRY(sheet_add_row(s));
        TRY(sheet_set(s, JOB, job ? job : "?"));
        TRY(sheet_set(s, STAGE, label));
        TRY(sheet_set_number(s, RANKS, member_number(file, "ranks")));
        for (int c = N_FIRST; c < N_COLUMNS; c++) TRY(sheet_set_number(s, c, member_number(stage, COLUMNS[c])));
    }
    return STATUS_OK;
}

/* What a job went through in a second, by the time of its slowest ranks in all stages. */
static int add_rate(struct sheet *rates, json_t *file) {
    const char *job = json_string_value(json_object_get(file, "job")),
               *unit = json_string_value(json_object_get(file, "unit"));
    double done = member_number(file, "done"), seconds = 0;
    json_t *stage;
    size_t i;
    json_array_foreach(json_object_get(file, "stages"), i, stage) seconds += member_number(stage, "seconds");
    if (!(done > 0) || !(seconds > 0)) return STATUS_OK;
    TRY(sheet_add_row(rates));
    TRY(sheet_set(rates, 0, job ? job : "?"));
    TRY(sheet_set_number(rates, 1, member_number(file, "ranks")));
    TRY(sheet_set_number(rates, 2, done));
    TRY(sheet_set(rates, 3, unit ? unit : "?"));
    TRY(sheet_set_number(rates, 4, seconds));
    return sheet_set_number(rates, 5, done / seconds);
}

static int read_run(const struct report_run *run, struct sheet *s, struct sheet *rates) {
    static const char *const OF_RATES[] = {"job", "ranks", "done", "unit", "seconds", "a second"};
    TRY(sheet_make(rates, 6, OF_RATES));
    TRY(sheet_make(s, N_COLUMNS, COLUMNS));
    for (int i = 0; i < N_OUTPUTS; i++) {
        char path[PATH_MAX];
        json_t *file;
        stages_path(run->path[OUTPUTS[i]], path);
        if (!run->path[OUTPUTS[i]][0] || access(path, F_OK)) continue;
        TRY(measures_load(path, &file));
        int status = add_stages(s, file);
        if (status == STATUS_OK) status = add_rate(rates, file);
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

static int write_run(struct report *x, int run, const struct sheet *s, const struct sheet *rates) {
    char name[160];
    fputs("<div class=\"figures\">\n", x->page.out);
    TRY(plot_column(x, run, s, SECONDS, "Time of each stage", "seconds, of the slowest rank"));
    if (has_ranks(s))
        TRY(plot_column(x, run, s, SECONDS + 2, "Imbalance over ranks", "most by mean of the ranks' own seconds"));
    fputs("</div>\n", x->page.out);
    if (rates->n_rows > 0) {
        html_table(x->page.out, rates, "Throughput of the last run of each job");
        TRY(html_csv(x->page.out, rates, report_csv_name(x, run, "throughput", name)));
    }
    html_table(
        x->page.out, s,
        "Stages of the last run of each job; rates a second are of all ranks, in_mpi is the share of time inside MPI");
    return STATUS_OK;
}

int report_stages_section(struct report *x) {
    html_section_begin(x->page.out, "stages", "Where the time went");
    report_runs_begin(x);
    for (int r = 0; r < x->n_runs; r++) {
        struct sheet s = {0}, rates = {0};
        int status = read_run(&x->runs[r], &s, &rates);
        report_run_begin(x, r);
        if (s.n_rows == 0)
            html_element(
                x->page.out, "p", NULL,
                "Not known: the files that the jobs write beside their outputs, called .stages.json, are missing.");
        if (status == STATUS_OK && s.n_rows > 0) status = write_run(x, r, &s, &rates);
        sheet_free(&s);
        sheet_free(&rates);
        TRY(status);
        report_run_end(x);
    }
    report_runs_end(x);
    html_section_end(x->page.out);
    return STATUS_OK;
}
