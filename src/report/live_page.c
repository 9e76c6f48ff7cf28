#include "report/live_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/format.h"
#include "base/status.h"
#include "report/html.h"
#include "report/line_chart.h"

enum { BEHIND_SAMPLES = 2 }; /* the column of a step behind how many samples it had */
enum { MOST_CURVES = 4 };    /* trainings of which curves are shown */

static const char *clock_of(time_t time, char text[32]) {
    struct tm tm;
    strftime(text, 32, "%Y-%m-%d %H:%M:%S", localtime_r(&time, &tm));
    return text;
}

/* ---- how far it is ---- */
static void write_state(FILE *out, const struct live_page *p) {
    static const char *const WORDS[] = {"Running", "Done", "Stopped: the same command goes on", "Failed"};
    char began[32], now[32], ran[32];
    fprintf(out, "<p class=\"state\"><strong>%s</strong>", WORDS[p->state]);
    if (p->state != LIVE_RUNNING && p->message[0]) {
        fputs(". ", out);
        html_text(out, p->message);
    }
    fputs("</p>\n", out);
    fprintf(out, "<p>Began %s on ", clock_of(p->began, began));
    html_text(out, p->host);
    fprintf(out, ", %d rank%s; %s %s after %s.</p>\n", p->ranks, p->ranks > 1 ? "s" : "",
            p->state == LIVE_RUNNING ? "this is of" : "ended", clock_of(p->now, now),
            format_duration(difftime(p->now, p->began), ran, sizeof ran));
    if (p->state == LIVE_RUNNING)
        fprintf(out,
                "<p id=\"late\" class=\"note\" data-written=\"%lld\" data-every=\"%d\" hidden>There is no newer "
                "version: the job "
                "was killed, or this page cannot be reached.</p>\n",
                (long long)p->now, p->every);
}

static void write_progress(FILE *out, const struct live_page *p) {
    char left[32];
    if (!p->what || !(p->total > 0)) return;
    double share = p->done / p->total;
    fprintf(out, "<p><progress max=\"1\" value=\"%.4f\" aria-label=\"share that is done\"></progress> ", share);
    html_text(out, p->what);
    fprintf(out, ": %.0f of %.0f ", p->done, p->total);
    html_text(out, p->unit);
    fprintf(out, " (%.0f %%)", 100 * share);
    if (p->rate > 0) {
        fprintf(out, ", %.3g ", p->rate);
        html_text(out, p->unit);
        fputs(" a second", out);
        if (p->state == LIVE_RUNNING && p->done < p->total)
            fprintf(out, ", about %s left", format_duration((p->total - p->done) / p->rate, left, sizeof left));
    }
    fputs("</p>\n", out);
}

/* ---- trainings ---- */
static double last_of(const struct followed_lines *l, const char *name) {
    int c = followed_column(l, name);
    return c < 0 ? NAN : l->last[c];
}

/* The watched measure of the last evaluation: the first one (train/learner.h). */
static double watched(const struct metrics_follow *m) {
    return m->evaluations.n_columns > 1 ? m->evaluations.last[1] : NAN;
}

static int fill_sheet(const struct live_page *p, struct sheet *sheet) {
    static const char *const STATES[N_LIVE_TRAINING_STATES] = {"to come", "under way", "done"};
    static const char *const COLUMNS[] = {"training", "state", "step", "of", "loss", "watched measure"};
    TRY(sheet_make(sheet, sizeof COLUMNS / sizeof *COLUMNS, COLUMNS));
    for (int64_t i = 0; i < p->n; i++) {
        const struct live_training *t = &p->trainings[i];
        const struct metrics_follow *m = t->metrics.steps.n ? &t->metrics : &t->before;
        TRY(sheet_add_row(sheet));
        TRY(sheet_set(sheet, 0, t->name));
        TRY(sheet_set(sheet, 1, STATES[t->state]));
        TRY(sheet_set_number(sheet, 2, (double)t->step));
        TRY(sheet_set_number(sheet, 3, (double)t->steps));
        TRY(sheet_set_number(sheet, 4, last_of(&m->steps, "loss")));
        TRY(sheet_set_number(sheet, 5, watched(&t->metrics)));
    }
    return STATUS_OK;
}

static int write_list(FILE *out, const struct live_page *p) {
    struct sheet sheet = {.n_columns = 0};
    html_section_begin(out, "trainings", "Trainings");
    int status = fill_sheet(p, &sheet);
    if (status == STATUS_OK)
        html_table(out, &sheet, "All trainings of the run; what was finished before it began has no loss here");
    sheet_free(&sheet);
    html_section_end(out);
    return status;
}

/* Column 0 is the step; first: the first one that is of interest. */
static void write_curves(FILE *out, const char *id, const char *title, const struct followed_lines *l, int first) {
    if (l->n_rows < 2) return;
    html_section_begin(out, id, title);
    fputs("<div class=\"smalls\">\n", out);
    for (int c = first; c < l->n_columns; c++)
        line_chart(out, l->names[c], l->n_rows, l->rows, l->rows + c, FOLLOWED_COLUMNS);
    fputs("</div>\n", out);
    html_section_end(out);
}

static void write_training(FILE *out, const struct live_training *t, int number) {
    char id[32], title[320];
    const char *of = t->name[0] ? ": " : "";
    snprintf(id, sizeof id, "before-%d", number);
    snprintf(title, sizeof title, "Pre-training%s%s", of, t->name);
    write_curves(out, id, title, &t->before.steps, BEHIND_SAMPLES);
    snprintf(id, sizeof id, "steps-%d", number);
    snprintf(title, sizeof title, "Steps%s%s", of, t->name);
    write_curves(out, id, title, &t->metrics.steps, BEHIND_SAMPLES);
    snprintf(id, sizeof id, "measures-%d", number);
    snprintf(title, sizeof title, "Measured on the way%s%s", of, t->name);
    write_curves(out, id, title, &t->metrics.evaluations, 1);
}

/* Curves of those whose metrics changed last. */
static void write_trainings(FILE *out, const struct live_page *p) {
    int64_t shown[MOST_CURVES];
    int n = 0;
    for (int64_t i = 0; i < p->n; i++) {
        int at = n < MOST_CURVES ? n++ : MOST_CURVES;
        for (; at > 0 && p->trainings[i].changed > p->trainings[shown[at - 1]].changed; at--)
            if (at < MOST_CURVES) shown[at] = shown[at - 1];
        if (at < MOST_CURVES) shown[at] = i;
    }
    for (int k = 0; k < n; k++) write_training(out, &p->trainings[shown[k]], k);
}

/* ---- the page ---- */
static int write_page(FILE *out, const struct live_page *p) {
    char title[512];
    snprintf(title, sizeof title, "medtok %s: %.400s", p->job, p->output);
    html_begin_refreshed(out, title, p->state == LIVE_RUNNING ? p->every : 0);
    write_state(out, p);
    write_progress(out, p);
    if (p->n > 1) TRY(write_list(out, p));
    write_trainings(out, p);
    html_end(out);
    return STATUS_OK;
}

int live_page_write(const struct live_page *page, const char *path) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    return atomic_file_close(&file, write_page(file.stream, page));
}
