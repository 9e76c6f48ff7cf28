/* train: vocabulary.h5 and text.h5 in, checkpoint.h5 out. The way to the inner loop: train (src/train/train.c),
 * training_step (src/train/step.c), MedTok's learner (src/medtok/learner.c), model_forward (src/medtok/model.c), the
 * primitives (kernels/kernels.h). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sha256.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "dist/graph_partition.h"
#include "defaults.h"
#include "dist/reduce.h"
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

/* ---- train.from ---- */
/* The value of a key in lines `key: value`, and its length; NULL: it is not there. */
static const char *find_value(const char *lines, const char *key, size_t key_length, size_t *length) {
    for (const char *line = lines; line[0]; line += strcspn(line, "\n"), line += line[0] == '\n') {
        if (strncmp(line, key, key_length) != 0 || strncmp(line + key_length, ": ", 2) != 0) continue;
        *length = strcspn(line + key_length + 2, "\n");
        return line + key_length + 2;
    }
    return NULL;
}

/* What is otherwise there than here; settings of run.* do not shape what tokens mean. */
static void compare_lines(const char *there, const char *here, char *text, size_t size) {
    size_t used = 0, length = 0;
    text[0] = 0;
    for (const char *line = here; line[0] && used < size; line += strcspn(line, "\n"), line += line[0] == '\n') {
        size_t key = strcspn(line, ":"), own = strcspn(line, "\n") - key - 2;
        const char *value = find_value(there, line, key, &length);
        if (!value || strncmp(line, "run.", 4) == 0) continue;
        if (length == own && strncmp(value, line + key + 2, own) == 0) continue;
        used += (size_t)snprintf(text + used, size - used, "%s%.*s is %.*s there and %.*s here", used ? ", " : "",
                                 (int)key, line, (int)length, value, (int)own, line + key + 2);
    }
}

/* What a checkpoint of before the setting was trained with. */
enum { N_STARTS = 3, N_ADOPTED = 7 };
static const char *const STARTS[N_ADOPTED][2] = {
    {"graph.encoder_start", "random"}, {"model.text_map", "random"}, {"quantizer.init", "normal"},
    {"graph.node_start", "random"},    {"text.pool", "cls"},         {"quantizer.assign", "nearest"},
    {"model.text_specific", "map"}};

/* What the lines `there` hold of STARTS[i], and its length. */
static const char *start_there(const char *there, int i, size_t *length) {
    const char *value = find_value(there, STARTS[i][0], strlen(STARTS[i][0]), length);
    if (!value) *length = strlen(STARTS[i][1]);
    return value ? value : STARTS[i][1];
}

