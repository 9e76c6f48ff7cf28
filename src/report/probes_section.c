/* What a table knows beside its baselines, as the job probe measured it: {"probes": {QUESTION: {"figures": {SPACE: {METRIC: {"value", "low",
 * "high"}}}, "differences": the same of two spaces, "curve": {METRIC: [{"tokens", "value", "low", "high"}]}}}}. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "report/html.h"
#include "report/measures_file.h"
#include "report/sections.h"

enum { MOST_METRICS = PLOT_MOST_SERIES, OF_METRIC = 3 };

/* Columns: what a row is, and value, low, high of each metric. The names are borrowed from the file. */
struct figures {
    struct sheet sheet;
    int n_metrics;
    const char *metrics[MOST_METRICS];
};

static int begin(struct figures *f, const char *first) {
    static const char *const OF[OF_METRIC] = {"", " low", " high"};
    char texts[OF_METRIC * MOST_METRICS][96];
    const char *names[1 + OF_METRIC * MOST_METRICS] = {first};
    for (int i = 0; i < OF_METRIC * f->n_metrics; i++) {
        snprintf(texts[i], sizeof *texts, "%.80s%s", f->metrics[i / OF_METRIC], OF[i % OF_METRIC]);
        names[1 + i] = texts[i];
    }
    return sheet_make(&f->sheet, 1 + OF_METRIC * f->n_metrics, names);
}

static int set_estimate(struct sheet *s, int metric, json_t *estimate) {
    static const char *const OF[OF_METRIC] = {"value", "low", "high"};
    for (int v = 0; v < OF_METRIC; v++)
        TRY(sheet_set_number(s, 1 + OF_METRIC * metric + v, member_number(estimate, OF[v])));
    return STATUS_OK;
}

static void find_metrics(struct figures *f, json_t *metrics) {
    const char *name;
    json_t *value;
    json_object_foreach(metrics, name, value) {
        int k = 0;
        while (k < f->n_metrics && strcmp(f->metrics[k], name) != 0) k++;
        if (k == f->n_metrics && k < MOST_METRICS) f->metrics[f->n_metrics++] = name;
    }
}

/* Spaces, or pairs of them, as rows. */
static int read_spaces(struct figures *f, json_t *spaces, const char *what) {
    const char *space;
    json_t *metrics;
    json_object_foreach(spaces, space, metrics) find_metrics(f, metrics);
    TRY(begin(f, what));
    sheet_mark_text(&f->sheet, 0);
    json_object_foreach(spaces, space, metrics) {
        TRY(sheet_add_row(&f->sheet));
        TRY(sheet_set(&f->sheet, 0, space));
        for (int m = 0; m < f->n_metrics; m++) TRY(set_estimate(&f->sheet, m, json_object_get(metrics, f->metrics[m])));
    }
    return STATUS_OK;
}

/* Numbers of tokens as rows; all metrics have the same. */
static int read_curve(struct figures *f, json_t *curve) {
    find_metrics(f, curve);
    TRY(begin(f, "tokens"));
    size_t n = f->n_metrics > 0 ? json_array_size(json_object_get(curve, f->metrics[0])) : 0;
    for (size_t i = 0; i < n; i++) {
        TRY(sheet_add_row(&f->sheet));
        for (int m = 0; m < f->n_metrics; m++) {
            json_t *point = json_array_get(json_object_get(curve, f->metrics[m]), i);
            TRY(sheet_set_number(&f->sheet, 0, member_number(point, "tokens")));
            TRY(set_estimate(&f->sheet, m, point));
        }
    }
    return STATUS_OK;
}

static int plot_figures(struct report *x, int run, const struct figures *f, const char *question, const char *what,
                        enum plot_kind kind) {
    char stem[96], name[160], title[256];
    snprintf(stem, sizeof stem, "probe.%.40s.%s", question, what);
    snprintf(title, sizeof title, "%.200s: %s", question, what);
    struct plot plot = {.name = report_csv_name(x, run, stem, name),
                        .title = title,
                        .x_label = kind == PLOT_INTERVALS ? "value, with its interval" : "tokens",
                        .y_label = kind == PLOT_INTERVALS ? "" : "value",
                        .sheet = &f->sheet,
                        .kind = kind,
                        .from_zero = 1};
    for (int m = 0; m < f->n_metrics; m++)
        plot_add_series(&plot, f->metrics[m], 1 + OF_METRIC * m, 2 + OF_METRIC * m, 3 + OF_METRIC * m);
    return plot_write(&plot, &x->page);
}

static int write_part(struct report *x, int run, json_t *question, const char *name, const char *member) {
    json_t *part = json_object_get(question, member);
    int is_curve = strcmp(member, "curve") == 0;
    struct figures f = {.n_metrics = 0};
    if (json_object_size(part) == 0) return STATUS_OK;
    int status = is_curve ? read_curve(&f, part) : read_spaces(&f, part, "space");
    if (status == STATUS_OK)
        status = plot_figures(x, run, &f, name, is_curve ? "by number of tokens" : member,
                              is_curve ? PLOT_CURVES : PLOT_INTERVALS);
    sheet_free(&f.sheet);
    return status;
}

static int write_run(struct report *x, int run) {
    static const char *const PARTS[] = {"figures", "differences", "curve"};
    const char *name;
    json_t *file, *question;
    int status = STATUS_OK;
    TRY(measures_load(x->runs[run].path[REPORT_PROBES], &file));
    fputs("<div class=\"figures\">\n", x->page.out);
    json_object_foreach(json_object_get(file, "probes"), name, question) {
        for (int p = 0; p < 3 && status == STATUS_OK; p++) status = write_part(x, run, question, name, PARTS[p]);
    }
    fputs("</div>\n", x->page.out);
    json_decref(file);
    return status;
}

int report_probes_section(struct report *x) {
    if (!report_any(x, REPORT_PROBES)) return STATUS_OK;
    html_section_begin(x->page.out, "probes", "What the table knows");
    report_runs_begin(x);
    for (int r = 0; r < x->n_runs; r++) {
        if (!x->runs[r].is_there[REPORT_PROBES]) continue;
        report_run_begin(x, r);
        TRY(write_run(x, r));
        report_run_end(x);
    }
    report_runs_end(x);
    html_section_end(x->page.out);
    return STATUS_OK;
}
