/* Scores of models of health records: of a grid its comparisons, tables and curves over the size of training; of others what they
 * measured. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "measure/training_size.h"
#include "report/html.h"
#include "report/measures_file.h"
#include "report/measures_table.h"
#include "report/name_list.h"
#include "report/sections.h"

enum column {
    TASK,
    MODEL,
    SAMPLES,
    SHOTS,
    ARM,
    SEEDS,
    PRECISION,
    PRECISION_LOW,
    PRECISION_HIGH,
    PRECISION_SD,
    AUROC,
    AUROC_LOW,
    AUROC_HIGH,
    AUROC_SD,
    OVER_BASE,
    OVER_BASE_LOW,
    OVER_BASE_HIGH,
    OVER_CONTROL,
    OVER_CONTROL_LOW,
    OVER_CONTROL_HIGH,
    N_COLUMNS
};
static const char *const COLUMNS[N_COLUMNS] = {"task",
                                               "model",
                                               "training samples",
                                               "shots of each class",
                                               "arm",
                                               "seeds",
                                               "average precision",
                                               "low",
                                               "high",
                                               "sd over seeds",
                                               "AUROC",
                                               "AUROC low",
                                               "AUROC high",
                                               "AUROC sd",
                                               "over base",
                                               "over base low",
                                               "over base high",
                                               "over control",
                                               "over control low",
                                               "over control high"};

/* ---- the comparisons of a grid as a sheet ---- */
static int set_text(struct sheet *s, int column, json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return sheet_set(s, column, text ? text : "");
}

/* value, low, high of an estimate. */
static int set_estimate(struct sheet *s, int column, json_t *estimate) {
    TRY(sheet_set_number(s, column, member_number(estimate, "value")));
    TRY(sheet_set_number(s, column + 1, member_number(estimate, "low")));
    return sheet_set_number(s, column + 2, member_number(estimate, "high"));
}

/* How many samples, or else shots, a comparison's trainings learned from, as it was asked for; "all" samples. */
static int set_size(struct sheet *s, json_t *cell) {
    double samples = member_number(cell, "train_samples"), shots = member_number(cell, "shots");
    if (shots > 0) return sheet_set_number(s, SHOTS, shots);
    return samples > 0 ? sheet_set_number(s, SAMPLES, samples) : sheet_set(s, SAMPLES, "all");
}

static int add_arm(struct sheet *s, json_t *cell, json_t *arm) {
    json_t *precision = json_object_get(arm, "average_precision"), *auroc = json_object_get(arm, "auroc");
    TRY(sheet_add_row(s));
    TRY(set_text(s, TASK, cell, "task"));
    TRY(set_text(s, MODEL, cell, "model"));
    TRY(set_size(s, cell));
    TRY(set_text(s, ARM, arm, "arm"));
    TRY(sheet_set_number(s, SEEDS, member_number(arm, "seeds")));
    TRY(set_estimate(s, PRECISION, precision));
    TRY(sheet_set_number(s, PRECISION_SD, member_number(precision, "sd_over_seeds")));
    TRY(set_estimate(s, AUROC, auroc));
    TRY(sheet_set_number(s, AUROC_SD, member_number(auroc, "sd_over_seeds")));
    TRY(set_estimate(s, OVER_BASE, json_object_get(precision, "over_base")));
    return set_estimate(s, OVER_CONTROL, json_object_get(precision, "over_control"));
}

static int make_comparisons(json_t *scores, struct sheet *s) {
    json_t *cell, *arm;
    size_t i, k;
    TRY(sheet_make(s, N_COLUMNS, COLUMNS));
    json_array_foreach(json_object_get(scores, "comparisons"), i, cell) {
        json_array_foreach(json_object_get(cell, "arms"), k, arm) TRY(add_arm(s, cell, arm));
    }
    return STATUS_OK;
}

/* ---- a plot for each task and model ---- */
static int same(const struct sheet *s, long long a, long long b, int column) {
    return strcmp(sheet_text(s, a, column), sheet_text(s, b, column)) == 0;
}
static int same_group(const struct sheet *s, long long a, long long b) {
    return same(s, a, b, TASK) && same(s, a, b, MODEL);
}

/* Whether a row has a place on a curve over samples: "all" and shots have none. */
static int has_place(const struct sheet *s, long long r) { return !isnan(sheet_number(s, r, SAMPLES)); }

/* The rows of a group that have a place on a curve: how many different places there are. */
static int places_of(const struct sheet *s, long long first) {
    int n = 0;
    for (long long r = first; r < s->n_rows; r++) {
        if (!same_group(s, r, first) || !has_place(s, r)) continue;
        long long before = first;
        while (before < r && !(same_group(s, before, first) && same(s, before, r, SAMPLES))) before++;
        n += before == r;
    }
    return n;
}

