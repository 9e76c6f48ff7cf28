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
#include "ehr/predictions.h"
#include "measure/scores_report.h"
#include "train/train.h"

int ehr_reads_table(const struct ehr_options *options) {
    return options->arm == ARM_MEDTOK_INIT || options->arm == ARM_MEDTOK_FROZEN;
}

/* ---- data ---- */
static void log_data(const struct ehr_evaluation *x) {
    const struct ehr_data *d = &x->data;
    const struct ehr_task *t = &d->tasks[0];
    log_info("%s: %lld samples of train (%lld true), %lld of tuning (%lld), %lld of held_out (%lld); %lld codes",
             t->name, (long long)t->samples[SPLIT_TRAIN], (long long)t->positive[SPLIT_TRAIN],
             (long long)t->samples[SPLIT_TUNING], (long long)t->positive[SPLIT_TUNING],
             (long long)t->samples[SPLIT_HELD_OUT], (long long)t->positive[SPLIT_HELD_OUT], (long long)d->n_codes);
    if (ehr_reads_table(&x->options))
        log_info(
            "%s has %lld of the codes, and an ancestor of %lld others; %lld are no medical codes and have rows of "
            "their own",
            x->table, (long long)x->medtok.n_exact, (long long)x->medtok.n_ancestor, (long long)d->n_own);
    if (d->n_missing_codes)
        log_warn("%lld of %lld codes, %lld of %lld of their tokens, are read as one missing code: %s",
                 (long long)d->n_missing_codes, (long long)d->n_codes, (long long)d->n_missing_tokens,
                 (long long)d->n_tokens,
                 ehr_reads_table(&x->options) ? "the table has neither them nor an ancestor"
                                              : "train has too few (ehr.min_count)");
    if (d->n_cut)
        log_warn("%lld histories were longer than ehr.max_length (%lld) and lost their first tokens, %lld in all",
                 (long long)d->n_cut, (long long)x->options.max_length, (long long)d->n_dropped);
}

int ehr_evaluation_load(struct ehr_evaluation *x) {
    enum { RANDOM_WIDTH = 256 }; /* MedTok's 4 x 64 */
    const struct ehr_options *o = &x->options;
    struct code_rows_source *source = &x->terms.source;
    TRY(ehr_options_sized(x->settings, &x->options));
    medtok_vectors_make(&x->medtok, ehr_reads_table(o) ? x->table : NULL);
    TRY(ehr_data_make(&x->data, x->comm, x->cohort, o, x->data_seed, o->arm == ARM_RANDOM ? NULL : &x->medtok.source));
    *source = (struct code_rows_source){
        .arm = o->arm, .n_own = x->data.n_own, .n_vectors = x->data.n_vectors, .width = RANDOM_WIDTH};
    if (ehr_reads_table(o)) {
        TRY(medtok_vectors_read(&x->medtok, x->comm, x->data.n_vectors, x->data.vector, x->data.n_train_vectors,
                                &source->width, &x->vectors));
        source->vectors = x->vectors;
    }
    x->terms.options = &x->options;
    x->terms.data = &x->data;
    if (x->comm->rank == 0) log_data(x);
    return STATUS_OK;
}

void ehr_evaluation_free(struct ehr_evaluation *x) {
    ehr_data_free(&x->data);
    free(x->vectors);
    x->vectors = NULL;
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

/* A finished one of the same provenance is taken as it is. */
static int pretrain(struct ehr_evaluation *x, const struct checkpoint_ring *ring, const char *metrics,
                    struct ehr_learner *pretrained) {
    char path[PATH_MAX], metrics_path[PATH_MAX];
    struct checkpoint_ring own = *ring;
    int64_t step, is_done;
    own.final_path = path;
    TRY(pretrained_path(ring->final_path, path));
    TRY(pretrained_path(metrics, metrics_path));
    TRY(checkpoint_ring_guard(&own, x->comm, 0, 1));
    is_done = x->comm->rank == 0 && access(path, F_OK) == 0;
    TRY(comm_broadcast(x->comm, &is_done, sizeof is_done));
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
    x->terms.seed = seed;
    int status = ehr_learner_make(&learner, &x->terms, STAGE_TASK, x->comm, x->device, 1);
    if (status == STATUS_OK && x->options.pretrain_steps > 0) status = start_pretrained(x, ring, metrics, &learner);
    if (status == STATUS_OK) status = train_stage(x, &learner, STAGE_TASK, ring, metrics);
    ehr_learner_free(&learner);
    return status;
}

static int score_tuning(struct ehr_learner *l, struct trial *trial) {
    struct scored_sample *samples;
    struct scores scores;
    int64_t n;
    TRY(ehr_learner_score(l, SPLIT_TUNING, &n, &samples));
    int status = scores_compute(n, samples, &scores);
    trial->tuning = scores.average_precision;
    if (status == STATUS_OK) status = scores_choose_threshold(n, samples, &trial->threshold);
    free(samples);
    return status;
}

static int write_files(const struct ehr_evaluation *x, const struct trial_files *files, int64_t n,
                       const struct scored_sample *samples, const struct trial *trial) {
    if (files->predictions) TRY(predictions_write(files->predictions, x->cohort, &x->options, n, samples));
    if (files->meds_evaluation) TRY(meds_evaluation_write(files->meds_evaluation, trial->scores));
    return STATUS_OK;
}

static int score_split(struct ehr_evaluation *x, struct ehr_learner *l, const struct trial_files *files,
                       const struct bootstrap *bootstrap, struct trial *trial) {
    enum cohort_split split = ehr_scored_split(&x->options);
    struct scored_sample *samples = NULL;
    int64_t n;
    int status;
    TRY(ehr_learner_score(l, split, &n, &samples));
    if (split == SPLIT_TUNING)
        trial->threshold = NAN; /* it was chosen on these very samples */
    else
        scored_samples_decide(n, samples, trial->threshold);
    status = scores_compute_by(BY_SAMPLES, n, samples, &trial->scores[BY_SAMPLES]);
    if (status == STATUS_OK) status = scores_compute_by(BY_SUBJECTS, n, samples, &trial->scores[BY_SUBJECTS]);
    if (status == STATUS_OK && x->comm->rank == 0) status = write_files(x, files, n, samples, trial);
    status = comm_agree(x->comm, status);
    if (status == STATUS_OK) status = scores_bootstrap(bootstrap, n, samples, trial->estimates);
    free(samples);
    return status;
}

int ehr_evaluation_score(struct ehr_evaluation *x, uint64_t seed, const char *checkpoint,
                         const struct trial_files *files, const struct bootstrap *bootstrap, struct trial *trial) {
    struct ehr_learner learner;
    int status;
    x->terms.seed = trial->seed = seed;
    TRY_DONE(ehr_learner_make(&learner, &x->terms, STAGE_TASK, x->comm, x->device, 0));
    TRY_DONE(
        comm_agree(x->comm, parameters_load(&learner.parameters, checkpoint, x->options.average > 0, &trial->step)));
    trial->parameters = parameter_set_size(&learner.parameters);
    TRY_DONE(comm_agree(x->comm, score_tuning(&learner, trial)));
    status = score_split(x, &learner, files, bootstrap, trial);
done:
    ehr_learner_free(&learner);
    return status;
}
