/* qa-train: a language model learns to answer questions, with or without vectors of codes before them. The way to the inner loop: train
 * (src/train/train.c), the learner (src/qa/answer_learner.c), the model (src/qa/answer_model.c), llama_hidden (src/lm/llama.c). */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "dist/reduce.h"
#include "jobs.h"
#include "lm/model_id.h"
#include "qa/answer_learner.h"
#include "recipe.h"
#include "train/saving.h"
#include "train/train.h"

static const char NEEDS_LESS[] = "a smaller qa.batch with more qa.micro_batches, or a smaller qa.max_tokens";

/* No question that will be answered may be learned from. */
static int check_leaks(const struct comm *comm, const struct qa_options *o, const struct questions *questions) {
    for (int i = 0; i < o->tests.n; i++) {
        struct questions tests = {0};
        int64_t n = 0, pair[2] = {0, 0};
        int status = questions_read(comm, o->tests.items[i], &tests);
        if (status == STATUS_OK) status = questions_shared_stems(questions, &tests, &n, pair);
        if (status == STATUS_OK && n)
            status = status_set(
                STATUS_FAILED,
                "%s: %lld of its questions have the stem of one in %s (first: %s and %s): take them out of it",
                o->questions, (long long)n, o->tests.items[i], questions->items[pair[0]].id, tests.items[pair[1]].id);
        questions_free(&tests);
        TRY(comm_agree(comm, status));
    }
    return STATUS_OK;
}

static int add_model(struct provenance *provenance, const char *folder) {
    char id[33];
    TRY(model_folder_id(folder, id));
    return provenance_add_checksum(provenance, "model", folder, id);
}

static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    const struct qa_options *o = &config->qa;
    (void)self;
    TRY(comm_agree(comm, provenance_add_input(provenance, "questions", o->questions)));
    if (prefix_has_vectors(o->prefix))
        TRY(comm_agree(comm, provenance_add_input(provenance, "table", config->files.table)));
    if (o->prefix == QA_PREFIX_DESCRIPTIONS)
        TRY(comm_agree(comm, provenance_add_input(provenance, "vocabulary", config->files.vocabulary)));
    return comm_agree(comm, add_model(provenance, o->model));
}

static struct answer_terms terms_of(const struct config *config) {
    return (struct answer_terms){.options = &config->qa,
                                 .table = config->files.table,
                                 .vocabulary = config->files.vocabulary,
                                 .precision = (enum precision_of_products)config->run.compute,
                                 .seed = (uint64_t)config->run.seed,
                                 .trains = 1};
}

/* ---- the adapter ---- */
static int save_adapter(const struct comm *comm, struct answer_model *model, const char *training) {
    TRY(comm_agree(comm, comm->rank == 0 ? answer_model_save(model, training) : STATUS_OK));
    log_info("wrote the adapter %s", model->options.adapter);
    return STATUS_OK;
}

/* The key of the finished checkpoint, and whether the adapter is there and of it. */
static int look_at_adapter(const struct qa_options *o, char training[33], int *is_current) {
    struct h5file *file = NULL;
    char *key = NULL;
    int status;
    TRY_DONE(h5file_open(&file, o->checkpoint, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_text(file, "provenance_key", &key));
    snprintf(training, 33, "%s", key);
    TRY_DONE(adapter_is_of(o->adapter, training, is_current));
done:
    free(key);
    h5file_close(file);
    return status;
}

/* A training that was finished before is not done again, but its adapter is written if it is asked for and not there. */
static int write_missing_adapter(const struct comm *comm, const struct config *config,
                                 const struct questions *questions) {
    const struct answer_terms terms = terms_of(config);
    struct device device = {0};
    struct answer_model model = {0};
    char training[33] = "";
    int64_t step;
    int status, threads, is_current = 0;
    if (!config->qa.adapter[0]) return STATUS_OK;
    status = comm->rank == 0 ? look_at_adapter(&config->qa, training, &is_current) : STATUS_OK;
    TRY(comm_agree(comm, status));
    TRY(comm_broadcast(comm, &is_current, sizeof is_current));
    if (is_current) return STATUS_OK;
    TRY_DONE(compute_device_open(comm, &config->run, NEEDS_LESS, &device, &threads));
    TRY_DONE(comm_agree(comm, answer_model_open(&model, &device, &terms, questions)));
    TRY_DONE(comm_agree(comm, parameters_load(&model.parameters, config->qa.checkpoint, 0, &step)));
    TRY_DONE(save_adapter(comm, &model, training));
done:
    answer_model_close(&model);
    device_close(&device);
    return status;
}

/* ---- the training ---- */
static int learn(const struct comm *comm, const struct config *config, const struct checkpoint_ring *ring,
                 struct device *device, struct answer_model *model) {
    const struct train_options options = answer_train_options(&config->qa);
    struct training training = {0};
    struct answer_learner learner = {0};
    int status = comm_agree(comm, answer_learner_make(&learner, comm, model, (uint64_t)config->run.seed));
    training_open(&training, comm, device, &options);
    if (status == STATUS_OK) status = train(&training, &learner.learner, ring, config->qa.metrics);
    training_free(&training);
    answer_learner_free(&learner);
    TRY(status);
    log_info("wrote %s", ring->final_path);
    return config->qa.adapter[0] ? save_adapter(comm, model, ring->provenance->key) : STATUS_OK;
}

static int make(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self) {
    struct checkpoint_ring ring = {config->qa.checkpoint, provenance, 2, "qa.checkpoint"};
    const struct questions *questions = self;
    const struct answer_terms terms = terms_of(config);
    struct device device = {0};
    struct answer_model model = {0};
    int status, threads;
    TRY(checkpoint_ring_guard(&ring, comm, config->force, !config->force));
    TRY_DONE(compute_device_open(comm, &config->run, NEEDS_LESS, &device, &threads));
    TRY_DONE(sums_choose(comm, config->run.sums, &device));
    TRY_DONE(comm_agree(comm, answer_model_open(&model, &device, &terms, questions)));
    log_info("learning from %lld questions: %d ranks x %d threads, device %s, batch %lld, %lld parameters",
             (long long)questions->n, comm->size, threads, device.name, (long long)config->qa.batch,
             (long long)parameter_set_size(&model.parameters));
    TRY_DONE(learn(comm, config, &ring, &device, &model));
done:
    answer_model_close(&model);
    device_close(&device);
    return status;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    struct recipe recipe = {&QA_TRAIN_JOB, KIND_CHECKPOINT, config->qa.checkpoint, add_inputs, make};
    struct questions questions = {0};
    int status;
    (void)arguments;
    TRY_DONE(questions_read(comm, config->qa.questions, &questions));
    TRY_DONE(check_leaks(comm, &config->qa,
                         &questions)); /* of a finished training too: which tests there are is no part of it */
    TRY_DONE(recipe_run(&recipe, comm, config, &questions));
    TRY_DONE(write_missing_adapter(comm, config, &questions));
done:
    questions_free(&questions);
    return status;
}

static int check(const struct config *config) {
    if (!config->qa.model[0]) return status_set(STATUS_USAGE, "qa.model is empty: name the folder of a language model");
    if (!config->qa.questions[0]) return status_set(STATUS_USAGE, "qa.questions is empty: name a file of questions");
    return STATUS_OK;
}

const struct job_entry QA_TRAIN_JOB = {
    .job = JOB_QA_TRAIN,
    .name = "qa-train",
    .arguments = "",
    .summary = "a language model learns to answer questions, with vectors of codes before them",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
