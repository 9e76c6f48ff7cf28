/* evaluate: cohort.h5 in (and table.h5, where MedTok's vectors are the arm), a model of health records trained on its split train,
 * stopped by tuning, and scored on held_out once, for each seed; scores and predictions out. The way to the model: train
 * (src/train/train.c), the learner (src/ehr/learner.c), the model's file in src/ehr/models/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "ehr/learner.h"
#include "ehr/medtok_vectors.h"
#include "ehr/report.h"
#include "jobs.h"
#include "paths.h"
#include "recipe.h"
#include "train/train.h"

/* What needs less of the device's memory. */
static const char NEEDS_LESS[] = "a smaller ehr.batch or ehr.max_length";

struct evaluation {
    const struct comm *comm;
    const struct config *config;
    struct device device;
    int threads;
    struct ehr_data data;
    struct medtok_vectors medtok;
    float *vectors; /* of rows of codes; NULL in arms without */
    struct ehr_learner_terms terms;
    struct trial *trials; /* [ehr.seeds] */
    int64_t parameters;
    char *cohort_id, *table_id;
};

static int reads_table(const struct config *config) {
    return config->ehr.arm == ARM_MEDTOK_INIT || config->ehr.arm == ARM_MEDTOK_FROZEN;
}

/* ---- files ---- */
static int read_id(const char *path, enum file_kind kind, char **id) {
    struct h5file *file;
    TRY(h5file_open(&file, path, kind));
    int status = h5file_get_text(file, "content_id", id);
    h5file_close(file);
    return status;
}

/* ---- data ---- */
static void log_data(const struct evaluation *x) {
    const struct ehr_data *d = &x->data;
    log_info("%s: %lld samples of train (%lld true), %lld of tuning (%lld), %lld of held_out (%lld); %lld codes",
             d->task, (long long)d->task_samples[SPLIT_TRAIN], (long long)d->task_positive[SPLIT_TRAIN],
             (long long)d->task_samples[SPLIT_TUNING], (long long)d->task_positive[SPLIT_TUNING],
             (long long)d->task_samples[SPLIT_HELD_OUT], (long long)d->task_positive[SPLIT_HELD_OUT],
             (long long)d->n_codes);
    if (reads_table(x->config))
        log_info(
            "%s has %lld of the codes, and an ancestor of %lld others; %lld are no medical codes and have rows of "
            "their own",
            x->config->files.table, (long long)x->medtok.n_exact, (long long)x->medtok.n_ancestor, (long long)d->n_own);
    if (d->n_missing_codes)
        log_warn("%lld of %lld codes, %lld of %lld of their tokens, are read as one missing code: %s",
                 (long long)d->n_missing_codes, (long long)d->n_codes, (long long)d->n_missing_tokens,
                 (long long)d->n_tokens,
                 reads_table(x->config) ? "the table has neither them nor an ancestor"
                                        : "train has too few (ehr.min_count)");
    if (d->n_cut)
        log_warn("%lld histories were longer than ehr.max_length (%lld) and lost their first tokens, %lld in all",
                 (long long)d->n_cut, (long long)x->config->ehr.max_length, (long long)d->n_dropped);
}

static int load(struct evaluation *x) {
    enum { RANDOM_WIDTH = 256 }; /* MedTok's 4 x 64 */
    const struct config *c = x->config;
    struct embedding_source *source = &x->terms.source;
    medtok_vectors_make(&x->medtok, reads_table(c) ? c->files.table : NULL);
    TRY(ehr_data_make(&x->data, x->comm, c->files.cohort, &c->ehr,
                      c->ehr.arm == ARM_RANDOM ? NULL : &x->medtok.source));
    *source = (struct embedding_source){
        .arm = c->ehr.arm, .n_own = x->data.n_own, .n_vectors = x->data.n_vectors, .width = RANDOM_WIDTH};
    if (reads_table(c)) {
        TRY(medtok_vectors_read(&x->medtok, x->comm, x->data.n_vectors, x->data.vector, x->data.n_train_vectors,
                                &source->width, &x->vectors));
        source->vectors = x->vectors;
    }
    x->terms.options = &c->ehr;
    x->terms.data = &x->data;
    if (x->comm->rank == 0) log_data(x);
    return STATUS_OK;
}

/* ---- one seed ---- */
static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    const struct evaluation *x = self;
    int status = provenance_add_input(provenance, "cohort", config->files.cohort);
    if (status == STATUS_OK) status = provenance_add_checksum(provenance, "task", x->data.task, x->data.task);
    if (status == STATUS_OK && reads_table(config))
        status = provenance_add_input(provenance, "table", config->files.table);
    return comm_agree(comm, status);
}

static int train_model(const struct comm *comm, const struct config *config, const struct provenance *provenance,
                       void *self) {
    struct evaluation *x = self;
    char path[PATH_MAX], metrics[PATH_MAX];
    struct train_options options = ehr_train_options(&config->ehr);
    struct checkpoint_ring ring = {path, provenance, options.keep, "files.scores"};
    struct training training = {0};
    struct ehr_learner learner;
    config_seed_path(config, (int64_t)x->terms.seed, ".h5", path);
    config_seed_path(config, (int64_t)x->terms.seed, ".jsonl", metrics);
    TRY(checkpoint_ring_guard(&ring, comm, config->force, 1));
    training_open(&training, comm, &x->device, &options);
    int status = ehr_learner_make(&learner, &x->terms, comm, &x->device, 1);
    if (status == STATUS_OK) {
        log_info("seed %llu: training, %d ranks x %d threads, device %s, %lld parameters",
                 (unsigned long long)x->terms.seed, comm->size, x->threads, x->device.name,
                 (long long)parameter_set_size(&learner.parameters));
        status = train(&training, &learner.learner, &ring, metrics);
    }
    training_free(&training);
    ehr_learner_free(&learner);
    return status;
}

