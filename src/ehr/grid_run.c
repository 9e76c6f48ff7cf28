/* The plan, the groups, and one training after the other in each. Files of one training: ehr/trial_files.c. */
#include "ehr/grid_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "dist/gather.h"
#include "dist/reduce.h"
#include "dist/work_counter.h"
#include "ehr/evaluation.h"
#include "ehr/trial_files.h"

#define TRAIN_STAGE(number, name) "train " name,
const char *const GRID_STAGE_NAMES[N_GRID_STAGES] = {"plan",  "load", EHR_MODELS(TRAIN_STAGE) "score",
                                                     "write", "wait", "report"};

enum { FAILURE = 1500 };
struct failure {
    int64_t trial;
    char message[FAILURE];
};

/* What a group has. */
struct worker_group {
    const struct grid_run *run;
    struct comm comm;
    struct work_counter *counter;
    int64_t n_todo, *todo;        /* trainings that are left, the longest first */
    struct ehr_evaluation loaded; /* data of the last training */
    const struct grid_trial *of;  /* whose; NULL: none */
    struct failure *failures;     /* [n_failures] of this group, on its first rank */
    long long n_failures, capacity;
};

/* ---- the plan, on rank 0 ---- */
static int plan_trial(const struct grid_run *run, const struct grid_trial *trial, uint8_t *is_done) {
    struct comm self = comm_self();
    struct trial_paths paths;
    struct provenance provenance = {0};
    struct checkpoint_ring ring = {paths.checkpoint, &provenance, 1, run->setting};
    int forces = grid_run_forces(run, trial);
    trial_paths_make(&paths, run, trial);
    int status = path_make_folder_of(paths.checkpoint);
    if (status == STATUS_OK) status = run->describe(run->self, trial, &provenance);
    if (status == STATUS_OK) status = trial_results_current(&paths, run, trial, &provenance, is_done);
    if (status == STATUS_OK && !*is_done) status = checkpoint_ring_guard(&ring, &self, forces, !forces);
    trial_provenance_free(&provenance);
    return status;
}

static int plan(const struct grid_run *run, uint8_t *is_done) {
    for (int64_t i = 0; i < run->grid->n; i++) {
        TRY(interrupt_poll());
        TRY(plan_trial(run, &run->grid->trials[i], &is_done[i]));
    }
    return STATUS_OK;
}

static int list_todo(const struct grid_run *run, int64_t *n_todo, int64_t **todo) {
    const struct grid *g = run->grid;
    uint8_t *is_done = NULL;
    *todo = NULL;
    *n_todo = 0;
    int status = mem_alloc(&is_done, g->n, 1);
    if (status == STATUS_OK) status = mem_alloc(todo, g->n, sizeof **todo);
    if (status == STATUS_OK && run->comm->rank == 0) status = plan(run, is_done);
    status = comm_agree(run->comm, status);
    if (status == STATUS_OK) status = comm_broadcast(run->comm, is_done, g->n);
    for (int64_t i = 0; i < g->n && status == STATUS_OK; i++)
        if (!is_done[g->by_cost[i]]) (*todo)[(*n_todo)++] = g->by_cost[i];
    free(is_done);
    return status;
}

/* ---- one training, in a group ---- */
/* Data of the training, which may be those of the last one. */
static int load(struct worker_group *w, const struct grid_trial *trial) {
    struct ehr_evaluation *x = &w->loaded;
    if (w->of && grid_same_data(w->of, trial)) return ehr_evaluation_set(x, &trial->options);
    ehr_evaluation_free(x);
    *x = (struct ehr_evaluation){.comm = &w->comm,
                                 .device = w->run->device,
                                 .threads = w->run->threads,
                                 .anew = grid_run_forces(w->run, trial),
                                 .settings = &trial->options,
                                 .data_seed = trial->seed,
                                 .cohort = w->run->cohort,
                                 .table = w->run->table,
                                 .text = w->run->text};
    w->of = NULL;
    TRY(ehr_evaluation_load(x));
    w->of = trial;
    return STATUS_OK;
}

static int train_and_score(struct worker_group *w, const struct grid_trial *trial, const struct trial_paths *paths,
                           const struct provenance *provenance, struct result *result,
                           struct result_samples *samples[N_RESULT_SPLITS]) {
    struct checkpoint_ring ring = {paths->checkpoint, provenance, 1, w->run->setting};
    int is_trained = 0;
    if (!grid_run_forces(w->run, trial))
        TRY(h5file_up_to_date(&w->comm, paths->checkpoint, KIND_CHECKPOINT, provenance->key, &is_trained));
    stage_begin(w->run->stages, GRID_LOAD);
    TRY(load(w, trial));
    stage_begin(w->run->stages, GRID_TRAIN + (int)trial->options.model);
    if (!is_trained) TRY(ehr_evaluation_train(&w->loaded, trial->seed, &ring, paths->metrics));
    stage_begin(w->run->stages, GRID_SCORE);
    return ehr_evaluation_score(&w->loaded, trial->seed, paths->checkpoint, result, samples);
}

static int run_trial(struct worker_group *w, const struct grid_trial *trial) {
    struct provenance provenance = {0};
    struct trial_paths paths;
    struct result result = {.seed = (int64_t)trial->seed};
    struct result_samples *samples[N_RESULT_SPLITS] = {0};
    double since = clock_seconds();
    trial_paths_make(&paths, w->run, trial);
    int status = comm_agree(&w->comm, w->run->describe(w->run->self, trial, &provenance));
    if (status == STATUS_OK) status = train_and_score(w, trial, &paths, &provenance, &result, samples);
    result.seconds = clock_seconds() - since;
    stage_begin(w->run->stages, GRID_WRITE);
    if (status == STATUS_OK && w->comm.rank == 0)
        status = trial_files_write(&paths, w->run, trial, w->loaded.data.tasks[0].name, &provenance, &result, samples);
    result_free(&result);
    for (int s = 0; s < N_RESULT_SPLITS; s++) result_samples_free(samples[s]);
    trial_provenance_free(&provenance);
    stage_end(w->run->stages);
    if (status == STATUS_ALONE && w->comm.size == 1) status = STATUS_FAILED; /* nobody waits for it */
    return status == STATUS_ALONE ? status : comm_agree(&w->comm, status);
}

