/* evaluate: cohort.h5 in (and table.h5, where MedTok's vectors are an arm), models of health records trained on its split train, stopped by
 * tuning, and scored on held_out once, each training of a grid of models, arms, tasks, numbers of samples and seeds; results, scores and
 * predictions out. The way to a model: src/ehr/grid_run.c, src/ehr/evaluation.c, train (src/train/train.c), the learner
 * (src/ehr/learner.c), the model's file in src/ehr/models/. */
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "ehr/evaluation.h"
#include "ehr/grid_rates.h"
#include "ehr/grid_run.h"
#include "ehr/report.h"
#include "jobs.h"
#include "paths.h"
#include "store/h5file.h"

/* What needs less of the device's memory. */
static const char NEEDS_LESS[] = "a smaller ehr.batch or ehr.max_length";

struct evaluate {
    const struct config *config;
    struct device device;
    int threads;
    struct grid grid;
    struct grid_rates rates;
    struct results results;
    struct stages stages;
    char *cohort_id, *table_id; /* table_id: NULL if no arm reads one */
};

/* ---- load and check ---- */
static int read_id(const char *path, enum file_kind kind, char **id) {
    struct h5file *file;
    TRY(h5file_open(&file, path, kind));
    int status = h5file_get_text(file, "content_id", id);
    h5file_close(file);
    return status;
}

static int reads_table(const struct evaluate *x) {
    for (int64_t i = 0; i < x->grid.n; i++)
        if (arm_reads_table(x->grid.trials[i].options.arm)) return 1;
    return 0;
}

static int prepare(struct evaluate *x) {
    const struct config *c = x->config;
    TRY(grid_make(&x->grid, &c->ehr, (uint64_t)c->run.seed));
    TRY(read_id(c->files.cohort, KIND_COHORT, &x->cohort_id));
    return reads_table(x) ? read_id(c->files.table, KIND_TABLE, &x->table_id) : STATUS_OK;
}

static int check_outputs(const struct evaluate *x) {
    TRY(atomic_file_check(x->config->files.scores));
    return x->config->ehr.report[0] ? atomic_file_check(x->config->ehr.report) : STATUS_OK;
}

/* ---- the trainings ---- */
static void trial_path(const void *self, const struct grid_trial *trial, const char *ending, char path[PATH_MAX]) {
    const struct evaluate *x = self;
    config_trial_path(x->config, trial->name, ending, path);
}

/* Scores of futures depend on more than their training. */
static int add_futures(const struct ehr_options *o, struct provenance *p) {
    char text[96];
    snprintf(text, sizeof text, "%lld futures, %g days", (long long)o->futures, o->horizon);
    TRY(provenance_add_checksum(p, "futures", text, text));
    for (int i = 0; i < o->outcome.n; i++)
        TRY(provenance_add_checksum(p, "outcome", o->outcome.items[i], o->outcome.items[i]));
    return STATUS_OK;
}

static int add_inputs(const struct evaluate *x, const struct ehr_options *o, struct provenance *p) {
    const struct file_options *files = &x->config->files;
    TRY(provenance_add_input(p, "cohort", files->cohort));
    TRY(provenance_add_checksum(p, "task", o->task, o->task));
    for (int i = 0; i < o->also.n; i++) TRY(provenance_add_checksum(p, "also", o->also.items[i], o->also.items[i]));
    if (o->model == EHR_ETHOS) TRY(add_futures(o, p));
    if (arm_reads_table(o->arm)) TRY(provenance_add_input(p, "table", files->table));
    return arm_reads_text(o->arm) ? provenance_add_input(p, "text", files->text) : STATUS_OK;
}

/* With the settings that a training of its own would have. */
static int describe(const void *self, const struct grid_trial *trial, struct provenance *p) {
    const struct evaluate *x = self;
    struct config config = *x->config;
    char *settings;
    config.ehr = trial->options;
    config.run.seed = (int64_t)trial->seed;
    TRY(config_provenance(&config, JOB_EVALUATE, &settings));
    *p = (struct provenance){.job = EVALUATE_JOB.name, .config = settings};
    int status = add_inputs(x, &config.ehr, p);
    if (status == STATUS_OK) provenance_finish(p, KIND_RESULTS);
    return status;
}

/* Collective. Puts the results of all into one file, from which all ranks read them. */
static int share_results(struct evaluate *x, const struct comm *comm) {
    char path[PATH_MAX], *settings = NULL;
    struct provenance p = {.job = EVALUATE_JOB.name};
    int status = STATUS_OK;
    config_results_path(x->config, path);
    if (comm->rank == 0) {
        status = config_provenance(x->config, JOB_EVALUATE, &settings);
        p.config = settings;
        if (status == STATUS_OK) status = add_inputs(x, &x->config->ehr, &p);
        for (int64_t i = 0; i < x->results.n && status == STATUS_OK; i++)
            status = provenance_add_checksum(&p, "trial", x->results.trials[i].name, x->results.trials[i].key);
        if (status == STATUS_OK) provenance_finish(&p, KIND_RESULTS);
        if (status == STATUS_OK) status = results_write(&x->results, path, &p);
        provenance_free(&p);
        free(settings);
    }
    TRY(comm_agree(comm, status));
    results_free(&x->results);
    return comm_agree(comm, results_read(&x->results, path));
}