/* Scores with the weights in the checkpoint, so that what is scored is what is kept. */
static int score(struct evaluation *x, struct ehr_learner *l, struct trial *trial) {
    const struct config *config = x->config;
    char path[PATH_MAX];
    struct scored_sample *samples = NULL;
    struct scores tuning;
    struct bootstrap bootstrap = {.comm = x->comm,
                                  .seed = (uint64_t)config->run.seed, /* of all seeds the same resamples */
                                  .resamples = config->ehr.resamples,
                                  .threads = x->threads,
                                  .poll = interrupt_poll};
    int64_t n;
    int status;
    config_seed_path(config, (int64_t)x->terms.seed, ".h5", path);
    TRY(comm_agree(x->comm, parameters_load(&l->parameters, path, config->ehr.average > 0, &trial->step)));
    x->parameters = parameter_set_size(&l->parameters);
    TRY(ehr_learner_score(l, SPLIT_TUNING, &n, &samples));
    status = scores_compute(n, samples, &tuning);
    trial->tuning = tuning.average_precision;
    free(samples);
    TRY(comm_agree(x->comm, status));
    TRY(ehr_learner_score(l, ehr_scored_split(&config->ehr), &n, &samples));
    status = scores_compute(n, samples, &trial->scores);
    config_seed_path(config, (int64_t)x->terms.seed, ".csv", path);
    if (status == STATUS_OK && x->comm->rank == 0)
        status = predictions_write(path, config->files.cohort, &config->ehr, n, samples);
    TRY_DONE(comm_agree(x->comm, status));
    status = scores_bootstrap(&bootstrap, n, samples, trial->estimates);
done:
    free(samples);
    return status;
}

static int run_trial(struct evaluation *x, int64_t i) {
    struct config config = *x->config; /* with the seed of the trial, for the provenance */
    char path[PATH_MAX];
    struct ehr_learner learner;
    config.run.seed += i;
    x->terms.seed = (uint64_t)config.run.seed;
    x->trials[i].seed = x->terms.seed;
    config_seed_path(x->config, config.run.seed, ".h5", path);
    struct recipe recipe = {&EVALUATE_JOB, KIND_CHECKPOINT, path, add_inputs, train_model};
    TRY(recipe_run(&recipe, x->comm, &config, x));
    int status = ehr_learner_make(&learner, &x->terms, x->comm, &x->device, 0);
    if (status == STATUS_OK) status = score(x, &learner, &x->trials[i]);
    ehr_learner_free(&learner);
    return status;
}

/* ---- the job ---- */
static int report(struct evaluation *x) {
    struct ehr_report r = {.cohort_id = x->cohort_id,
                           .table_id = x->table_id,
                           .options = &x->config->ehr,
                           .data = &x->data,
                           .parameters = x->parameters,
                           .trials = x->trials,
                           .n = x->config->ehr.seeds};
    ehr_report_print(&r);
    TRY(output_flush());
    TRY(ehr_report_write(&r, x->config->files.scores));
    log_info("wrote %s", x->config->files.scores);
    return STATUS_OK;
}

static int prepare(struct evaluation *x) {
    const struct config *c = x->config;
    TRY(mem_alloc(&x->trials, c->ehr.seeds, sizeof *x->trials));
    if (x->comm->rank > 0) return STATUS_OK;
    TRY(atomic_file_check(c->files.scores));
    TRY(read_id(c->files.cohort, KIND_COHORT, &x->cohort_id));
    return reads_table(c) ? read_id(c->files.table, KIND_TABLE, &x->table_id) : STATUS_OK;
}

static int evaluate(struct evaluation *x) {
    TRY(comm_agree(x->comm, prepare(x)));
    TRY(load(x));
    for (int64_t i = 0; i < x->config->ehr.seeds; i++) {
        TRY(comm_agree(x->comm, interrupt_poll()));
        TRY(run_trial(x, i));
    }
    return comm_agree(x->comm, x->comm->rank == 0 ? report(x) : STATUS_OK);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct evaluation x = {.comm = comm, .config = config};
    int status = compute_device_open(comm, &config->run, NEEDS_LESS, &x.device, &x.threads);
    if (status == STATUS_OK) status = evaluate(&x);
    ehr_data_free(&x.data);
    free(x.vectors);
    free(x.trials);
    free(x.cohort_id);
    free(x.table_id);
    device_close(&x.device);
    return status;
}

static int check(const struct config *config) { return ehr_model(config->ehr.model)->check(&config->ehr); }

const struct job_entry EVALUATE_JOB = {
    .job = JOB_EVALUATE,
    .name = "evaluate",
    .arguments = "",
    .summary = "cohort.h5 into scores of a model of health records, with table.h5's vectors or without",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
