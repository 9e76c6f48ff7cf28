/* encode: descriptions in, text.h5 out. */
#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "dist/stages.h"
#include "defaults.h"
#include "jobs.h"
#include "text/text_source.h"
#include "recipe.h"
#include "text/encode.h"

/* What needs less of the device's memory. */
static const char NEEDS_LESS[] = "a smaller text.max_tokens";

static int open_device(const struct comm *comm, const struct config *config, struct device *device, int *n_threads) {
    struct run_options run = config->run;
    run.compute = COMPUTE_FP32; /* no setting of this job: the encoder multiplies in text.compute */
    if (config->text.encoder == TEXT_HASHED_NGRAMS && run.device == DEVICE_AUTO)
        run.device = DEVICE_CPU; /* no use for a GPU */
    return compute_device_open(comm, &run, NEEDS_LESS, device, n_threads);
}

static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    const char *like = self;
    TRY(comm_agree(comm, provenance_add_input(provenance, "vocabulary", config->files.vocabulary)));
    if (config->text.encoder == TEXT_BERT) TRY(text_source_add_model(comm, config->text.model, provenance));
    return like ? comm_agree(comm, encoding_check_model(provenance, like, config->text.model)) : STATUS_OK;
}

static int make(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self) {
    struct device device = {0};
    struct stages stages;
    struct encoding e = {.comm = comm,
                         .device = &device,
                         .options = &config->text,
                         .seed = (uint64_t)config->run.seed,
                         .vocabulary = config->files.vocabulary,
                         .path = config->files.text,
                         .stages = &stages};
    int status;
    (void)self;
    stages_begin(&stages, &device, ENCODE_STAGE_NAMES, ENCODE_STAGES);
    stage_begin(&stages, ENCODE_PLAN);
    TRY_DONE(open_device(comm, config, &device, &e.n_threads));
    TRY_DONE(encoding_plan(&e));
    status = encoding_run(&e, provenance);
    TRY_DONE(stages_log(&stages, comm, "encode", config->files.text, (enum stages_shown)config->run.stages, status));
    log_info("wrote %s", config->files.text);
done:
    encoding_free(&e);
    device_close(&device);
    return status;
}

int encode_descriptions(const struct comm *comm, const struct config *given, char *like) {
    struct config config = *given; /* shallow: only a choice is set */
    struct recipe recipe = {&ENCODE_JOB, KIND_TEXT, config.files.text, add_inputs, make};
    TRY(defaults_of_encode(comm, &config));
    TRY(recipe_run(&recipe, comm, &config, like));
    if (comm->rank == 0)
        part_journal_tidy(config.files.text); /* of a run that was killed as soon as the file had its name */
    return STATUS_OK;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    return encode_descriptions(comm, config, NULL);
}

static int check(const struct config *config) { return text_options_check_encoder(&config->text); }

const struct job_entry ENCODE_JOB = {
    .job = JOB_ENCODE,
    .name = "encode",
    .arguments = "",
    .summary = "descriptions into text.h5",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
