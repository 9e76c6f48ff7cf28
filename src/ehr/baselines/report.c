#include "ehr/baselines/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"

enum { DIGITS = 17, NAME_BYTES = 256 };

static const char *const KIND_NAMES[] = {"all", "shots", "rows"};

/* Trials of the same kind and size stand together: those from `first` on; their number. */
static int64_t n_alike(const struct experiment *x, int64_t first) {
    int64_t end = first + 1;
    while (end < x->n && x->trials[end].kind == x->trials[first].kind && x->trials[end].size == x->trials[first].size)
        end++;
    return end - first;
}

static const struct scored_part *part_of(const struct baseline_trial *t, int unseen) {
    return unseen ? &t->unseen : &t->whole;
}

/* Mean and standard deviation over n trials of a measure; NaN where it cannot be formed, and of one trial. */
static void over_draws(const struct baseline_trial *trials, int64_t n, int unseen, int which, double *mean,
                       double *sd) {
    double sum = 0, square = 0;
    *mean = *sd = NAN;
    for (int64_t i = 0; i < n; i++) {
        const struct estimate *e = &part_of(&trials[i], unseen)->estimates[which];
        if (e->n == 0) return;
        sum += e->value;
    }
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double off = part_of(&trials[i], unseen)->estimates[which].value - *mean;
        square += off * off;
    }
    if (n > 1) *sd = sqrt(square / (double)(n - 1));
}

/* ---- the table ---- */
static void print_value(const struct baseline_trial *trials, int64_t n, int unseen, int which) {
    char text[64] = "-";
    double mean, sd;
    const struct estimate *e = &part_of(trials, unseen)->estimates[which];
    over_draws(trials, n, unseen, which, &mean, &sd);
    if (n > 1 && isfinite(mean))
        snprintf(text, sizeof text, "%.4f (sd %.4f)", mean, sd);
    else if (isfinite(mean))
        snprintf(text, sizeof text, "%.4f (%.4f to %.4f)", mean, e->low, e->high);
    printf(" %-26s", text);
}

static void print_settings(const struct baseline_report *r, const struct baseline_trial *t) {
    char text[64];
    const struct fitted *m = &t->fitted;
    if (r->terms->options->model == BASELINE_LOGISTIC)
        snprintf(text, sizeof text, "C %g", m->strength);
    else
        snprintf(text, sizeof text, "%lld x %g, depth %lld", (long long)m->rounds, m->rate, (long long)m->depth);
    printf(" %-20s", text);
}

/* What is scored, and what a random score would have. */
static void print_head(const struct baseline_report *r) {
    const struct features *f = r->terms->features;
    const struct baseline_trial *all = &r->experiment->trials[r->experiment->n - 1];
    const char *split = SPLIT_NAMES[baseline_scored_split(r->terms->options)];
    if (f->form == LABEL_BINARY)
        printf("%s: %lld samples, %lld true: a random score has an average precision of %.4f (the prevalence)\n", split,
               (long long)all->whole.n, (long long)all->whole.n_positive, all->whole.prevalence);
    else
        printf(
            "%s: %lld samples, %s of %lld classes: a random score has a mean average precision of %.4f (their mean "
            "prevalence); scores are means over classes\n",
            split, (long long)all->whole.n, f->form == LABEL_CLASS ? "one" : "any", (long long)f->n_classes,
            all->whole.prevalence);
    printf("unseen: samples of which training has no code; with all of train %lld\n\n", (long long)all->unseen.n);
}