/* ---- a group ---- */
static int add_failure(struct worker_group *w, int64_t trial) {
    if (w->comm.rank > 0) return STATUS_OK;
    char message[FAILURE];
    snprintf(message, sizeof message, "%.*s", FAILURE - 1, status_message());
    if (w->run->grid->n > 1) log_warn("%s failed, the others go on: %s", w->run->grid->trials[trial].name, message);
    TRY(mem_grow(&w->failures, &w->capacity, w->n_failures + 1, sizeof *w->failures));
    struct failure *f = &w->failures[w->n_failures++];
    *f = (struct failure){.trial = trial};
    memcpy(f->message, message, sizeof message);
    return STATUS_OK;
}

/* The next training of the group; n_todo or more: there is none. */
static int take(struct worker_group *w, int64_t *piece) {
    int status = STATUS_OK;
    if (interrupt_asked())
        status = status_set(STATUS_INTERRUPTED,
                            "stopped by a signal; trainings that are finished are kept: run the same "
                            "command again to go on");
    TRY(comm_agree(&w->comm, status));
    TRY(comm_agree(&w->comm, w->comm.rank == 0 ? work_counter_take(w->counter, piece) : STATUS_OK));
    return comm_broadcast(&w->comm, piece, sizeof *piece);
}

static int work(struct worker_group *w) {
    const struct grid *g = w->run->grid;
    int64_t piece = 0;
    for (;;) {
        TRY(take(w, &piece));
        if (piece >= w->n_todo) return STATUS_OK;
        const struct grid_trial *trial = &g->trials[w->todo[piece]];
        log_info("%s: %lld of %lld trainings that are left", trial->name, (long long)piece + 1, (long long)w->n_todo);
        int status = run_trial(w, trial);
        if (status == STATUS_FAILED || (status == STATUS_USAGE && g->n > 1)) /* one alone keeps its exit code */
            status = comm_agree(&w->comm, add_failure(w, w->todo[piece]));
        TRY(status);
    }
}

static void log_groups(const struct grid_run *run, int64_t n_todo, int size) {
    if (run->grid->n == 1) return;
    log_info("%lld of %lld trainings are to be made, on %d groups of %d ranks", (long long)n_todo,
             (long long)run->grid->n, (run->comm->size + size - 1) / size, size);
}

/* Collective. All failures, on every rank. */
static int work_in_groups(const struct grid_run *run, int64_t n_todo, int64_t *todo, int64_t *n_failures,
                          struct failure **failures) {
    int size = grid_group_size(run->grid, n_todo, run->comm->size), stop_status = STATUS_OK;
    struct work_counter counter = {0};
    struct worker_group w = {.run = run, .counter = &counter, .n_todo = n_todo, .todo = todo};
    log_groups(run, n_todo, size);
    TRY(comm_split(run->comm, run->comm->rank / size, &w.comm));
    int status = comm_agree(run->comm, sums_choose(&w.comm, run->sums, run->device));
    if (status != STATUS_OK) {
        comm_free(&w.comm);
        return status;
    }
    status = work_counter_open(&counter, run->comm);
    if (status == STATUS_OK) status = work(&w);
    if (status == STATUS_ALONE) return status;
    if (status != STATUS_OK) stop_status = work_counter_stop(&counter); /* what others have begun they finish */
    ehr_evaluation_free(&w.loaded);
    stage_begin(run->stages, GRID_WAIT);
    status = comm_agree(run->comm, status != STATUS_OK ? status : stop_status);
    work_counter_close(&counter);
    stage_end(run->stages);
    if (status == STATUS_OK)
        status = comm_gather_rows(run->comm, w.n_failures, sizeof *w.failures, w.failures, n_failures, failures);
    free(w.failures);
    comm_free(&w.comm);
    return status;
}

/* ---- the whole ---- */
static int collect(const struct grid_run *run, int64_t n_failures, const struct failure *failures,
                   struct results *results) {
    for (int64_t i = 0; i < run->grid->n; i++) {
        const struct failure *failed = NULL;
        struct trial_paths paths;
        for (int64_t k = 0; k < n_failures; k++)
            if (failures[k].trial == i) failed = &failures[k];
        trial_paths_make(&paths, run, &run->grid->trials[i]);
        TRY(failed ? trial_failed_add(results, run, &run->grid->trials[i], failed->message)
                   : results_read(results, paths.results));
    }
    return STATUS_OK;
}

int grid_run(const struct grid_run *run, struct results *results, int64_t *n_failed) {
    int64_t *todo = NULL, n_todo = 0;
    struct failure *failures = NULL;
    *n_failed = 0;
    stage_begin(run->stages, GRID_PLAN);
    int status = list_todo(run, &n_todo, &todo);
    stage_end(run->stages);
    run->stages->done += n_todo;
    if (status == STATUS_OK && n_todo > 0) status = work_in_groups(run, n_todo, todo, n_failed, &failures);
    if (status == STATUS_OK)
        status = comm_agree(run->comm, run->comm->rank == 0 ? collect(run, *n_failed, failures, results) : STATUS_OK);
    free(todo);
    free(failures);
    return status;
}
