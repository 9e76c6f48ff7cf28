/* train: vocabulary.h5 and text.h5 in, checkpoint.h5 out. The way to the inner loop: train (src/train/train.c),
 * training_step (src/train/step.c), MedTok's learner (src/medtok/learner.c), model_forward (src/medtok/model.c), the
 * primitives (kernels/kernels.h). */
#include <limits.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "jobs.h"
#include "model_settings.h"
#include "recipe.h"
#include "paths.h"
#include "train/train.h"

/* What needs less of the device's memory. */
static const char NEEDS_LESS[] = "a smaller train.batch or graph.max_nodes, or text.features: sentence";

static void announce(const struct training *t, const struct medtok_learner *m, int threads) {
    log_info("training on %lld codes: %d ranks x %d threads, device %s, batch %lld, %lld parameters",
             (long long)m->sampler.n_samples, t->comm->size, threads, t->device->name, (long long)m->sampler.n_strata,
             (long long)parameter_set_size(&m->parameters));
}

static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    (void)self;
    TRY(comm_agree(comm, provenance_add_input(provenance, "vocabulary", config->files.vocabulary)));
    return text_source_add_provenance(comm, &config->text, config->files.text, provenance);
}

static int make(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self) {
    struct checkpoint_ring ring = {config->files.checkpoint, provenance, config->train.keep, "files.checkpoint"};
    struct device device = {0};
    struct training training = {0};
    struct medtok_learner learner = {0};
    char metrics[PATH_MAX];
    int status, threads;
    (void)self;
    TRY(checkpoint_ring_guard(&ring, comm, config->force, config->train.resume == RESUME_AUTO));
    TRY_DONE(compute_device_open(comm, &config->run, NEEDS_LESS, &device, &threads));
    training_open(&training, comm, &device, &config->train);
    struct medtok_learner_options options = learner_options(config, threads);
    TRY_DONE(medtok_learner_make(&learner, &options, comm, &device));
    announce(&training, &learner, threads);
    config_metrics_path(config, metrics);
    status = train(&training, &learner.learner, &ring, metrics);
    TRY_DONE(stages_log(&training.stages, comm, "train", config->files.checkpoint,
                        (enum stages_shown)config->run.stages, status));
    log_info("wrote %s after %lld steps; metrics in %s", ring.final_path, (long long)training.state.step, metrics);
done:
    training_free(&training);
    medtok_learner_free(&learner);
    device_close(&device);
    return status;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct recipe recipe = {&TRAIN_JOB, KIND_CHECKPOINT, config->files.checkpoint, add_inputs, make};
    return recipe_run(&recipe, comm, config, NULL);
}

static int check(const struct config *config) {
    TRY(text_options_check_mode(&config->text));
    TRY(train_options_check(&config->train));
    if (config->model.text_map == TEXT_MAP_PRINCIPAL && config->text.mode == TEXT_ONLINE)
        return status_set(STATUS_USAGE,
                          "model.text_map: principal needs text.mode: cached, whose features it looks at");
    if (config->loss.parts > config->train.batch)
        return status_set(STATUS_USAGE, "loss.parts (%lld) must not be more than train.batch (%lld), the codes it cuts",
                          (long long)config->loss.parts, (long long)config->train.batch);
    if (config->quantizer.warmup >= config->train.steps)
        return status_set(
            STATUS_USAGE,
            "quantizer.warmup (%lld) must be less than train.steps (%lld): the codebook is made behind the "
            "warm-up, and learns from then on",
            (long long)config->quantizer.warmup, (long long)config->train.steps);
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
