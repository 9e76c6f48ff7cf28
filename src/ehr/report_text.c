/* As Markdown: tables, and a sentence for each claim. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/status.h"
#include "ehr/grid.h"
#include "ehr/report.h"
#include "measure/training_size.h"
#include "store/subject_record.h"

static const char *size_of(const struct report_cell *c, char text[48]) {
    return training_size_text(c->first->train_samples, c->first->shots, text);
}

static const char *reference_name(const struct report_cell *c, int k) {
    return c->reference[k] < 0 ? "" : k == REFERENCE_BASE ? "base" : c->arms[c->reference[k]].name;
}

/* ---- numbers ---- */
static void print_value(FILE *out, const struct estimate *e) {
    if (e->n == 0)
        fprintf(out, " |");
    else if (isnan(e->low))
        fprintf(out, " %.4f |", e->value);
    else
        fprintf(out, " %.4f (%.4f to %.4f) |", e->value, e->low, e->high);
}

static void print_difference(FILE *out, const struct report_cell *c, int arm, int k, const struct estimate *e) {
    if (e->n == 0 || c->reference[k] < 0 || c->reference[k] == arm)
        fprintf(out, " |");
    else
        fprintf(out, " %+.4f (%.4f to %.4f) |", e->value, e->low, e->high);
}

/* ---- arms ---- */
static void print_arm(FILE *out, const struct report_cell *c, int a) {
    const struct arm_estimates *e = &c->parts[PART_ALL].arms[a];
    char size[48];
    fprintf(out, "| %s | %s | %s | %" PRId64 " | %.4f |", c->first->model, size_of(c, size), c->arms[a].name,
            c->arms[a].n, c->arms[a].tuning);
    for (int m = 0; m < N_ARMS_MEASURES; m++) {
        print_value(out, &e->value[m]);
        if (c->arms[a].n > 1)
            fprintf(out, " %.4f |", c->arms[a].spread[m]);
        else
            fprintf(out, " |");
        for (int k = 0; k < MOST_REFERENCES; k++) print_difference(out, c, a, k, &e->over[k][m]);
    }
    fprintf(out, " %s |\n", reference_name(c, REFERENCE_CONTROL));
}

static int is_of_task(const struct report_cell *c, const char *task) { return strcmp(c->first->task, task) == 0; }

