#include "report/measures_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "report/html.h"
#include "report/measures_file.h"

enum { OF_RUN = 4, MOST_PLOT_ROWS = 40 }; /* value, low, high, n of each run */

static long long row_of(const struct sheet *s, const char *name) {
    for (long long r = 0; r < s->n_rows; r++)
        if (strcmp(sheet_text(s, r, 0), name) == 0) return r;
    return -1;
}

static int begin(const struct report *x, struct sheet *all) {
    static const char *const OF[OF_RUN] = {"value", "low", "high", "n"};
    TRY(sheet_make(all, 1, (const char *const[]){"measure"}));
    for (int c = 0; c < OF_RUN * x->n_runs; c++) {
        char name[96];
        snprintf(name, sizeof name, x->n_runs > 1 ? "%s, %s" : "%s", OF[c % OF_RUN], x->runs[c / OF_RUN].name);
        TRY(sheet_add_column(all, name));
    }
    return STATUS_OK;
}

/* Puts a cell anywhere. */
static int put(struct sheet *s, long long row, int column, const char *text) {
    char **cell = &s->cells[row * s->n_columns + column];
    free(*cell);
    *cell = strdup(text);
    return *cell ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int add_run(struct sheet *all, const struct sheet *own, int run) {
    for (long long r = 0; r < own->n_rows; r++) {
        long long row = row_of(all, sheet_text(own, r, MEASURE_NAME));
        if (row < 0) {
            row = all->n_rows;
            TRY(sheet_add_row(all));
            TRY(put(all, row, 0, sheet_text(own, r, MEASURE_NAME)));
        }
        for (int c = 0; c < OF_RUN; c++)
            TRY(put(all, row, 1 + OF_RUN * run + c, sheet_text(own, r, MEASURE_VALUE + c)));
    }
    return STATUS_OK;
}

static int read_run(const struct report_run *run, enum report_file file, int number, struct sheet *all) {
    struct sheet own = {0};
    json_t *json = NULL;
    if (!run->is_there[file]) return STATUS_OK;
    TRY(measures_load(run->path[file], &json));
    int status = measures_flatten(json, &own);
    if (status == STATUS_OK) status = add_run(all, &own, number);
    sheet_free(&own);
    json_decref(json);
    return status;
}

/* Whether a row holds shares, with intervals: they have one scale. Differences and ratios have another. */
static int is_share(const struct sheet *all, long long r, int n) {
    if (strstr(sheet_text(all, r, 0), "difference") || strstr(sheet_text(all, r, 0), "ratio")) return 0;
    int any = 0;
    for (int k = 0; k < n; k++) {
        double value = sheet_number(all, r, 1 + OF_RUN * k);
        if (isnan(value)) continue;
        if (value < 0 || value > 1 || isnan(sheet_number(all, r, 2 + OF_RUN * k))) return 0;
        any = 1;
    }
    return any;
}

/* At most MOST_PLOT_ROWS of them; *n_shares: how many there are. */
static int select_shares(const struct sheet *all, int n, struct sheet *shares, long long *n_shares) {
    *n_shares = 0;
    TRY(sheet_make(shares, all->n_columns, (const char *const *)all->names));
    for (long long r = 0; r < all->n_rows; r++) {
        if (!is_share(all, r, n) || ++*n_shares > MOST_PLOT_ROWS) continue;
        TRY(sheet_add_row(shares));
        for (int c = 0; c < all->n_columns; c++) TRY(sheet_set(shares, c, sheet_text(all, r, c)));
    }
    return STATUS_OK;
}

static int plot_shares(struct report *x, const struct sheet *all, const char *stem, const char *title) {
    char name[160], drawn[256];
    long long n_shares;
    struct sheet shares;
    int status = select_shares(all, x->n_runs, &shares, &n_shares);
    snprintf(name, sizeof name, "%s_shares", stem);
    snprintf(drawn, sizeof drawn, "%s", title);
    if (n_shares > MOST_PLOT_ROWS)
        snprintf(drawn, sizeof drawn, "%s: the first %d of %lld, all are in the table", title, MOST_PLOT_ROWS,
                 n_shares);
    struct plot plot = {.name = name,
                        .title = drawn,
                        .x_label = "share, with its interval",
                        .y_label = "",
                        .sheet = &shares,
                        .kind = PLOT_INTERVALS,
                        .from_zero = 1};
    for (int r = 0; r < x->n_runs; r++)
        plot_add_series(&plot, x->runs[r].name, 1 + OF_RUN * r, 2 + OF_RUN * r, 3 + OF_RUN * r);
    if (status == STATUS_OK) status = plot_write(&plot, &x->page);
    sheet_free(&shares);
    return status;
}

int measures_table_write(struct report *x, enum report_file file, const char *stem, const char *title) {
    struct sheet all;
    int status = begin(x, &all);
    for (int r = 0; r < x->n_runs && status == STATUS_OK; r++) status = read_run(&x->runs[r], file, r, &all);
    fputs("<div class=\"figures\">\n", x->page.out);
    if (status == STATUS_OK) status = plot_shares(x, &all, stem, title);
    fputs("</div>\n", x->page.out);
    if (status == STATUS_OK) html_table(x->page.out, &all, title);
    if (status == STATUS_OK) status = html_csv(x->page.out, &all, stem);
    sheet_free(&all);
    return status;
}
