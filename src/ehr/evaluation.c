/* Nothing here knows where files lie, or what is up to date: that is the job's. */
#include "ehr/evaluation.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/gather.h"
#include "ehr/result_samples.h"
#include "train/train.h"

/* ---- data ---- */
static void log_data(const struct ehr_evaluation *x) {
    const struct ehr_data *d = &x->data;
    const struct ehr_task *t = &d->tasks[0];
    if (t->form == LABEL_BINARY)
        log_info("%s: %lld samples of train (%lld true), %lld of tuning (%lld), %lld of held_out (%lld); %lld codes",
                 t->name, (long long)t->samples[SPLIT_TRAIN], (long long)t->positive[SPLIT_TRAIN],
                 (long long)t->samples[SPLIT_TUNING], (long long)t->positive[SPLIT_TUNING],
                 (long long)t->samples[SPLIT_HELD_OUT], (long long)t->positive[SPLIT_HELD_OUT], (long long)d->n_codes);
    else
        log_info("%s: %lld samples of train, %lld of tuning, %lld of held_out; %s of %d classes; %lld codes", t->name,
                 (long long)t->samples[SPLIT_TRAIN], (long long)t->samples[SPLIT_TUNING],
                 (long long)t->samples[SPLIT_HELD_OUT], t->form == LABEL_CLASS ? "one" : "any", t->n_classes,
                 (long long)d->n_codes);
    if (arm_reads_table(x->options.arm))
        log_info(
            "%s has %lld of the codes, and an ancestor of %lld others; %lld are no medical codes and have rows of "
            "their own",
            x->table, (long long)x->arm.medtok.n_exact, (long long)x->arm.medtok.n_ancestor, (long long)d->n_own);
    if (d->n_missing_codes)
        log_warn("%lld of %lld codes, %lld of %lld of their tokens, are read as one missing code: %s",
                 (long long)d->n_missing_codes, (long long)d->n_codes, (long long)d->n_missing_tokens,
                 (long long)d->n_tokens,
                 arm_reads_table(x->options.arm) ? "the table has neither them nor an ancestor"
                                                 : "train has too few (ehr.min_count)");
    if (d->n_cut)
        log_warn("%lld histories were longer than ehr.max_length (%lld) and lost their first tokens, %lld in all",
                 (long long)d->n_cut, (long long)x->options.max_length, (long long)d->n_dropped);
}

int ehr_evaluation_set(struct ehr_evaluation *x, const struct ehr_options *settings) {
    x->settings = settings;
    return ehr_options_sized(settings, &x->options);
}

int ehr_evaluation_load(struct ehr_evaluation *x) {
    const struct ehr_options *o = &x->options;
    TRY(ehr_evaluation_set(x, x->settings));
    arm_make(&x->arm, o, x->table, x->text);
    TRY(ehr_data_make(&x->data, x->comm, x->cohort, o, x->data_seed, arm_source(&x->arm)));
    if (o->predictions == PREDICTIONS_PARQUET && x->data.tasks[0].form != LABEL_BINARY)
        return status_set(STATUS_USAGE, "ehr.predictions=parquet is for tasks that are true or false: %s has classes",
                          x->data.tasks[0].name);
    TRY(arm_read(&x->arm, x->comm, &x->data, &x->terms.source));
    x->terms.options = o;
    x->terms.data = &x->data;
    if (x->comm->rank == 0) log_data(x);
    return STATUS_OK;
}

void ehr_evaluation_free(struct ehr_evaluation *x) {
    ehr_data_free(&x->data);
    arm_free(&x->arm);
}

/* ---- one seed ---- */
static int train_stage(struct ehr_evaluation *x, struct ehr_learner *learner, enum ehr_stage stage,
                       const struct checkpoint_ring *ring, const char *metrics) {
    struct train_options options = ehr_train_options(&x->options, stage);
    struct training training = {0};
    log_info("seed %llu: %s, %d ranks x %d threads, device %s, %lld parameters", (unsigned long long)x->terms.seed,
             stage == STAGE_TASK ? "training" : "pre-training", x->comm->size, x->threads, x->device->name,
             (long long)parameter_set_size(&learner->parameters));
    training_open(&training, x->comm, x->device, &options);
    int status = train(&training, &learner->learner, ring, metrics);
    training_free(&training);
    return status;
}

/* The path with ".pretrained" in front of its ending. */
static int pretrained_path(const char *path, char out[PATH_MAX]) {
    const char *ending = strrchr(path, '.');
    size_t stem = ending ? (size_t)(ending - path) : strlen(path);
    if (snprintf(out, PATH_MAX, "%.*s.pretrained%s", (int)stem, path, path + stem) < PATH_MAX) return STATUS_OK;
    return status_set(STATUS_USAGE, "%s: the path is too long", path);
}