static void print_arms(const struct ehr_report *x, FILE *out, const char *task) {
    fprintf(out,
            "\n### Average precision and AUROC\n\n"
            "| model | trained on | arm | seeds | tuning | average precision | sd | over base | over best control | "
            "AUROC | sd | over base | over best control | best control |\n"
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (int64_t c = 0; c < x->n_cells; c++)
        for (int a = 0; a < x->cells[c].n_arms && is_of_task(&x->cells[c], task); a++) print_arm(out, &x->cells[c], a);
}

/* ---- parts of the split ---- */
static void print_parts_of(FILE *out, const struct report_cell *c) {
    char size[48];
    fprintf(out, "\n%s, trained on %s:\n\n| samples | n | prevalence |", c->first->model, size_of(c, size));
    for (int a = 0; a < c->n_arms; a++) fprintf(out, " %s |", c->arms[a].name);
    fprintf(out, "\n|---|---|---|");
    for (int a = 0; a < c->n_arms; a++) fprintf(out, "---|");
    fputc('\n', out);
    for (int part = 0; part < N_PARTS; part++) {
        const struct report_part_scores *p = &c->parts[part];
        if (p->n == 0) continue;
        fprintf(out, "| %s | %" PRId64 " |", PART_NAMES[part], p->n);
        fprintf(out, isnan(p->prevalence) ? " |" : " %.4f |", p->prevalence);
        for (int a = 0; a < c->n_arms; a++) {
            const struct estimate *e = &p->arms[a].value[ARMS_AVERAGE_PRECISION],
                                  *over = &p->arms[a].over[REFERENCE_BASE][ARMS_AVERAGE_PRECISION];
            if (e->n) fprintf(out, " %.4f", e->value);
            if (e->n && over->n && a != c->reference[REFERENCE_BASE])
                fprintf(out, ", %+.4f (%.4f to %.4f)", over->value, over->low, over->high);
            fprintf(out, " |");
        }
        fputc('\n', out);
    }
}

static void print_parts(const struct ehr_report *x, FILE *out, const char *task) {
    fprintf(out,
            "\n### By how often training saw a sample's codes\n\n"
            "Average precision, and how far it is over base. The median is over a sample's medical codes, of the "
            "samples of "
            "training that have the code.\n");
    for (int64_t c = 0; c < x->n_cells; c++)
        if (is_of_task(&x->cells[c], task)) print_parts_of(out, &x->cells[c]);
}

/* ---- curves ---- */
/* What the arm of this name has on the whole split, in a cell of the model and task; NULL: nothing. */
static const struct estimate *point_of(const struct report_cell *c, const char *task, const char *model,
                                       const char *arm) {
    if (!is_of_task(c, task) || strcmp(c->first->model, model) != 0) return NULL;
    for (int a = 0; a < c->n_arms; a++) {
        const struct estimate *e = &c->parts[PART_ALL].arms[a].value[ARMS_AVERAGE_PRECISION];
        if (strcmp(c->arms[a].name, arm) == 0 && e->n) return e;
    }
    return NULL;
}

static int is_same_size(const struct report_cell *a, const struct report_cell *b) {
    return a->first->train_samples == b->first->train_samples && a->first->shots == b->first->shots;
}

/* How many points the curve of arm a of cell c has; 0 if an earlier cell has it, or if all are of one size. */
static int64_t curve_points(const struct ehr_report *x, int64_t c, int a) {
    const struct report_cell *cell = &x->cells[c];
    int64_t n = 0;
    int sizes = 0;
    for (int64_t i = 0; i < x->n_cells; i++) {
        if (!point_of(&x->cells[i], cell->first->task, cell->first->model, cell->arms[a].name)) continue;
        if (i < c) return 0;
        n++;
        sizes += !is_same_size(cell, &x->cells[i]);
    }
    return sizes ? n : 0;
}

static void print_curve(const struct ehr_report *x, FILE *out, const struct report_cell *of, int a) {
    fprintf(out, "| %s | %s |", of->first->model, of->arms[a].name);
    for (int64_t c = 0; c < x->n_cells; c++) {
        const struct report_cell *cell = &x->cells[c];
        const struct estimate *e = point_of(cell, of->first->task, of->first->model, of->arms[a].name);
        char size[48];
        if (e) fprintf(out, " %s: %.4f |", size_of(cell, size), e->value);
    }
    fputc('\n', out);
}

/* Of each model and arm that learned from more than one number of samples. */
static void print_curves(const struct ehr_report *x, FILE *out, const char *task) {
    int64_t most = 0;
    for (int64_t c = 0; c < x->n_cells; c++)
        for (int a = 0; a < x->cells[c].n_arms && is_of_task(&x->cells[c], task); a++) {
            int64_t n = curve_points(x, c, a);
            most = n > most ? n : most;
        }
    if (most == 0) return;
    fprintf(out, "\n### Average precision over what was learned from\n\n| model | arm |");
    for (int64_t i = 0; i < most; i++) fprintf(out, " |");
    fprintf(out, "\n|---|---|");
    for (int64_t i = 0; i < most; i++) fprintf(out, "---|");
    fputc('\n', out);
    for (int64_t c = 0; c < x->n_cells; c++)
        for (int a = 0; a < x->cells[c].n_arms && is_of_task(&x->cells[c], task); a++)
            if (curve_points(x, c, a)) print_curve(x, out, &x->cells[c], a);
}

/* ---- in words ---- */
/* "over base: +0.012 (0.004 to 0.020)", with ": not told apart" where the interval holds 0. */
static void print_over(FILE *out, const char *before, const char *over, const struct estimate *e) {
    fprintf(out, "%sover %s: %+.3f (%.3f to %.3f)%s", before, over, e->value, e->low, e->high,
            e->low <= 0 && e->high >= 0 ? ": not told apart" : "");
}

static void print_claim(FILE *out, const struct report_cell *c, int part, int a) {
    static const char *const WHERE[] = {"", ", on samples with a code that training never saw",
                                        ", on samples with only such codes"};
    const char *before = "";
    char size[48];
    const struct arm_estimates *e = &c->parts[part].arms[a];
    int said = 0;
    for (int k = 0; k < MOST_REFERENCES; k++) {
        const struct estimate *over = &e->over[k][ARMS_AVERAGE_PRECISION];
        if (over->n == 0 || c->reference[k] < 0 || c->reference[k] == a) continue;
        if (!said++) fprintf(out, "- %s, %s%s: %s ", c->first->model, size_of(c, size), WHERE[part], c->arms[a].name);
        print_over(out, before, reference_name(c, k), over);
        before = "; ";
    }
    if (said) fprintf(out, ".\n");
}

static void print_claims(const struct ehr_report *x, FILE *out, const char *task) {
    fprintf(out, "\n### In words\n\nAverage precision:\n\n");
    for (int64_t c = 0; c < x->n_cells; c++)
        for (int part = PART_ALL; part <= PART_ALL_UNSEEN && is_of_task(&x->cells[c], task); part++)
            for (int a = 0; a < x->cells[c].n_arms; a++)
                if (a != x->cells[c].reference[REFERENCE_BASE]) print_claim(out, &x->cells[c], part, a);
}

/* ---- trainings ---- */
static void print_trials(const struct ehr_report *x, FILE *out) {
    fprintf(out,
            "\n### Trainings\n\n| training | step | parameters | learned from | tuning | AUROC | average precision |\n"
            "|---|---|---|---|---|---|---|\n");
    for (int64_t i = 0; i < x->n_trials; i++) {
        const struct report_trial *t = &x->trials[i];
        const struct result *r = t->result;
        int is_binary = x->results->lists[r->list[report_split(x)]]->form == LABEL_BINARY;
        fprintf(out, "| %s | %" PRId64 " | %" PRId64 " | %" PRId64 " | %.4f |", r->name, r->step, r->parameters,
                r->learned, r->tuning);
        print_value(out, is_binary ? &t->estimates[ESTIMATE_AUROC] : &t->class_estimates[CLASS_AUROC_MACRO]);
        print_value(out, is_binary ? &t->estimates[ESTIMATE_AVERAGE_PRECISION]
                                   : &t->class_estimates[CLASS_AVERAGE_PRECISION_MACRO]);
        fputc('\n', out);
    }
}

static void print_failures_of(const struct results *results, int *n, FILE *out) {
    for (int64_t i = 0; i < results->n; i++) {
        const struct result *r = &results->trials[i];
        if (!r->failure[0]) continue;
        if ((*n)++ == 0) fprintf(out, "\n## Trainings that failed\n\n");
        fprintf(out, "- %s: %s\n", r->name, r->failure);
    }
}

static void print_failures(const struct ehr_report *x, FILE *out) {
    int n = 0;
    if (x->rates) print_failures_of(&x->rates->failed, &n, out);
    print_failures_of(x->results, &n, out);
}

/* ---- rates ---- */
/* A row for each cell, whose first training says what it is. */
static void print_rates(const struct ehr_report *x, FILE *out) {
    const struct grid_rates *r = x->rates;
    fprintf(
        out,
        "\n## Rates\n\nAll arms have the rate, in bold, with which %s has the best average precision on tuning, mean "
        "over seeds:\n\n| task | model | trained on |",
        x->results->trials[0].arm);
    for (int64_t k = 0; k < r->n_rates; k++) fprintf(out, " %s |", x->options->grid_rates.items[k]);
    fprintf(out, "\n|---|---|---|");
    for (int64_t k = 0; k < r->n_rates; k++) fprintf(out, "---|");
    fputc('\n', out);
    for (int64_t c = 0; c < r->n; c++) {
        const struct result *of = report_of_cell(x, c);
        char size[48];
        fprintf(out, "| %s | %s | %s |", of->task, of->model, training_size_text(of->train_samples, of->shots, size));
        for (int64_t k = 0; k < r->n_rates; k++) {
            double tuning = r->tuning[c * r->n_rates + k];
            const char *bold = k == r->chosen[c] ? "**" : "";
            if (isnan(tuning))
                fprintf(out, " failed |");
            else
                fprintf(out, " %s%.4f%s |", bold, tuning, bold);
        }
        fputc('\n', out);
    }
}

/* ---- the whole ---- */
static void print_task(const struct ehr_report *x, FILE *out, const struct report_cell *first) {
    const char *task = first->first->task,
               *split = SPLIT_NAMES[x->options->score == SCORED_TUNING ? SPLIT_TUNING : SPLIT_HELD_OUT];
    const struct result_samples *s = x->results->lists[first->first->list[report_split(x)]];
    const struct report_part_scores *all = &first->parts[PART_ALL];
    fprintf(out, "\n## %s\n\n", task);
    if (s->form == LABEL_BINARY)
        fprintf(out,
                "%s: %" PRId64 " samples, %" PRId64
                " true: a random score has an average precision of %.4f (the prevalence)\n",
                split, all->n, all->n_positive, all->prevalence);
    else
        fprintf(out,
                "%s: %" PRId64
                " samples, %s of %d classes: a random score has an average precision of %.4f (the mean "
                "prevalence of the classes, as all values here are means over classes)\n",
                split, all->n, s->form == LABEL_CLASS ? "one" : "any", s->n_classes, all->prevalence);
    print_arms(x, out, task);
    print_parts(x, out, task);
    print_curves(x, out, task);
    int most = 0;
    for (int64_t c = 0; c < x->n_cells; c++)
        if (is_of_task(&x->cells[c], task) && x->cells[c].n_arms > most) most = x->cells[c].n_arms;
    if (most > 1) print_claims(x, out, task);
}

static int is_first_of_task(const struct ehr_report *x, int64_t c) {
    for (int64_t i = 0; i < c; i++)
        if (is_of_task(&x->cells[i], x->cells[c].first->task)) return 0;
    return 1;
}

void ehr_report_print(const struct ehr_report *x, FILE *out) {
    fprintf(out, "# Evaluation\n\ncohort %s, token table %s\n", x->cohort_id, x->table_id ? x->table_id : "none");
    for (int64_t c = 0; c < x->n_cells; c++)
        if (is_first_of_task(x, c)) print_task(x, out, &x->cells[c]);
    if (x->rates && x->rates->n) print_rates(x, out);
    if (!grid_is_listed(x->options)) print_trials(x, out);
    print_failures(x, out);
    fprintf(out,
            "\nIntervals: 95 %%, from %" PRId64
            " resamples of subjects, the same of all arms; of means over seeds. sd: over "
            "seeds. The best control has the highest average precision on tuning.\n",
            x->options->resamples);
}

int ehr_report_write(const struct ehr_report *x, const char *path) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    ehr_report_print(x, file.stream);
    return atomic_file_close(&file, STATUS_OK);
}
