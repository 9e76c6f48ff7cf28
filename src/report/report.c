#include "report/report.h"

#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "report/gnuplot.h"
#include "report/html.h"
#include "report/sections.h"

static int (*const SECTIONS[])(struct report *report) = {
    report_files_section,  report_stages_section,     report_training_section, report_quality_section,
    report_probes_section, report_evaluation_section, report_map_section};
enum { N_SECTIONS = sizeof SECTIONS / sizeof *SECTIONS };

int report_find_files(struct report_run *run) {
    int n = 0;
    for (int f = 0; f < N_REPORT_FILES; f++) n += run->is_there[f] = run->path[f][0] && access(run->path[f], F_OK) == 0;
    if (n > 0) return STATUS_OK;
    return status_set(
        STATUS_FAILED,
        "there is nothing to report of the run %s: none of its files is there, as %s; name them by files.*, "
        "or in a configuration (--config)",
        run->name, run->path[REPORT_TABLE]);
}

/* ---- for the sections ---- */
int report_any(const struct report *x, enum report_file file) {
    for (int r = 0; r < x->n_runs; r++)
        if (x->runs[r].is_there[file]) return 1;
    return 0;
}

void report_runs_begin(struct report *x) { fputs("<div class=\"runs\">\n", x->page.out); }
void report_runs_end(struct report *x) { fputs("</div>\n", x->page.out); }

void report_run_begin(struct report *x, int run) {
    fputs("<article>\n", x->page.out);
    if (x->n_runs > 1) html_element(x->page.out, "h3", NULL, x->runs[run].name);
}
void report_run_end(struct report *x) { fputs("</article>\n", x->page.out); }

int report_section_of(struct report *x, enum report_file file, const char *id, const char *title,
                      int (*write_run)(struct report *, int)) {
    if (!report_any(x, file)) return STATUS_OK;
    html_section_begin(x->page.out, id, title);
    report_runs_begin(x);
    for (int r = 0; r < x->n_runs; r++) {
        if (!x->runs[r].is_there[file]) continue;
        report_run_begin(x, r);
        TRY(write_run(x, r));
        report_run_end(x);
    }
    report_runs_end(x);
    html_section_end(x->page.out);
    return STATUS_OK;
}

const char *report_csv_name(const struct report *x, int run, const char *stem, char name[160]) {
    snprintf(name, 160, x->n_runs > 1 ? "%.80s.%.64s" : "%.80s", stem, x->runs[run].name);
    return name;
}

/* ---- the page ---- */
static int write_page(struct report *x) {
    char title[256] = "medtok:";
    for (int r = 0; r < x->n_runs && strlen(title) < 180; r++)
        snprintf(title + strlen(title), 70, "%s %s", r ? "," : "", x->runs[r].name);
    html_begin(x->page.out, title);
    if (!x->page.can_plot)
        html_element(
            x->page.out, "p", "note",
            "There are no plots: gnuplot was not found when this page was made (Debian's package is gnuplot-nox). "
            "Their numbers are here.");
    for (int i = 0; i < N_SECTIONS; i++) {
        TRY(SECTIONS[i](x));
        TRY(interrupt_poll());
    }
    html_end(x->page.out);
    return STATUS_OK;
}

int report_write(const struct comm *comm, const struct report_options *options, uint64_t seed, int n,
                 const struct report_run *runs) {
    struct atomic_file file;
    struct report x = {.options = options, .comm = comm, .seed = seed, .n_runs = n, .runs = runs};
    x.page.can_plot = gnuplot_is_there();
    if (!x.page.can_plot)
        log_warn(
            "gnuplot is not there, so the report has no plots: install the package gnuplot-nox (Debian), or load the "
            "module gnuplot");
    TRY(atomic_file_open(&file, options->page));
    x.page.out = file.stream;
    return atomic_file_close(&file, write_page(&x));
}
