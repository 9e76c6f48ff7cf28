/* What a table knows beside its baselines, as the job probe measured it: {"probes": {QUESTION: {"seen": {METRIC: share}, "of_hierarchy": 0
 * or 1, "figures": {SPACE: {METRIC: {"value", "low", "high"}}}, "differences": the same of two spaces, "curve": {METRIC: [{"tokens", "value",
 * "low", "high"}]}}}}. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "measure/probe_heading.h"
#include "report/html.h"
#include "report/measures_file.h"
#include "report/name_list.h"
#include "report/sections.h"
#include "store/h5file.h"
#include "store/kinds.h"

enum { OF_METRIC = 3 };

/* Columns: what a row is, and value, low, high of each metric. The names are borrowed from the file. */
struct figures {
    struct sheet sheet;
    struct name_list metrics;
};

/* Columns are called by the headings of their metrics, which say what training saw. */
static int begin(struct figures *f, const json_t *question, const char *first) {
    static const char *const OF[OF_METRIC] = {"", " low", " high"};
    const json_t *seen = json_object_get(question, "seen");
    int is_of_hierarchy = json_integer_value(json_object_get(question, "of_hierarchy")) != 0;
    TRY(sheet_make(&f->sheet, 1, &first));
    for (int i = 0; i < OF_METRIC * f->metrics.n; i++) {
        char heading[PROBE_HEADING_BYTES], name[PROBE_HEADING_BYTES + 8];
        const char *metric = f->metrics.items[i / OF_METRIC];
        probe_heading(metric, member_number(seen, metric), is_of_hierarchy, heading);
        snprintf(name, sizeof name, "%s%s", heading, OF[i % OF_METRIC]);
        TRY(sheet_add_column(&f->sheet, name));
    }
    return STATUS_OK;
}

static int set_estimate(struct sheet *s, int metric, json_t *estimate) {
    static const char *const OF[OF_METRIC] = {"value", "low", "high"};
    for (int v = 0; v < OF_METRIC; v++)
        TRY(sheet_set_number(s, 1 + OF_METRIC * metric + v, member_number(estimate, OF[v])));
    return STATUS_OK;
}

static int find_metrics(struct figures *f, json_t *metrics) {
    const char *name;
    json_t *value;
    int k;
    json_object_foreach(metrics, name, value) TRY(name_list_add(&f->metrics, name, &k));
    return STATUS_OK;
}

/* Spaces, or pairs of them, as rows. */
static int read_spaces(struct figures *f, const json_t *question, const char *part) {
    const char *space;
    json_t *metrics, *spaces = json_object_get(question, part);
    json_object_foreach(spaces, space, metrics) TRY(find_metrics(f, metrics));
    TRY(begin(f, question, "space"));
    sheet_mark_text(&f->sheet, 0);
    json_object_foreach(spaces, space, metrics) {
        TRY(sheet_add_row(&f->sheet));
        TRY(sheet_set(&f->sheet, 0, space));
        for (int m = 0; m < f->metrics.n; m++)
            TRY(set_estimate(&f->sheet, m, json_object_get(metrics, f->metrics.items[m])));
    }
    return STATUS_OK;
}

/* Numbers of tokens as rows; all metrics have the same. */
static int read_curve(struct figures *f, const json_t *question) {
    json_t *curve = json_object_get(question, "curve");
    TRY(find_metrics(f, curve));
    TRY(begin(f, question, "tokens"));
    size_t n = f->metrics.n > 0 ? json_array_size(json_object_get(curve, f->metrics.items[0])) : 0;
    for (size_t i = 0; i < n; i++) {
        TRY(sheet_add_row(&f->sheet));
        for (int m = 0; m < f->metrics.n; m++) {
            json_t *point = json_array_get(json_object_get(curve, f->metrics.items[m]), i);
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
    for (int m = 0; m < f->metrics.n; m++)
        plot_add_series(&plot, f->sheet.names[1 + OF_METRIC * m], 1 + OF_METRIC * m, 2 + OF_METRIC * m,
                        3 + OF_METRIC * m);
    return plot_write(&plot, &x->page);
}

static int write_part(struct report *x, int run, json_t *question, const char *name, const char *member) {
    int is_curve = strcmp(member, "curve") == 0;
    struct figures f = {.metrics = {0}};
    if (json_object_size(json_object_get(question, member)) == 0) return STATUS_OK;
    int status = is_curve ? read_curve(&f, question) : read_spaces(&f, question, member);
    if (status == STATUS_OK)
        status = plot_figures(x, run, &f, name, is_curve ? "by number of tokens" : member,
                              is_curve ? PLOT_CURVES : PLOT_INTERVALS);
    sheet_free(&f.sheet);
    name_list_free(&f.metrics);
    return status;
}

/* Whether the probes are of the run's table; so if they do not say, or there is no table. */
static int is_of_table(const struct report_run *run, const json_t *probes, int *is) {
    const char *of = json_string_value(json_object_get(probes, "probed_table"));
    struct h5file *table;
    char *id = NULL;
    int status;
    *is = 1;
    if (!of || !run->is_there[REPORT_TABLE]) return STATUS_OK;
    TRY(h5file_open(&table, run->path[REPORT_TABLE], KIND_TABLE));
    TRY_DONE(h5file_get_text(table, "content_id", &id));
    *is = strcmp(of, id) == 0;
done:
    free(id);
    h5file_close(table);
    return status;
}

static void write_questions(struct report *x, int run, json_t *file, int *status) {
    static const char *const PARTS[] = {"figures", "differences", "curve"};
    const char *name;
    json_t *question;
    html_element(x->page.out, "p", NULL, PROBE_SEEN_LEGEND ". *: " PROBE_HIERARCHY_LEGEND ".");
    fputs("<div class=\"figures\">\n", x->page.out);
    json_object_foreach(json_object_get(file, "probes"), name, question) {
        for (int p = 0; p < 3 && *status == STATUS_OK; p++) *status = write_part(x, run, question, name, PARTS[p]);
    }
    fputs("</div>\n", x->page.out);
}

static int write_run(struct report *x, int run) {
    const struct report_run *files = &x->runs[run];
    json_t *file;
    int is = 1, status;
    TRY(measures_load(files->path[REPORT_PROBES], &file));
    TRY_DONE(is_of_table(files, file, &is));
    if (is) {
        write_questions(x, run, file, &status);
    } else {
        log_warn("%s is of another table than %s: its figures are not in the report", files->path[REPORT_PROBES],
                 files->path[REPORT_TABLE]);
        html_element(x->page.out, "p", NULL,
                     "The probes that were found are of another table: their figures are left out.");
    }
done:
    json_decref(file);
    return status;
}

int report_probes_section(struct report *x) {
    return report_section_of(x, REPORT_PROBES, "probes", "What the table knows", write_run);
}