void baseline_report_print(const struct baseline_report *r) {
    const struct experiment *x = r->experiment;
    int shown[2];
    shown_measures(r->terms->features, shown);
    print_head(r);
    printf("%-14s %5s %8s %-20s %8s %-26s %-26s %-26s\n", "training", "draws", "columns", "chosen", "tuning", "AUROC",
           "average precision", "average precision, unseen");
    for (int64_t i = 0, n; i < x->n; i += n) {
        const struct baseline_trial *t = &x->trials[i];
        char training[48];
        n = n_alike(x, i);
        snprintf(training, sizeof training, "%lld%s", (long long)t->size,
                 t->kind == TRAINING_SHOTS  ? " of each"
                 : t->kind == TRAINING_ROWS ? " rows"
                                            : " (all)");
        printf("%-14s %5lld %8lld", training, (long long)n, (long long)t->fitted.n_columns);
        print_settings(r, t);
        printf(" %8.4f", t->fitted.tuning);
        print_value(t, n, 0, shown[0]);
        print_value(t, n, 0, shown[1]);
        print_value(t, n, 1, shown[1]);
        printf("\n");
    }
    printf("\ncolumns, chosen, tuning: of the first draw; intervals: 95 %%, from %lld resamples of subjects\n",
           (long long)r->terms->options->resamples);
}

/* ---- JSON ---- */
static void write_part(struct json *j, const char *name, const struct features *f, const struct scored_part *part) {
    const char *const *names;
    int n = measures_of(f, &names);
    json_object(j, name);
    json_integer(j, "n", part->n);
    if (f->form == LABEL_BINARY) json_integer(j, "true", part->n_positive);
    json_real(j, "prevalence", part->prevalence, DIGITS);
    for (int m = 0; m < n; m++) {
        const struct estimate *e = &part->estimates[m];
        json_object(j, names[m]);
        json_real(j, "value", e->n ? e->value : NAN, DIGITS);
        json_real(j, "low", e->n ? e->low : NAN, DIGITS);
        json_real(j, "high", e->n ? e->high : NAN, DIGITS);
        json_end(j);
    }
    json_end(j);
}

static void write_trial(struct json *j, const struct baseline_report *r, const struct baseline_trial *t) {
    const struct fitted *m = &t->fitted;
    json_object(j, NULL);
    json_text(j, "training", KIND_NAMES[t->kind]);
    json_integer(j, "size", t->size);
    json_integer(j, "draw", t->replicate);
    json_integer(j, "rows", t->n_rows);
    json_integer(j, "columns", m->n_columns);
    if (r->terms->options->model == BASELINE_LOGISTIC) {
        json_real(j, "strength", m->strength, DIGITS);
        json_integer(j, "iterations", m->iterations);
        json_integer(j, "converged", m->converged);
    } else {
        json_integer(j, "depth", m->depth);
        json_real(j, "rate", m->rate, DIGITS);
        json_integer(j, "trees", m->rounds);
    }
    json_real(j, "tuning", m->tuning, DIGITS);
    write_part(j, "scores", r->terms->features, &t->whole);
    write_part(j, "unseen", r->terms->features, &t->unseen);
    json_integer(j, "some_unseen", t->n_some_unseen);
    json_end(j);
}

static void write_draws(struct json *j, const struct features *f, const struct baseline_trial *t, int64_t n) {
    const char *const *names;
    int n_measures = measures_of(f, &names);
    json_object(j, NULL);
    json_text(j, "training", KIND_NAMES[t->kind]);
    json_integer(j, "size", t->size);
    json_integer(j, "draws", n);
    for (int m = 0; m < n_measures; m++) {
        double mean, sd;
        over_draws(t, n, 0, m, &mean, &sd);
        json_object(j, names[m]);
        json_real(j, "mean", mean, DIGITS);
        json_real(j, "sd", sd, DIGITS);
        json_end(j);
    }
    json_end(j);
}

