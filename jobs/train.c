/* train: vocabulary.h5 and text.h5 in, checkpoint.h5 out. The way to the inner loop: trainer_step (src/medtok/trainer.c),
 * model_forward (src/medtok/model.c), the primitives (kernels/kernels.h). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "config/paths.h"
#include "jobs.h"
#include "medtok/checkpoint_ring.h"
#include "dist/compute_device.h"
#include "medtok/evaluation.h"
#include "medtok/metrics.h"
#include "outputs.h"

/* What needs less of the device's memory. */
static const char NEEDS_LESS[] = "a smaller train.batch or graph.max_nodes, or text.features: sentence";

static int evaluate(struct trainer *t, struct evaluation *evaluation, struct metrics *metrics) {
    struct quality quality;
    double since = clock_seconds();
    stage_begin(&t->stages, STAGE_EVALUATE);
    TRY(evaluation_run(evaluation, &quality));
    TRY(comm_agree(t->comm, metrics_quality(metrics, t, &quality, clock_seconds() - since)));
    stage_end(&t->stages);
    return STATUS_OK;
}

static int save(struct trainer *t, const struct checkpoint_ring *ring) {
    stage_begin(&t->stages, STAGE_SAVE);
    TRY(checkpoint_ring_save(ring, t));
    stage_end(&t->stages);
    return STATUS_OK;
}

static int train_steps(struct trainer *t, struct evaluation *evaluation, const struct checkpoint_ring *ring,
                       struct metrics *metrics) {
    const struct config *c = t->config;
    while (t->step < c->train.steps) {
        struct step_report report;
        TRY(trainer_step(t, interrupt_asked(), &report));
        TRY(comm_agree(t->comm, metrics_step(metrics, t, &report)));
        if (evaluation_due(evaluation)) TRY(evaluate(t, evaluation, metrics));
        if (t->step == c->train.steps) break;
        if (report.stop) {
            TRY(save(t, ring));
            return status_set(STATUS_INTERRUPTED,
                              "stopped by a signal after step %lld of %lld; run the same command "
                              "again to go on",
                              (long long)t->step, (long long)c->train.steps);
        }
        if (c->train.checkpoint_every && t->step % c->train.checkpoint_every == 0) TRY(save(t, ring));
    }
    stage_begin(&t->stages, STAGE_SAVE);
    return checkpoint_ring_finish(ring, t);
}

/* About what the metrics of a training take: a line a step. */
static int64_t metrics_bytes(const struct config *config) {
    static const int64_t LINE_BYTES = 900;
    return config->train.steps * LINE_BYTES;
}

static int train(const struct comm *comm, const struct config *config, const struct checkpoint_ring *ring) {
    struct device device = {0};
    struct trainer trainer = {0};
    struct evaluation evaluation = {0};
    struct metrics metrics = {0};
    char path[PATH_MAX];
    int status, threads;
    TRY_DONE(compute_device_open(comm, &config->run, NEEDS_LESS, &device, &threads));
    TRY_DONE(trainer_make(&trainer, config, comm, &device));
    log_info("training on %lld codes: %d ranks x %d threads, device %s, batch %lld, %lld parameters",
             (long long)trainer.sampler.n_codes, comm->size, threads, device.name, (long long)trainer.sampler.n_strata,
             (long long)(trainer.parameters.n_dense + trainer.parameters.list[trainer.parameters.nodes].rows *
                                                          trainer.parameters.list[trainer.parameters.nodes].cols));
    TRY_DONE(evaluation_make(&evaluation, &trainer, threads));
    if (config->train.resume == RESUME_AUTO) TRY_DONE(checkpoint_ring_resume(ring, &trainer));
    TRY_DONE(comm_agree(comm, interrupt_poll()));
    if (trainer.step == 0) TRY_DONE(trainer_begin(&trainer));
    config_metrics_path(config, path);
    TRY_DONE(checkpoint_ring_check_room(ring, &trainer, config->train.steps, config->train.checkpoint_every,
                                        metrics_bytes(config)));
    TRY_DONE(metrics_open(&metrics, &trainer, path));
    status = train_steps(&trainer, &evaluation, ring, &metrics);
    TRY_DONE(stages_log(&trainer.stages, comm, "train", (enum stages_shown)config->run.stages, status));
    log_info("wrote %s after %lld steps; metrics in %s", config->files.checkpoint, (long long)trainer.step, path);
done:
    if (metrics_close(&metrics) != STATUS_OK && status == STATUS_OK) status = STATUS_ALONE;
    evaluation_free(&evaluation);
    trainer_free(&trainer);
    device_close(&device);
    return status;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct provenance provenance = {.job = "train"};
    char *settings = NULL;
    int current = 0, status = config_provenance(config, JOB_TRAIN, &settings);
    provenance.config = settings;
    if (status == STATUS_OK) status = provenance_add_input(&provenance, "vocabulary", config->files.vocabulary);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(text_source_add_provenance(comm, config, &provenance));
    provenance_finish(&provenance, KIND_CHECKPOINT);
    TRY_DONE(output_is_current(comm, config, config->files.checkpoint, KIND_CHECKPOINT, provenance.key, &current));
    if (current) goto done;
    struct checkpoint_ring ring = {config->files.checkpoint, &provenance, config->train.keep};
    TRY_DONE(checkpoint_ring_guard(&ring, comm, config->force, config->train.resume == RESUME_AUTO));
    status = train(comm, config, &ring);
done:
    provenance_free(&provenance);
    free(settings);
    return status;
}

static int check(const struct config *config) {
    TRY(text_options_check_mode(&config->text));
    TRY(train_options_check(&config->train));
    return model_options_check(&config->attention, &config->quantizer);
}

const struct job_entry TRAIN_JOB = {
    .job = JOB_TRAIN,
    .name = "train",
    .arguments = "",
    .summary = "vocabulary.h5 and text.h5 into checkpoint.h5",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