/* Defaults become what the other training began with, how it pooled, if it read texts itself, and how it chose tokens. */
static int adopt_start(struct config *config) {
    struct h5file *file = NULL;
    char *there = NULL, setting[128];
    int status;
    TRY_DONE(h5file_open(&file, config->continuation.from, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_text(file, "config", &there));
    for (int i = 0; i < N_ADOPTED; i++) {
        size_t n;
        const char *value = start_there(there, i, &n);
        if (config_given(config, STARTS[i][0])) continue;
        snprintf(setting, sizeof setting, "%s=%.*s", STARTS[i][0], (int)n, value);
        TRY_DONE(config_set(config, setting));
    }
done:
    free(there);
    h5file_close(file);
    return status;
}

/* What parameters first began as: here they begin as they ended there, so that another value would be of no effect, and recorded all the
 * same. */
static int check_same_start(const struct config *config, const char *there) {
    char *here = NULL;
    int status = config_provenance(config, JOB_TRAIN, &here);
    for (int i = 0; i < N_STARTS && status == STATUS_OK; i++) {
        const char *key = STARTS[i][0];
        size_t n, own = 0;
        const char *now = find_value(here, key, strlen(key), &own), *before = start_there(there, i, &n);
        if (now && (n != own || strncmp(before, now, n) != 0))
            status = status_set(
                STATUS_FAILED,
                "train.from: %s began with %s: %.*s, and what it learned goes on, so that %.*s would be of no effect: "
                "set %s=%.*s, or train anew",
                config->continuation.from, key, (int)n, before, (int)own, now, key, (int)n, before);
    }
    free(here);
    return status;
}

/* The settings of the model, those that tokenize takes from a checkpoint, must be those of the other training. */
static int check_same_model(const struct config *config) {
    struct config other = *config; /* shallow: only numbers and choices are set from the checkpoint */
    struct h5file *file = NULL;
    char *settings = NULL, *there = NULL, *here = NULL, difference[1024];
    int status;
    TRY_DONE(h5file_open(&file, config->continuation.from, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_text(file, "config", &settings));
    TRY_DONE(check_same_start(config, settings)); /* before adopting, which cuts the lines */
    settings_of_old_checkpoints(&other);
    TRY_DONE(config_adopt(&other, config->continuation.from, settings));
    TRY_DONE(config_provenance(&other, JOB_TOKENIZE, &there));
    TRY_DONE(config_provenance(config, JOB_TOKENIZE, &here));
    compare_lines(there, here, difference, sizeof difference);
    if (difference[0])
        status = status_set(STATUS_FAILED, "train.from: %s is of another model (%s): train with its settings, or anew",
                            config->continuation.from, difference);
done:
    free(settings);
    free(there);
    free(here);
    h5file_close(file);
    return status;
}

/* Features of another encoder mean something else, though they be of the same width. */
static int check_same_encoder(const char *path, const char *inputs) {
    struct h5file *file = NULL;
    char *before = NULL, there[PATH_MAX], here[PATH_MAX];
    int status;
    TRY_DONE(h5file_open(&file, path, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_text(file, "inputs", &before));
    provenance_find_path(before, TEXT_ENCODER_INPUT, there, sizeof there);
    provenance_find_path(inputs, TEXT_ENCODER_INPUT, here, sizeof here);
    if (!there[0])
        log_warn(
            "%s does not tell what text encoder it was trained with: whether it is that of the features here (%s) "
            "is not known",
            path, here);
    else if (!provenance_same_inputs(inputs, before, TEXT_ENCODER_INPUT))
        status = status_set(
            STATUS_FAILED,
            "train.from: %s was trained on text features of the encoder %s, and those here are of %s%s: "
            "encode as it was trained, or train anew",
            path, there, here, strcmp(there, here) == 0 ? " with other weights, or another run.seed or n-grams" : "");
done:
    free(before);
    h5file_close(file);
    return status;
}

/* By SHA-256, which whoever has the file can make again. */
static int add_parent(const struct config *config, struct provenance *provenance) {
    const char *path = config->continuation.from;
    const struct continuation_options options = {path, config->continuation.from_vocabulary, config->files.vocabulary,
                                                 config->continuation.anchor};
    char sum[65] = "";
    if (!path[0]) return STATUS_OK;
    TRY(check_same_model(config));
    TRY(check_same_encoder(path, provenance->inputs));
    TRY(sha256_file(path, sum));
    TRY(provenance_add_checksum(provenance, "from", path, sum));
    return continuation_add_provenance(&options, provenance);
}

static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    (void)self;
    TRY(comm_agree(comm, provenance_add_input(provenance, "vocabulary", config->files.vocabulary)));
    TRY(text_source_add_provenance(comm, &config->text, config->files.text, provenance));
    if (train_partition(&config->train) == PARTITION_GRAPH)
        TRY(provenance_add_checksum(provenance, "partitioner", "METIS", graph_partition_version()));
    int status = STATUS_OK;
    if (comm->rank == 0) status = text_source_add_encoder(&config->text, config->files.text, provenance);
    if (comm->rank == 0 && status == STATUS_OK) status = add_parent(config, provenance);
    return provenance_share(comm, provenance, status);
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
    TRY_DONE(sums_choose(comm, config->run.sums, &device));
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

static int run(const struct comm *comm, const struct config *given, const struct job_arguments *arguments) {
    (void)arguments;
    struct config config = *given; /* shallow: only choices are set */
    struct recipe recipe = {&TRAIN_JOB, KIND_CHECKPOINT, config.files.checkpoint, add_inputs, make};
    if (config.continuation.from[0])
        TRY(comm_agree(comm, adopt_start(&config)));
    else
        defaults_warn_of_rate(&config);
    defaults_by_settings(&config, 1);
    TRY(defaults_of_train(comm, &config));
    return recipe_run(&recipe, comm, &config, NULL);
}

static int check(const struct config *config) {
    TRY(text_options_check_mode(&config->text));
    TRY(train_options_check(&config->train));
    if (config->model.text_map == TEXT_MAP_PRINCIPAL && config->text.mode == TEXT_ONLINE)
        return status_set(STATUS_USAGE,
                          "model.text_map: principal needs text.mode: cached, whose features it looks at");
    if (config->graph.node_start == NODE_START_TEXT && config->text.mode == TEXT_ONLINE)
        return status_set(
            STATUS_USAGE,
            "graph.node_start: text needs text.mode: cached: the features of nodes' names are in text.h5");
    if (config->loss.parts > config->train.batch)
        return status_set(STATUS_USAGE, "loss.parts (%lld) must not be more than train.batch (%lld), the codes it cuts",
                          (long long)config->loss.parts, (long long)config->train.batch);
    if (config->quantizer.warmup >= config->train.steps)
        return status_set(
            STATUS_USAGE,
            "quantizer.warmup (%lld) must be less than train.steps (%lld): the codebook is made behind the "
            "warm-up, and learns from then on",
            (long long)config->quantizer.warmup, (long long)config->train.steps);
    return model_options_check(&config->graph, &config->attention, &config->quantizer);
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
