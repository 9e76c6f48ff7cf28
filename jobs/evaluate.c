/* evaluate: cohort.h5 in (and table.h5, where MedTok's vectors are the arm), a model of health records trained on its split train,
 * stopped by tuning, and scored on held_out once, for each seed; scores and predictions out. The way to the model:
 * src/ehr/evaluation.c, train (src/train/train.c), the learner (src/ehr/learner.c), the model's file in src/ehr/models/. */
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "ehr/predictions.h"
#include "ehr/report.h"
#include "jobs.h"
#include "paths.h"
#include "recipe.h"

/* What needs less of the device's memory. */
static const char NEEDS_LESS[] = "a smaller ehr.batch or ehr.max_length";

struct evaluate {
    const struct config *config;
    struct device device;
    struct ehr_evaluation evaluation;
    struct trial *trials; /* [ehr.seeds] */
    char *cohort_id, *table_id;
};

/* ---- load and check ---- */
static int read_id(const char *path, enum file_kind kind, char **id) {
    struct h5file *file;
    TRY(h5file_open(&file, path, kind));
    int status = h5file_get_text(file, "content_id", id);
    h5file_close(file);
    return status;
}

static int prepare(struct evaluate *x, const struct comm *comm) {
    const struct config *c = x->config;
    TRY(mem_alloc(&x->trials, c->ehr.seeds, sizeof *x->trials));
    if (comm->rank > 0) return STATUS_OK;
    TRY(atomic_file_check(c->files.scores));
    TRY(read_id(c->files.cohort, KIND_COHORT, &x->cohort_id));
    return ehr_reads_table(&c->ehr) ? read_id(c->files.table, KIND_TABLE, &x->table_id) : STATUS_OK;
}

/* ---- one seed ---- */
static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    const struct evaluate *x = self;
    const char *task = x->evaluation.data.tasks[0].name;
    int status = provenance_add_input(provenance, "cohort", config->files.cohort);
    if (status == STATUS_OK) status = provenance_add_checksum(provenance, "task", task, task);
    if (status == STATUS_OK && ehr_reads_table(&config->ehr))
        status = provenance_add_input(provenance, "table", config->files.table);
    return comm_agree(comm, status);
}

static int train_model(const struct comm *comm, const struct config *config, const struct provenance *provenance,
                       void *self) {
    struct evaluate *x = self;
    char path[PATH_MAX], metrics[PATH_MAX];
    struct checkpoint_ring ring = {path, provenance, ehr_train_options(&config->ehr, STAGE_TASK).keep, "files.scores"};
    config_seed_path(config, config->run.seed, ".h5", path);
    config_seed_path(config, config->run.seed, ".jsonl", metrics);
    TRY(checkpoint_ring_guard(&ring, comm, config->force, 1));
    return ehr_evaluation_train(&x->evaluation, (uint64_t)config->run.seed, &ring, metrics);
}

static int score(struct evaluate *x, const struct comm *comm, int64_t seed, struct trial *trial) {
    const struct config *c = x->config;
    char checkpoint[PATH_MAX], predictions[PATH_MAX], meds[PATH_MAX];
    struct trial_files files = {predictions, meds};
    struct bootstrap bootstrap = {.comm = comm,
                                  .seed = (uint64_t)c->run.seed, /* of all seeds the same resamples */
                                  .resamples = c->ehr.resamples,
                                  .threads = x->evaluation.threads,
                                  .poll = interrupt_poll};
    config_seed_path(c, seed, ".h5", checkpoint);
    config_seed_path(c, seed, predictions_ending(&c->ehr), predictions);
    config_seed_path(c, seed, ".meds.json", meds);
    return ehr_evaluation_score(&x->evaluation, (uint64_t)seed, checkpoint, &files, &bootstrap, trial);
}

static int run_trial(struct evaluate *x, const struct comm *comm, int64_t i) {
    struct config config = *x->config; /* with the seed of the trial, for the provenance */
    char path[PATH_MAX];
    struct recipe recipe = {&EVALUATE_JOB, KIND_CHECKPOINT, path, add_inputs, train_model};
    config.run.seed += i;
    config_seed_path(&config, config.run.seed, ".h5", path);
    TRY(recipe_run(&recipe, comm, &config, x));
    return score(x, comm, config.run.seed, &x->trials[i]);
}

/* ---- the job ---- */
static int report(struct evaluate *x) {
    struct ehr_report r = {.cohort_id = x->cohort_id,
                           .table_id = x->table_id,
                           .options = &x->config->ehr,
                           .data = &x->evaluation.data,
                           .trials = x->trials,
                           .n = x->config->ehr.seeds};
    ehr_report_print(&r);
    TRY(output_flush());
    TRY(ehr_report_write(&r, x->config->files.scores));
    log_info("wrote %s", x->config->files.scores);
    return STATUS_OK;
}

static int evaluate(struct evaluate *x, const struct comm *comm) {
    TRY(comm_agree(comm, prepare(x, comm)));
    TRY(ehr_evaluation_load(&x->evaluation));
    for (int64_t i = 0; i < x->config->ehr.seeds; i++) {
        TRY(comm_agree(comm, interrupt_poll()));
        TRY(run_trial(x, comm, i));
    }
    return comm_agree(comm, comm->rank == 0 ? report(x) : STATUS_OK);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct evaluate x = {.config = config};
    x.evaluation = (struct ehr_evaluation){.comm = comm,
                                           .device = &x.device,
                                           .settings = &config->ehr,
                                           .data_seed = (uint64_t)config->run.seed,
                                           .cohort = config->files.cohort,
                                           .table = config->files.table};
    int status = compute_device_open(comm, &config->run, NEEDS_LESS, &x.device, &x.evaluation.threads);
    if (status == STATUS_OK) status = evaluate(&x, comm);
    ehr_evaluation_free(&x.evaluation);
    free(x.trials);
    free(x.cohort_id);
    free(x.table_id);
    device_close(&x.device);
    return status;
}

static int check(const struct config *config) {
    struct ehr_options sized;
    return ehr_options_sized(&config->ehr, &sized);
}

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
