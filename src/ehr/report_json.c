/* As JSON. */
#include <math.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"
#include "ehr/report.h"
#include "measure/scores_report.h"
#include "store/subject_record.h"

enum { DIGITS = 9 };
static const char *const MEASURES[N_ARMS_MEASURES] = {"average_precision", "auroc"},
                         *const REFERENCES[MOST_REFERENCES] = {"over_base", "over_control"};

/* An object that is left open. */
static void open_estimate(struct json *j, const char *name, const struct estimate *e) {
    json_object(j, name);
    json_real(j, "value", e->n ? e->value : NAN, DIGITS);
    json_real(j, "low", e->n ? e->low : NAN, DIGITS);
    json_real(j, "high", e->n ? e->high : NAN, DIGITS);
}

/* ---- arms ---- */
static void write_measures(struct json *j, const struct report_cell *c, int a, int part, const double *spread) {
    const struct arm_estimates *e = &c->parts[part].arms[a];
    for (int m = 0; m < N_ARMS_MEASURES; m++) {
        open_estimate(j, MEASURES[m], &e->value[m]);
        if (spread) json_real(j, "sd_over_seeds", spread[m], DIGITS);
        for (int k = 0; k < MOST_REFERENCES; k++) {
            if (c->reference[k] < 0 || c->reference[k] == a) continue;
            open_estimate(j, REFERENCES[k], &e->over[k][m]);
            json_end(j);
        }
        json_end(j);
    }
}

static void write_arm(struct json *j, const struct report_cell *c, int a) {
    json_object(j, NULL);
    json_text(j, "arm", c->arms[a].name);
    json_integer(j, "seeds", c->arms[a].n);
    json_real(j, "tuning_average_precision", c->arms[a].tuning, DIGITS);
    write_measures(j, c, a, PART_ALL, c->arms[a].spread);
    json_end(j);
}

static void write_part(struct json *j, const struct report_cell *c, int part) {
    json_object(j, NULL);
    json_text(j, "samples", PART_NAMES[part]);
    json_integer(j, "n", c->parts[part].n);
    json_integer(j, "true", c->parts[part].n_positive);
    json_real(j, "prevalence", c->parts[part].prevalence, DIGITS);
    json_array(j, "arms");
    for (int a = 0; a < c->n_arms && c->parts[part].n; a++) {
        json_object(j, NULL);
        json_text(j, "arm", c->arms[a].name);
        write_measures(j, c, a, part, NULL);
        json_end(j);
    }
    json_end(j);
    json_end(j);
}

static const char *name_of(const struct report_cell *c, int k) {
    return c->reference[k] < 0 ? NULL : c->arms[c->reference[k]].name;
}

static void write_cell(struct json *j, const struct report_cell *c) {
    json_object(j, NULL);
    json_text(j, "task", c->first->task);
    json_text(j, "model", c->first->model);
    json_integer(j, "train_samples", c->first->train_samples);
    json_integer(j, "shots", c->first->shots);
    json_integer(j, "n", c->parts[PART_ALL].n);
    json_integer(j, "true", c->parts[PART_ALL].n_positive);
    json_real(j, "prevalence", c->parts[PART_ALL].prevalence, DIGITS);
    json_text(j, "base", name_of(c, REFERENCE_BASE));
    json_text(j, "control", name_of(c, REFERENCE_CONTROL));
    json_array(j, "arms");
    for (int a = 0; a < c->n_arms; a++) write_arm(j, c, a);
    json_end(j);
    json_array(j, "parts");
    for (int part = PART_SOME_UNSEEN; part < N_PARTS; part++) write_part(j, c, part);
    json_end(j);
    json_end(j);
}

/* ---- trainings ---- */
static void write_class_estimates(struct json *j, const struct estimate *estimates) {
    for (int m = 0; m < N_CLASS_SCORES_MEASURES; m++) {
        open_estimate(j, CLASS_SCORES_NAMES[m], &estimates[m]);
        json_end(j);
    }
}