static void write_settings(struct json *j, const struct baseline_report *r) {
    static const char *const MODELS[] = {BASELINE_MODELS(OPTION_CHOICE_NAME)},
                             *const VALUES[] = {BASELINE_VALUES(OPTION_CHOICE_NAME)},
                             *const MEASURES[] = {BASELINE_MEASURES(OPTION_CHOICE_NAME)};
    const struct baseline_options *o = r->terms->options;
    const struct features *f = r->terms->features;
    char version[32];
    json_text(j, "task", f->task);
    if (f->form != LABEL_BINARY) {
        json_array(j, "classes");
        for (int k = 0; k < f->class_names.n; k++) json_text(j, NULL, f->class_names.items[k]);
        json_end(j);
    }
    json_text(j, "model", MODELS[o->model]);
    if (r->terms->library) {
        xgboost_version(r->terms->library, version);
        json_text(j, "xgboost", version);
    }
    json_text(j, "values", VALUES[o->values]);
    json_text(j, "chosen_by", MEASURES[o->choose]);
    json_text(j, "split", SPLIT_NAMES[baseline_scored_split(o)]);
    json_integer(j, "resamples", o->resamples);
    json_integer(j, "seed", (int64_t)r->terms->seed);
    json_object(j, "columns");
    for (int g = 0; g < N_FEATURE_GROUPS; g++)
        json_integer(j, FEATURE_GROUP_NAMES[g], f->columns.first[g + 1] - f->columns.first[g]);
    json_end(j);
    json_object(j, "samples");
    for (int s = 0; s < N_SPLITS; s++) {
        json_object(j, SPLIT_NAMES[s]);
        json_integer(j, "n", f->n_split[s]);
        if (f->form == LABEL_BINARY) json_integer(j, "true", f->n_positive[s]);
        json_end(j);
    }
    json_end(j);
}

/* ---- the largest weights ---- */
struct shown_weight {
    double weight;
    int64_t at; /* in the weights [columns, outputs] */
};

static int by_size(const void *a, const void *b) {
    const struct shown_weight *x = a, *y = b;
    if (fabs(x->weight) != fabs(y->weight)) return fabs(x->weight) > fabs(y->weight) ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void write_weights(struct json *j, const struct baseline_report *r, struct shown_weight *weights) {
    const struct features *f = r->terms->features;
    const double *w = r->experiment->trials[r->experiment->n - 1].fitted.weights;
    int64_t outputs = n_outputs_of(f), n = features_n_columns(f) * outputs;
    char name[NAME_BYTES];
    for (int64_t i = 0; i < n; i++) weights[i] = (struct shown_weight){w[i], i};
    qsort(weights, (size_t)n, sizeof *weights, by_size);
    json_array(j, "intercepts");
    for (int64_t k = 0; k < outputs; k++) json_real(j, NULL, w[n + k], DIGITS);
    json_end(j);
    json_array(j, "weights");
    for (int64_t i = 0; i < n && i < r->terms->options->shown && weights[i].weight != 0; i++) {
        code_columns_name(&f->columns, weights[i].at / outputs, name, sizeof name);
        json_object(j, NULL);
        json_text(j, "column", name);
        if (f->form != LABEL_BINARY) json_text(j, "class", f->class_names.items[weights[i].at % outputs]);
        json_real(j, "weight", weights[i].weight, DIGITS);
        json_end(j);
    }
    json_end(j);
}

static void write_json(const struct baseline_report *r, FILE *out, struct shown_weight *weights) {
    const struct experiment *x = r->experiment;
    struct json j = json_begin(out, 1);
    json_object(&j, NULL);
    json_text(&j, "cohort_id", r->cohort_id);
    write_settings(&j, r);
    json_real(&j, "prevalence", x->trials[x->n - 1].whole.prevalence, DIGITS);
    json_array(&j, "draws");
    for (int64_t i = 0, n; i < x->n; i += n) {
        n = n_alike(x, i);
        write_draws(&j, r->terms->features, &x->trials[i], n);
    }
    json_end(&j);
    json_array(&j, "fits");
    for (int64_t i = 0; i < x->n; i++) write_trial(&j, r, &x->trials[i]);
    json_end(&j);
    if (r->terms->options->model == BASELINE_LOGISTIC) write_weights(&j, r, weights);
    json_end(&j);
    fputc('\n', out);
}

int baseline_report_write(const struct baseline_report *r, const char *path) {
    struct atomic_file file;
    struct shown_weight *weights;
    TRY(mem_alloc(&weights, features_n_columns(r->terms->features) * n_outputs_of(r->terms->features),
                  sizeof *weights));
    int status = atomic_file_open(&file, path);
    if (status == STATUS_OK) {
        write_json(r, file.stream, weights);
        status = atomic_file_close(&file, STATUS_OK);
    }
    free(weights);
    return status;
}
