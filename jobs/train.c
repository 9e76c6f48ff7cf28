/* train: vocabulary.h5 and text.h5 in, checkpoint.h5 out. The way to the inner loop: trainer_step (src/medtok/trainer.c),
 * model_forward (src/medtok/model.c), the primitives (kernels/kernels.h). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "jobs.h"
#include "medtok/checkpoint_ring.h"
#include "medtok/compute_device.h"
#include "medtok/evaluation.h"
#include "medtok/metrics.h"

static int metrics_path(const struct config *config, char *path, size_t size) {
    const char *checkpoint = config->files.checkpoint;
    size_t n = strlen(checkpoint);
    if (config->files.metrics[0])
        snprintf(path, size, "%s", config->files.metrics);
    else
        snprintf(path, size, "%.*s.jsonl", (int)(n > 3 && !strcmp(checkpoint + n - 3, ".h5") ? n - 3 : n), checkpoint);
    return STATUS_OK;
}

static int evaluate(struct trainer *t, struct evaluation *evaluation, struct metrics *metrics) {
    struct quality quality;
    double since = clock_seconds();
    stage_begin(&t->stages, STAGE_EVALUATE);
    TRY(evaluation_run(evaluation, &quality));
    TRY(comm_agree(t->comm, metrics_quality(metrics, t, &quality, clock_seconds() - since)));
    stage_end(&t->stages);
    return STATUS_OK;
}

static int save(struct trainer *t, struct checkpoint_ring *ring) {
    stage_begin(&t->stages, STAGE_SAVE);
    TRY(checkpoint_ring_save(ring, t));
    stage_end(&t->stages);
    return STATUS_OK;
}

static int train_steps(struct trainer *t, struct evaluation *evaluation, struct checkpoint_ring *ring,
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

static int train(const struct comm *comm, const struct config *config, const struct provenance *provenance) {
    struct device device = {0};
    struct trainer trainer = {0};
    struct evaluation evaluation = {0};
    struct metrics metrics = {0};
    struct checkpoint_ring ring = {config->files.checkpoint, provenance, config->train.keep};
    char path[PATH_MAX];
    int status, threads;
    TRY_DONE(compute_device_open(comm, config, &device, &threads));
    TRY_DONE(trainer_make(&trainer, config, comm, &device));
    log_info("training on %lld codes: %d ranks x %d threads, device %s, batch %lld, %lld parameters",
             (long long)trainer.sampler.n_codes, comm->size, threads, device.name, (long long)trainer.sampler.n_strata,
             (long long)(trainer.parameters.n_dense + trainer.parameters.list[trainer.parameters.nodes].rows *
                                                          trainer.parameters.list[trainer.parameters.nodes].cols));
    TRY_DONE(evaluation_make(&evaluation, &trainer, threads));
    if (config->train.resume == RESUME_AUTO) TRY_DONE(checkpoint_ring_resume(&ring, &trainer));
    TRY_DONE(comm_agree(comm, interrupt_poll()));
    if (trainer.step == 0) TRY_DONE(trainer_begin(&trainer));
    TRY_DONE(metrics_path(config, path, sizeof path));
    TRY_DONE(metrics_open(&metrics, &trainer, path));
    status = train_steps(&trainer, &evaluation, &ring, &metrics);
    TRY_DONE(stages_log(&trainer.stages, comm, "train", status));
    log_info("wrote %s after %lld steps; metrics in %s", config->files.checkpoint, (long long)trainer.step, path);
done:
    if (metrics_close(&metrics) != STATUS_OK && status == STATUS_OK) status = STATUS_ALONE;
    evaluation_free(&evaluation);
    trainer_free(&trainer);
    device_close(&device);
    return status;
}

int job_train(const struct comm *comm, const struct config *config) {
    struct provenance provenance = {.job = "train"};
    char *settings = NULL;
    int status = config_provenance(config, JOB_TRAIN, &settings);
    provenance.config = settings;
    if (status == STATUS_OK) status = provenance_add_input(&provenance, "vocabulary", config->files.vocabulary);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(text_source_add_provenance(comm, config, &provenance));
    provenance_finish(&provenance, CHECKPOINT_VERSION);
    if (h5file_up_to_date(config->files.checkpoint, CHECKPOINT_KIND, CHECKPOINT_VERSION, provenance.key)) {
        log_info("%s is up to date", config->files.checkpoint);
        goto done;
    }
    status = train(comm, config, &provenance);
done:
    provenance_free(&provenance);
    free(settings);
    return status;
}
