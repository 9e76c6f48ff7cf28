#include "ehr/trial_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "ehr/predictions.h"
#include "ehr/result_samples.h"
#include "measure/scores_report.h"

void trial_paths_make(struct trial_paths *p, const struct grid_run *run, const struct grid_trial *t) {
    run->path(run->self, t, ".h5", p->checkpoint);
    run->path(run->self, t, ".jsonl", p->metrics);
    run->path(run->self, t, ".results.h5", p->results);
    run->path(run->self, t, predictions_ending(&t->options), p->predictions);
    run->path(run->self, t, ".meds.json", p->meds);
}

void trial_provenance_free(struct provenance *p) {
    free((char *)p->config);
    p->config = NULL;
    provenance_free(p);
}

/* ---- what is there ---- */
static int would_be_lost(const struct grid_run *run, const struct provenance *provenance, const char *path) {
    char difference[1024], *key = NULL;
    struct h5file *file;
    int status = STATUS_OK;
    if (access(path, F_OK) || h5file_open(&file, path, KIND_RESULTS) != STATUS_OK) return STATUS_OK;
    if (h5file_get_text(file, "provenance_key", &key) == STATUS_OK && strcmp(key, provenance->key) != 0) {
        provenance_difference(provenance, file, difference, sizeof difference);
        status = status_set(STATUS_FAILED,
                            "%s are the results of another training, which would be lost (%s): name another file, "
                            "--set %s=PATH, or --force to replace them",
                            path, difference, run->setting);
    }
    free(key);
    h5file_close(file);
    return status;
}

static int write_binary(const struct trial_paths *p, const struct grid_run *run, const struct ehr_options *o,
                        double threshold, const struct result_samples *s, const double *score) {
    struct scored_sample *samples;
    struct scores scores[N_WEIGHTINGS];
    TRY(result_scored(s, score, &samples));
    if (!isnan(threshold)) scored_samples_decide(s->n, samples, threshold);
    int status = predictions_write(p->predictions, run->cohort, o, s->n, samples);
    for (int w = 0; w < N_WEIGHTINGS && status == STATUS_OK; w++)
        status = scores_compute_by((enum weighting)w, s->n, samples, &scores[w]);
    if (status == STATUS_OK) status = meds_evaluation_write(p->meds, scores);
    free(samples);
    return status;
}

/* The split that is scored in the end. */
static enum result_split split_of(const struct grid_trial *t) {
    return t->options.score == SCORED_TUNING ? RESULT_TUNING : RESULT_HELD_OUT;
}

/* Its predictions. */
static int write_predictions(const struct trial_paths *p, const struct grid_run *run, const struct grid_trial *t,
                             const char *task, double threshold, const struct result_samples *s, const double *score) {
    struct ehr_options o = t->options;
    o.task = (char *)task;
    if (s->form != LABEL_BINARY) return class_predictions_write(p->predictions, run->cohort, task, s, score);
    return write_binary(p, run, &o, split_of(t) == RESULT_TUNING ? NAN : threshold, s, score);
}

/* Whether they have what is asked for; predictions that are missing, or are wanted in another form, are written anew. */
static int look_at_results(const struct trial_paths *p, const struct grid_run *run, const struct grid_trial *t,
                           const struct results *results, uint8_t *is_current) {
    const struct result *r = &results->trials[0];
    int has_held_out = r->list[RESULT_HELD_OUT] >= 0, asks_tuning = t->options.score == SCORED_TUNING;
    if (has_held_out && asks_tuning && !t->for_choice)
        return status_set(STATUS_FAILED,
                          "%s and the predictions beside it are of held_out: name another file for scores of tuning, "
                          "--set %s=PATH",
                          p->results, run->setting);
    *is_current = asks_tuning || has_held_out;
    if (has_held_out && t->for_choice) return STATUS_OK;
    if (!*is_current || access(p->predictions, F_OK) == 0) return STATUS_OK;
    double *score = NULL;
    int status = result_scores_read(results, r, split_of(t), &score);
    if (status == STATUS_OK)
        status = write_predictions(p, run, t, r->task, r->threshold, results->lists[r->list[split_of(t)]], score);
    free(score);
    return status;
}