static void write_scores(struct json *j, const struct report_trial *t, int is_binary) {
    if (!is_binary) {
        write_class_estimates(j, t->class_estimates);
        json_object(j, "by_subjects");
        write_class_estimates(j, t->class_estimates + N_CLASS_SCORES_MEASURES);
        json_end(j);
        return;
    }
    scores_write_estimates(j, BY_SAMPLES, t->scores[BY_SAMPLES].prevalence, t->estimates);
    scores_write_calibration(j, &t->scores[BY_SAMPLES]);
    json_object(j, "by_subjects");
    scores_write_estimates(j, BY_SUBJECTS, t->scores[BY_SUBJECTS].prevalence, t->estimates);
    json_end(j);
}

static void write_trial(struct json *j, const struct ehr_report *x, const struct report_trial *t) {
    const struct result *r = t->result;
    json_object(j, NULL);
    json_text(j, "name", r->name);
    json_text(j, "task", r->task);
    json_text(j, "model", r->model);
    json_text(j, "arm", r->arm);
    json_integer(j, "train_samples", r->train_samples);
    json_integer(j, "shots", r->shots);
    json_integer(j, "seed", r->seed);
    json_integer(j, "step", r->step);
    json_integer(j, "parameters", r->parameters);
    json_integer(j, "learned", r->learned);
    json_real(j, "seconds", r->seconds, 4);
    json_real(j, "tuning_average_precision", r->tuning, DIGITS);
    /* scores are compared with it; of tuning alone it would be chosen on what is scored */
    json_real(j, "threshold", report_split(x) == RESULT_TUNING ? NAN : r->threshold, 17);
    write_scores(j, t, x->results->lists[r->list[report_split(x)]]->form == LABEL_BINARY);
    json_end(j);
}

/* ---- rates ---- */
static void write_rates(struct json *j, const struct ehr_report *x) {
    const struct grid_rates *r = x->rates;
    json_array(j, "rates");
    for (int64_t c = 0; r && c < r->n; c++) {
        const struct result *of = report_of_cell(x, c);
        json_object(j, NULL);
        json_text(j, "task", of->task);
        json_text(j, "model", of->model);
        json_integer(j, "train_samples", of->train_samples);
        json_integer(j, "shots", of->shots);
        json_text(j, "arm", of->arm);
        json_text(j, "rate", x->options->grid_rates.items[r->chosen[c]]);
        json_array(j, "candidates");
        for (int64_t k = 0; k < r->n_rates; k++) {
            json_object(j, NULL);
            json_text(j, "rate", x->options->grid_rates.items[k]);
            json_real(j, "tuning_average_precision", r->tuning[c * r->n_rates + k], DIGITS);
            json_end(j);
        }
        json_end(j);
        json_end(j);
    }
    json_end(j);
}

static void write_failures_of(struct json *j, const struct results *results) {
    for (int64_t i = 0; i < results->n; i++) {
        if (!results->trials[i].failure[0]) continue;
        json_object(j, NULL);
        json_text(j, "name", results->trials[i].name);
        json_text(j, "message", results->trials[i].failure);
        json_end(j);
    }
}

int ehr_report_write_json(const struct ehr_report *x, const char *path) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    struct json j = json_begin(file.stream, 1);
    json_object(&j, NULL);
    json_text(&j, "cohort_id", x->cohort_id);
    json_text(&j, "table_id", x->table_id);
    json_text(&j, "split", SPLIT_NAMES[x->options->score == SCORED_TUNING ? SPLIT_TUNING : SPLIT_HELD_OUT]);
    json_integer(&j, "resamples", x->options->resamples);
    json_array(&j, "comparisons");
    for (int64_t c = 0; c < x->n_cells; c++) write_cell(&j, &x->cells[c]);
    json_end(&j);
    json_array(&j, "trainings");
    for (int64_t i = 0; i < x->n_trials; i++) write_trial(&j, x, &x->trials[i]);
    json_end(&j);
    write_rates(&j, x);
    json_array(&j, "failures");
    if (x->rates) write_failures_of(&j, &x->rates->failed);
    write_failures_of(&j, x->results);
    json_end(&j);
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}