/* Columns samples, and value, low, high of each arm. */
struct curves {
    struct sheet sheet;
    struct name_list arms;
};

static int add_point(const struct sheet *s, long long r, struct curves *c) {
    int k;
    TRY(name_list_add(&c->arms, sheet_text(s, r, ARM), &k));
    TRY(sheet_add_row(&c->sheet));
    TRY(sheet_set(&c->sheet, 0, sheet_text(s, r, SAMPLES)));
    for (int v = 0; v < 3; v++) TRY(sheet_set(&c->sheet, 1 + 3 * k + v, sheet_text(s, r, PRECISION + v)));
    return STATUS_OK;
}

static int make_curves(const struct sheet *s, long long first, struct curves *c) {
    static const char *const OF[3] = {"", " low", " high"};
    int k;
    TRY(sheet_make(&c->sheet, 1, (const char *const[]){"training samples"}));
    for (long long r = first; r < s->n_rows; r++)
        if (same_group(s, r, first) && has_place(s, r)) TRY(name_list_add(&c->arms, sheet_text(s, r, ARM), &k));
    for (int i = 0; i < 3 * c->arms.n; i++) {
        char name[96];
        snprintf(name, sizeof name, "%.80s%s", c->arms.items[i / 3], OF[i % 3]);
        TRY(sheet_add_column(&c->sheet, name));
    }
    for (long long r = first; r < s->n_rows; r++)
        if (same_group(s, r, first) && has_place(s, r)) TRY(add_point(s, r, c));
    return STATUS_OK;
}

static int plot_curves(struct report *x, const struct sheet *s, long long first, const struct plot *frame) {
    struct plot plot = *frame;
    struct curves curves = {.arms = {0}};
    int status = make_curves(s, first, &curves);
    plot.sheet = &curves.sheet;
    plot.kind = PLOT_CURVES;
    plot.log_x = 1;
    plot.x_label = "training samples";
    plot.y_label = "average precision";
    for (int k = 0; k < curves.arms.n; k++)
        plot_add_series(&plot, curves.arms.items[k], 1 + 3 * k, 2 + 3 * k, 3 + 3 * k);
    if (status == STATUS_OK) status = plot_write(&plot, &x->page);
    sheet_free(&curves.sheet);
    name_list_free(&curves.arms);
    return status;
}

/* An arm, and what it learned from if that is not the same in all rows of the group. */
static void label_arm(const struct sheet *s, long long first, long long r, char label[160]) {
    int is_same = 1;
    char size[48];
    for (long long k = first; k < s->n_rows; k++)
        if (same_group(s, k, first)) is_same &= same(s, k, first, SAMPLES) && same(s, k, first, SHOTS);
    training_size_text(atoll(sheet_text(s, r, SAMPLES)), atoll(sheet_text(s, r, SHOTS)), size); /* of "all" and "": 0 */
    snprintf(label, 160, "%.100s%s%s", sheet_text(s, r, ARM), is_same ? "" : ", ", is_same ? "" : size);
}

/* The arms below each other. others: only those that have no place on a curve. */
static int plot_arms(struct report *x, const struct sheet *s, long long first, int others, const struct plot *frame) {
    struct plot plot = *frame;
    static const char *const OF[] = {"arm", "average precision", "low", "high"};
    struct sheet arms;
    int status = sheet_make(&arms, 4, OF);
    for (long long r = first; r < s->n_rows && status == STATUS_OK; r++) {
        char label[160];
        if (!same_group(s, r, first) || (others && has_place(s, r))) continue;
        label_arm(s, first, r, label);
        status = sheet_add_row(&arms);
        if (status == STATUS_OK) status = sheet_set(&arms, 0, label);
        for (int v = 0; v < 3 && status == STATUS_OK; v++)
            status = sheet_set(&arms, 1 + v, sheet_text(s, r, PRECISION + v));
    }
    plot.sheet = &arms;
    plot.kind = PLOT_INTERVALS;
    plot.x_label = "average precision, with its interval";
    plot.y_label = "";
    plot_add_series(&plot, "average precision", 1, 2, 3);
    if (status == STATUS_OK) status = plot_write(&plot, &x->page);
    sheet_free(&arms);
    return status;
}