int trial_results_current(const struct trial_paths *p, const struct grid_run *run, const struct grid_trial *t,
                          const struct provenance *provenance, uint8_t *is_current) {
    struct comm self = comm_self();
    struct results results = {0};
    int current;
    *is_current = 0;
    if (grid_run_forces(run, t)) return STATUS_OK;
    TRY(would_be_lost(run, provenance, p->results));
    TRY(h5file_up_to_date(&self, p->results, KIND_RESULTS, provenance->key, &current));
    if (!current) return STATUS_OK;
    int status = results_read(&results, p->results);
    if (status == STATUS_OK) status = look_at_results(p, run, t, &results, is_current);
    results_free(&results);
    if (status == STATUS_OK && *is_current) log_info("%s is up to date", p->results);
    return status;
}

/* ---- what a training leaves ---- */
/* The evaluations of a file of metrics: lines {"eval_step": STEP, "average_precision": VALUE, ...} */
static int read_curve(const char *path, struct result *r) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    long long steps = 0, values = 0, step;
    double value;
    int status = STATUS_OK;
    while (file && status == STATUS_OK && getline(&line, &size, file) > 0) {
        if (sscanf(line, "{\"eval_step\": %lld, \"average_precision\": %lf", &step, &value) != 2) continue;
        status = mem_grow(&r->curve_step, &steps, r->n_curve + 1, sizeof *r->curve_step);
        if (status == STATUS_OK) status = mem_grow(&r->curve_precision, &values, r->n_curve + 1, sizeof value);
        if (status != STATUS_OK) break;
        r->curve_step[r->n_curve] = step;
        r->curve_precision[r->n_curve++] = value;
    }
    free(line);
    if (file) fclose(file);
    return status;
}

/* What the training was. */
static int name_result(struct result *r, const struct grid_trial *t, const char *task, const char *settings,
                       const char *key, const char *failure) {
    const struct ehr_options *o = &t->options;
    struct {
        char **to;
        const char *from;
    } texts[] = {{&r->name, t->name},
                 {&r->task, task},
                 {&r->model, ehr_model_name(o->model)},
                 {&r->arm, ehr_arm_name(o->arm)},
                 {&r->settings, settings},
                 {&r->key, key},
                 {&r->failure, failure}};
    r->train_samples = o->train_samples;
    r->shots = o->shots;
    r->seed = (int64_t)t->seed;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!(*texts[i].to = strdup(texts[i].from))) return status_set(STATUS_FAILED, "out of memory");
    return STATUS_OK;
}

void trial_weights_drop(const struct grid_run *run, const struct grid_trial *t) {
    char path[PATH_MAX], pretrained[PATH_MAX];
    run->path(run->self, t, ".h5", path);
    if (access(path, F_OK)) return;
    size_t stem = strlen(path) - strlen(".h5");
    if (unlink(path)) log_warn("could not remove %s", path);
    if (snprintf(pretrained, sizeof pretrained, "%.*s.pretrained.h5", (int)stem, path) < PATH_MAX) unlink(pretrained);
}

static void log_trial(const struct grid_trial *t, const struct result *r) {
    log_info("%s: kept are the weights of step %lld, average precision on tuning %.4f; %.0f s", t->name,
             (long long)r->step, r->tuning, r->seconds);
}

int trial_files_write(const struct trial_paths *p, const struct grid_run *run, const struct grid_trial *t,
                      const char *task, const struct provenance *provenance, struct result *result,
                      struct result_samples *samples[N_RESULT_SPLITS]) {
    struct results results = {0};
    int status;
    TRY_DONE(name_result(result, t, task, provenance->config, provenance->key, ""));
    TRY_DONE(read_curve(p->metrics, result));
    TRY_DONE(write_predictions(p, run, t, task, result->threshold, samples[split_of(t)], result->score[split_of(t)]));
    log_trial(t, result);
    for (int s = 0; s < N_RESULT_SPLITS; s++) {
        struct result_samples *taken = samples[s];
        samples[s] = NULL;
        result->list[s] = -1;
        if (taken) TRY_DONE(results_take_samples(&results, taken, &result->list[s]));
    }
    TRY_DONE(results_add(&results, result));
    status = results_write(&results, p->results, provenance);
    if (status == STATUS_OK && t->options.weights == WEIGHTS_DROP) trial_weights_drop(run, t);
done:
    results_free(&results);
    return status;
}

int trial_failed_add(struct results *results, const struct grid_run *run, const struct grid_trial *t,
                     const char *message) {
    struct provenance provenance = {0};
    struct result r = {.list = {-1, -1}, .tuning = NAN, .threshold = NAN};
    int status = run->describe(run->self, t, &provenance);
    if (status == STATUS_OK) status = name_result(&r, t, t->options.task, provenance.config, provenance.key, message);
    trial_provenance_free(&provenance);
    if (status == STATUS_OK) return results_add(results, &r);
    result_free(&r);
    return status;
}