/* ---- the report ---- */
static int write_report(const struct evaluate *x, const struct ehr_report *report) {
    const struct config *c = x->config;
    ehr_report_print(report, stdout);
    TRY(output_flush());
    if (c->ehr.report[0]) TRY(ehr_report_write(report, c->ehr.report));
    TRY(ehr_report_write_json(report, c->files.scores));
    log_info("wrote %s", c->files.scores);
    return STATUS_OK;
}

static int make_report(struct evaluate *x, const struct comm *comm) {
    const struct config *c = x->config;
    struct bootstrap bootstrap = {.comm = comm,
                                  .seed = (uint64_t)c->run.seed, /* of all trainings the same resamples */
                                  .resamples = c->ehr.resamples,
                                  .threads = x->threads,
                                  .poll = interrupt_poll};
    struct ehr_report report = {.cohort_id = x->cohort_id,
                                .table_id = x->table_id,
                                .options = &c->ehr,
                                .results = &x->results,
                                .rates = &x->rates};
    int status = ehr_report_make(&report, &bootstrap);
    if (status == STATUS_OK) status = comm_agree(comm, comm->rank == 0 ? write_report(x, &report) : STATUS_OK);
    ehr_report_free(&report);
    return status;
}

/* What is the error if trainings failed. */
static int say_failed(const struct evaluate *x, int64_t n_failed) {
    const long long failed = n_failed + x->rates.n_failed, made = x->results.n + x->rates.n_failed;
    if (x->rates.n_failed)
        return status_set(STATUS_FAILED, "%lld of %lld trainings failed; the first, %s", failed, made,
                          x->rates.first_failure);
    for (int64_t i = 0; i < x->results.n; i++) {
        const struct result *r = &x->results.trials[i];
        if (r->failure[0] && made == 1) return status_set(STATUS_FAILED, "%s", r->failure);
        if (r->failure[0])
            return status_set(STATUS_FAILED, "%lld of %lld trainings failed; the first, %s: %s", failed, made, r->name,
                              r->failure);
    }
    return STATUS_OK;
}

/* ---- the job ---- */
/* Collective. Of the grid what has the rates that are chosen, if they are to be. */
static int choose_rates(struct evaluate *x, struct grid_run *run) {
    TRY(grid_rates_choose(&x->rates, run, &x->config->ehr, (uint64_t)x->config->run.seed));
    if (x->rates.n == 0) return STATUS_OK;
    run->candidates_made = 1;
    return comm_agree(run->comm, grid_keep_chosen(&x->grid, x->rates.chosen));
}

static int make_grid(struct evaluate *x, const struct comm *comm) {
    const struct config *c = x->config;
    struct grid_run run = {.comm = comm,
                           .device = &x->device,
                           .threads = x->threads,
                           .sums = c->run.sums,
                           .grid = &x->grid,
                           .cohort = c->files.cohort,
                           .table = c->files.table,
                           .text = c->files.text,
                           .force = c->force,
                           .stages = &x->stages,
                           .setting = "files.scores",
                           .path = trial_path,
                           .describe = describe,
                           .self = x};
    int64_t n_failed;
    TRY(comm_agree(comm, prepare(x)));
    TRY(comm_agree(comm, comm->rank == 0 ? check_outputs(x) : STATUS_OK));
    TRY(choose_rates(x, &run));
    TRY(grid_run(&run, &x->results, &n_failed));
    if (n_failed == x->grid.n) return comm_agree(comm, comm->rank == 0 ? say_failed(x, n_failed) : STATUS_OK);
    stage_begin(&x->stages, GRID_WRITE);
    TRY(share_results(x, comm));
    stage_begin(&x->stages, GRID_REPORT);
    TRY(make_report(x, comm));
    return say_failed(x, n_failed);
}

static int evaluate(struct evaluate *x, const struct comm *comm) {
    const struct config *c = x->config;
    stages_begin(&x->stages, &x->device, GRID_STAGE_NAMES, N_GRID_STAGES);
    x->stages.unit = "trainings";
    int status = compute_device_open(comm, &c->run, NEEDS_LESS, &x->device, &x->threads);
    if (status == STATUS_OK) status = make_grid(x, comm);
    return stages_log(&x->stages, comm, "evaluate", c->files.scores, (enum stages_shown)c->run.stages, status);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct evaluate x = {.config = config};
    int status = evaluate(&x, comm);
    results_free(&x.results);
    grid_rates_free(&x.rates);
    grid_free(&x.grid);
    free(x.cohort_id);
    free(x.table_id);
    device_close(&x.device);
    return status;
}

/* That the grid can be made: all of its models with their settings. */
static int check(const struct config *config) {
    struct grid grid;
    if (config->ehr.grid_rates.n && config_given(config, "ehr.rate"))
        return status_set(STATUS_USAGE, "ehr.rate is set, and ehr.grid.rates is to choose it: name one");
    int status = grid_make(&grid, &config->ehr, (uint64_t)config->run.seed);
    grid_free(&grid);
    return status;
}

const struct job_entry EVALUATE_JOB = {
    .job = JOB_EVALUATE,
    .name = "evaluate",
    .arguments = "",
    .summary = "cohort.h5 into scores of models of health records, with table.h5's vectors or without",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