/* Over the size of training where there are several, and else as rows; what has no place on the curves is rows too. */
static int plot_group(struct report *x, int run, const struct sheet *s, long long first) {
    const char *task = sheet_text(s, first, TASK), *model = sheet_text(s, first, MODEL);
    char stem[160], name[160], title[200];
    int has_curves = places_of(s, first) > 1;
    struct plot plot = {.name = name, .title = title};
    if (has_curves) {
        snprintf(stem, sizeof stem, "%.60s.%.40s", task, model);
        snprintf(title, sizeof title, "%.60s, %.60s: average precision by training samples", task, model);
        report_csv_name(x, run, stem, name);
        TRY(plot_curves(x, s, first, &plot));
    }
    snprintf(stem, sizeof stem, has_curves ? "others.%.60s.%.40s" : "%.60s.%.40s", task, model);
    snprintf(title, sizeof title, "%.60s, %.60s: average precision%s", task, model,
             has_curves ? " of all samples and of shots" : "");
    report_csv_name(x, run, stem, name);
    return plot_arms(x, s, first, has_curves, &plot);
}

static int write_grid(struct report *x, int run, json_t *scores) {
    struct sheet s;
    char name[160], caption[128];
    int status = make_comparisons(scores, &s);
    const char *split = json_string_value(json_object_get(scores, "split"));
    fputs("<div class=\"figures\">\n", x->page.out);
    for (long long r = 0; r < s.n_rows && status == STATUS_OK; r++) {
        long long first = 0;
        while (!same_group(&s, first, r)) first++;
        if (first == r) status = plot_group(x, run, &s, r);
    }
    fputs("</div>\n", x->page.out);
    snprintf(caption, sizeof caption, "Comparisons on %.40s; over: differences of average precision, paired",
             split ? split : "?");
    if (status == STATUS_OK) html_table(x->page.out, &s, caption);
    if (status == STATUS_OK) status = html_csv(x->page.out, &s, report_csv_name(x, run, "comparisons", name));
    sheet_free(&s);
    return status;
}

/* ---- trainings ---- */
static int write_failures(struct report *x, json_t *scores) {
    static const char *const OF[] = {"training", "why it failed"};
    json_t *failure;
    struct sheet s;
    size_t i;
    if (json_array_size(json_object_get(scores, "failures")) == 0) return STATUS_OK;
    int status = sheet_make(&s, 2, OF);
    json_array_foreach(json_object_get(scores, "failures"), i, failure) {
        if (status == STATUS_OK) status = sheet_add_row(&s);
        if (status == STATUS_OK) status = set_text(&s, 0, failure, "name");
        if (status == STATUS_OK) status = set_text(&s, 1, failure, "message");
    }
    if (status == STATUS_OK) html_table(x->page.out, &s, "Trainings that failed");
    sheet_free(&s);
    return status;
}

static int write_trainings(struct report *x, int run, json_t *scores) {
    static const char *const OF[] = {"training", "step", "seconds", "parameters", "average precision", "AUROC"};
    json_t *training;
    struct sheet s;
    char name[160];
    size_t i;
    int status = sheet_make(&s, 6, OF);
    json_array_foreach(json_object_get(scores, "trainings"), i, training) {
        if (status == STATUS_OK) status = sheet_add_row(&s);
        if (status == STATUS_OK) status = set_text(&s, 0, training, "name");
        for (int c = 1; c < 4 && status == STATUS_OK; c++)
            status = sheet_set_number(&s, c, member_number(training, OF[c]));
        if (status == STATUS_OK)
            status = sheet_set_number(&s, 4, member_number(json_object_get(training, "average_precision"), "value"));
        if (status == STATUS_OK)
            status = sheet_set_number(&s, 5, member_number(json_object_get(training, "auroc"), "value"));
    }
    fputs("<details><summary>Every training</summary>\n", x->page.out);
    if (status == STATUS_OK)
        html_table(x->page.out, &s, "Trainings: the step whose weights are kept, and their scores");
    if (status == STATUS_OK) status = html_csv(x->page.out, &s, report_csv_name(x, run, "trainings", name));
    fputs("</details>\n", x->page.out);
    sheet_free(&s);
    return status == STATUS_OK ? write_failures(x, scores) : status;
}

/* ---- the section ---- */
static int write_others(struct report *x, int run, json_t *scores) {
    struct sheet s = {0};
    char name[160];
    int status = measures_flatten(scores, &s);
    if (status == STATUS_OK) html_table(x->page.out, &s, "Scores, with their intervals");
    if (status == STATUS_OK) status = html_csv(x->page.out, &s, report_csv_name(x, run, "scores", name));
    sheet_free(&s);
    return status;
}

static int write_run(struct report *x, int run) {
    json_t *scores;
    TRY(measures_load(x->runs[run].path[REPORT_SCORES], &scores));
    int is_grid = json_array_size(json_object_get(scores, "comparisons")) > 0;
    int status = is_grid ? write_grid(x, run, scores) : write_others(x, run, scores);
    if (status == STATUS_OK && is_grid) status = write_trainings(x, run, scores);
    json_decref(scores);
    return status;
}

int report_evaluation_section(struct report *x) {
    return report_section_of(x, REPORT_SCORES, "evaluation", "Models of health records", write_run);
}
