/* What train/metrics.h writes. */
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "report/html.h"
#include "report/metrics_file.h"
#include "report/sections.h"

/* Plots of columns that have something in common. */
struct column_plot {
    const char *stem, *title, *y_label;
    int (*takes)(const char *column);
};

static int is_loss(const char *c) { return strcmp(c, "loss") == 0; }
static int is_usage(const char *c) { return text_begins(c, "usage_"); }
static int is_perplexity(const char *c) { return text_begins(c, "perplexity_"); }
static int is_length(const char *c) { return text_begins(c, "length_"); }
static int is_gradient(const char *c) { return strcmp(c, "gradient_norm") == 0; }
static int is_rate(const char *c) { return strcmp(c, "rate") == 0; }
static int is_revived(const char *c) { return strcmp(c, "revived") == 0; }
static int is_codebook(const char *c) { return text_begins(c, "codebook_"); }
static int is_term(const char *c) {
    return !is_codebook(c) && !is_loss(c) && !is_usage(c) && !is_perplexity(c) && !is_length(c) && !is_rate(c) &&
           !is_revived(c) && !text_begins(c, "gradient_") && strcmp(c, "step") != 0 && strcmp(c, "codes") != 0;
}
static int is_any(const char *c) { return strcmp(c, "step") != 0; }

static const struct column_plot STEP_PLOTS[] = {
    {"loss", "Loss", "loss", is_loss},
    {"loss_terms", "Terms of the loss", "term, before its weight", is_term},
    {"codebook_terms", "Terms of the loss, of the codebook", "term, before its weight", is_codebook},
    {"usage", "Rows of the codebook in use, by region", "share of rows", is_usage},
    {"perplexity", "Perplexity of the picks, by region", "perplexity", is_perplexity},
    {"lengths", "Mean length of vectors before the quantiser", "length", is_length},
    {"gradient", "Length of the gradient, before it is clipped", "length", is_gradient},
    {"rate", "Learning rate", "rate", is_rate},
    {"revived", "Rows of the codebook revived in a step", "rows", is_revived}};
enum { N_STEP_PLOTS = sizeof STEP_PLOTS / sizeof *STEP_PLOTS };

static int has_any(const struct sheet *from, long long row, const struct column_plot *p) {
    for (int c = 1; c < from->n_columns; c++)
        if (p->takes(from->names[c]) && sheet_text(from, row, c)[0]) return 1;
    return 0;
}

/* The columns that a plot takes, behind column 0, of the steps that have any. */
static int select_columns(const struct sheet *from, const struct column_plot *p, struct sheet *to) {
    TRY(sheet_make(to, 1, (const char *const *)from->names));
    for (int c = 1; c < from->n_columns; c++)
        if (p->takes(from->names[c])) TRY(sheet_add_column(to, from->names[c]));
    for (long long r = 0; r < from->n_rows; r++) {
        if (!has_any(from, r, p)) continue;
        TRY(sheet_add_row(to));
        for (int c = 0, n = 0; c < from->n_columns; c++)
            if (c == 0 || p->takes(from->names[c])) TRY(sheet_set(to, n++, sheet_text(from, r, c)));
    }
    return STATUS_OK;
}

static int plot_columns(struct report *x, int run, const struct sheet *sheet, const struct column_plot *p) {
    struct sheet columns;
    char name[160];
    int status = select_columns(sheet, p, &columns);
    struct plot plot = {.name = report_csv_name(x, run, p->stem, name),
                        .title = p->title,
                        .x_label = "step",
                        .y_label = p->y_label,
                        .from_zero = 1,
                        .sheet = &columns};
    for (int c = 1; c < columns.n_columns; c++) plot_add_series(&plot, columns.names[c], c, -1, -1);
    if (status == STATUS_OK) status = plot_write(&plot, &x->page);
    sheet_free(&columns);
    return status;
}

static int write_plots(struct report *x, int run, const struct metrics_sheets *m) {
    const struct column_plot evaluated = {"evaluations", "Measured on the way", "", is_any};
    FILE *out = x->page.out;
    fprintf(out, "<p>%lld steps", (long long)m->n_steps);
    if (m->every > 1) fprintf(out, "; shown are one of %lld, and the last", (long long)m->every);
    fputs(".</p>\n<div class=\"figures\">\n", out);
    for (int i = 0; i < N_STEP_PLOTS && m->steps.n_rows > 0; i++) TRY(plot_columns(x, run, &m->steps, &STEP_PLOTS[i]));
    if (m->evaluations.n_rows > 0) TRY(plot_columns(x, run, &m->evaluations, &evaluated));
    fputs("</div>\n", out);
    return STATUS_OK;
}

/* ---- all runs in one plot ---- */
static int add_losses(struct sheet *all, const struct sheet *steps, int run) {
    int loss = sheet_column(steps, "loss");
    for (long long r = 0; r < steps->n_rows && loss >= 0; r++) {
        TRY(sheet_add_row(all));
        TRY(sheet_set(all, 0, sheet_text(steps, r, 0)));
        TRY(sheet_set(all, 1 + run, sheet_text(steps, r, loss)));
    }
    return STATUS_OK;
}

static int make_losses(struct report *x, struct sheet *all) {
    TRY(sheet_make(all, 1, (const char *const[]){"step"}));
    for (int r = 0; r < x->n_runs; r++) TRY(sheet_add_column(all, x->runs[r].name));
    for (int r = 0; r < x->n_runs; r++) {
        struct metrics_sheets metrics;
        if (!x->runs[r].is_there[REPORT_METRICS]) continue;
        int status = metrics_sheets_read(&metrics, x->runs[r].path[REPORT_METRICS], x->options->rows);
        if (status == STATUS_OK) status = add_losses(all, &metrics.steps, r);
        metrics_sheets_free(&metrics);
        TRY(status);
    }
    return STATUS_OK;
}

static int write_comparison(struct report *x) {
    struct sheet all;
    struct plot plot = {.name = "loss_of_runs",
                        .title = "Loss of all runs",
                        .x_label = "step",
                        .y_label = "loss",
                        .from_zero = 1,
                        .sheet = &all};
    for (int r = 0; r < x->n_runs; r++) plot_add_series(&plot, x->runs[r].name, 1 + r, -1, -1);
    int status = make_losses(x, &all);
    fputs("<div class=\"figures\">\n", x->page.out);
    if (status == STATUS_OK) status = plot_write(&plot, &x->page);
    fputs("</div>\n", x->page.out);
    sheet_free(&all);
    return status;
}

int report_training_section(struct report *x) {
    if (!report_any(x, REPORT_METRICS)) return STATUS_OK;
    html_section_begin(x->page.out, "training", "Training");
    if (x->n_runs > 1) TRY(write_comparison(x));
    report_runs_begin(x);
    for (int r = 0; r < x->n_runs; r++) {
        struct metrics_sheets metrics;
        if (!x->runs[r].is_there[REPORT_METRICS]) continue;
        report_run_begin(x, r);
        int status = metrics_sheets_read(&metrics, x->runs[r].path[REPORT_METRICS], x->options->rows);
        if (status == STATUS_OK) status = write_plots(x, r, &metrics);
        metrics_sheets_free(&metrics);
        TRY(status);
        report_run_end(x);
    }
    report_runs_end(x);
    html_section_end(x->page.out);
    return STATUS_OK;
}
