/* cohort: a data set of electronic health records in, cohort.h5 out (store/cohort.h). MEDS so far (ingest/meds.h). */
#include <limits.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "ingest/meds.h"
#include "jobs.h"
#include "recipe.h"
#include "store/cohort.h"

/* ---- what is logged ---- */
static void log_subjects(const struct cohort *c) {
    int64_t n[N_SPLITS] = {0}, n_events = 0;
    for (int64_t i = 0; i < c->n_subjects; i++) n[c->split[i]]++;
    for (int64_t i = 0; i < c->n_codes; i++) n_events += c->code_count[i];
    log_info("%lld subjects (%lld train, %lld tuning, %lld held_out), %lld events with %lld codes",
             (long long)c->n_subjects, (long long)n[SPLIT_TRAIN], (long long)n[SPLIT_TUNING],
             (long long)n[SPLIT_HELD_OUT], (long long)n_events, (long long)c->n_codes);
}

static void log_task(const struct cohort *c, int64_t task) {
    int64_t n[N_SPLITS] = {0}, positive[N_SPLITS] = {0}, all = c->task_offsets[task + 1] - c->task_offsets[task];
    for (int64_t i = c->task_offsets[task]; i < c->task_offsets[task + 1]; i++) {
        n[c->split[c->sample_subject[i]]]++;
        positive[c->split[c->sample_subject[i]]] += c->sample_label[i];
    }
    log_info("%s: %lld samples; true of %lld of %lld in train, %lld of %lld in tuning, %lld of %lld in held_out",
             cohort_task(c, task), (long long)all, (long long)positive[SPLIT_TRAIN], (long long)n[SPLIT_TRAIN],
             (long long)positive[SPLIT_TUNING], (long long)n[SPLIT_TUNING], (long long)positive[SPLIT_HELD_OUT],
             (long long)n[SPLIT_HELD_OUT]);
}

/* ---- the job ---- */
static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    const struct meds_files *files = self;
    (void)comm;
    (void)config;
    for (int i = 0; i < files->splits.n; i++) TRY(provenance_add_input(provenance, "splits", files->splits.items[i]));
    for (int i = 0; i < files->events.n; i++) TRY(provenance_add_input(provenance, "events", files->events.items[i]));
    for (int i = 0; i < files->labels.n; i++) {
        char role[PATH_MAX];
        const char *path = meds_label_path(files->labels.items[i]);
        snprintf(role, sizeof role, "labels of %.*s", (int)(path - 1 - files->labels.items[i]), files->labels.items[i]);
        TRY(provenance_add_input(provenance, role, path));
    }
    return STATUS_OK;
}

static int make(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self) {
    const struct meds_files *files = self;
    struct cohort cohort;
    TRY(meds_read(files, config->cohort.python, &cohort));
    log_subjects(&cohort);
    for (int64_t t = 0; t < cohort.n_tasks; t++) log_task(&cohort, t);
    int status = interrupt_poll();
    if (status == STATUS_OK) status = cohort_write(comm, config->files.cohort, &cohort, provenance);
    cohort_free(&cohort);
    if (status == STATUS_OK) log_info("wrote %s", config->files.cohort);
    return status;
}

static int run(const struct comm *world, const struct config *config, const struct job_arguments *arguments) {
    struct comm self = comm_self(); /* the other ranks do not come here */
    struct recipe recipe = {&COHORT_JOB, KIND_COHORT, config->files.cohort, add_inputs, make};
    struct meds_files files = {0};
    (void)world;
    (void)arguments;
    int status = meds_find_files(config->cohort.meds, &config->cohort.tasks, &files);
    if (status == STATUS_OK) status = recipe_run(&recipe, &self, config, &files);
    meds_files_free(&files);
    return status;
}

static int check(const struct config *config) {
    if (config->cohort.meds[0]) return STATUS_OK;
    return status_set(STATUS_USAGE, "cohort.meds is empty: name the folder of a MEDS data set");
}

const struct job_entry COHORT_JOB = {
    .job = JOB_COHORT,
    .name = "cohort",
    .arguments = "",
    .summary = "a MEDS data set (events, splits, labels) into cohort.h5",
    .ranks = RANK_0,
    .interruptible = 1,
    .check = check,
    .run = run,
};