/* A finished one of the same provenance is taken as it is, unless all is made anew. */
static int pretrain(struct ehr_evaluation *x, const struct checkpoint_ring *ring, const char *metrics,
                    struct ehr_learner *pretrained) {
    char path[PATH_MAX], metrics_path[PATH_MAX];
    struct checkpoint_ring own = *ring;
    int64_t step;
    int is_done = 0;
    own.final_path = path;
    TRY(pretrained_path(ring->final_path, path));
    TRY(pretrained_path(metrics, metrics_path));
    TRY(checkpoint_ring_guard(&own, x->comm, x->anew, !x->anew));
    if (!x->anew) TRY(h5file_up_to_date(x->comm, path, KIND_CHECKPOINT, ring->provenance->key, &is_done));
    if (!is_done) return train_stage(x, pretrained, STAGE_PRETRAIN, &own, metrics_path);
    return comm_agree(x->comm, parameters_load(&pretrained->parameters, path, 0, &step));
}

/* Gives `learner` what pre-training makes, in files of its own beside those of the training. */
static int start_pretrained(struct ehr_evaluation *x, const struct checkpoint_ring *ring, const char *metrics,
                            struct ehr_learner *learner) {
    struct ehr_learner pretrained;
    int status = ehr_learner_make(&pretrained, &x->terms, STAGE_PRETRAIN, x->comm, x->device, 1);
    if (status == STATUS_OK) status = pretrain(x, ring, metrics, &pretrained);
    if (status == STATUS_OK) status = comm_agree(x->comm, ehr_learner_start_from(learner, &pretrained));
    ehr_learner_free(&pretrained);
    return status;
}

int ehr_evaluation_train(struct ehr_evaluation *x, uint64_t seed, const struct checkpoint_ring *ring,
                         const char *metrics) {
    struct ehr_learner learner;
    int learns_labels = !ehr_model(x->options.model)->score;
    enum ehr_stage stage = learns_labels ? STAGE_TASK : STAGE_PRETRAIN;
    x->terms.seed = seed;
    int status = ehr_learner_make(&learner, &x->terms, stage, x->comm, x->device, 1);
    if (status == STATUS_OK && learns_labels && x->options.pretrain_steps > 0)
        status = start_pretrained(x, ring, metrics, &learner);
    if (status == STATUS_OK) status = train_stage(x, &learner, stage, ring, metrics);
    ehr_learner_free(&learner);
    return status;
}

/* ---- scores ---- */
/* The threshold of F1, chosen on tuning; of one class of several there is none. */
static int choose_threshold(const struct result_samples *s, const double *scores, double *threshold) {
    *threshold = NAN;
    if (s->form == LABEL_BINARY) {
        struct scored_sample *samples;
        TRY(result_scored(s, scores, &samples));
        int status = scores_choose_threshold(s->n, samples, threshold);
        free(samples);
        return status;
    }
    if (s->form == LABEL_CLASS) return STATUS_OK;
    struct class_predictions predictions;
    float *floats;
    TRY(result_predictions(s, scores, &predictions, &floats));
    int status = class_scores_choose_threshold(&predictions, threshold);
    free(floats);
    return status;
}

static int score_tuning(const struct result_samples *s, struct result *result) {
    struct compared_samples compared = result_compared(s);
    double values[N_ARMS_MEASURES];
    TRY(arm_measure(&compared, result->score[RESULT_TUNING], values));
    result->tuning = values[ARMS_AVERAGE_PRECISION];
    return choose_threshold(s, result->score[RESULT_TUNING], &result->threshold);
}

static int score_split(struct ehr_evaluation *x, struct ehr_learner *l, enum cohort_split split, double **scores,
                       struct result_samples **samples) {
    int64_t outputs = ehr_task_outputs(&x->data.tasks[0]), n_all;
    double *own = NULL;
    int status = ehr_learner_predict(l, split, &own);
    if (status == STATUS_OK)
        status = comm_gather_rows(x->comm, x->data.sets[split].n, outputs * (int64_t)sizeof *own, own, &n_all, scores);
    free(own);
    return status == STATUS_OK ? result_samples_gather(x->comm, &x->data, split, samples) : status;
}

int ehr_evaluation_score(struct ehr_evaluation *x, uint64_t seed, const char *checkpoint, struct result *result,
                         struct result_samples *samples[N_RESULT_SPLITS]) {
    struct ehr_learner learner;
    int averaged = x->options.average > 0 && !ehr_model(x->options.model)->score, status;
    x->terms.seed = seed;
    TRY_DONE(ehr_learner_make(&learner, &x->terms, STAGE_TASK, x->comm, x->device, 0));
    TRY_DONE(comm_agree(x->comm, parameters_load(&learner.parameters, checkpoint, averaged, &result->step)));
    result->parameters = parameter_set_size(&learner.parameters);
    result->learned = x->data.tasks[0].samples[SPLIT_TRAIN];
    TRY_DONE(score_split(x, &learner, SPLIT_TUNING, &result->score[RESULT_TUNING], &samples[RESULT_TUNING]));
    TRY_DONE(comm_agree(x->comm, score_tuning(samples[RESULT_TUNING], result)));
    if (x->options.score == SCORED_HELD_OUT)
        status = score_split(x, &learner, SPLIT_HELD_OUT, &result->score[RESULT_HELD_OUT], &samples[RESULT_HELD_OUT]);
done:
    ehr_learner_free(&learner);
    return status;
}
