/* report: the files of a run, or of several, into one HTML page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "jobs.h"
#include "paths.h"
#include "report/report.h"

static void set_path(struct report_run *run, enum report_file file, const char *path) {
    snprintf(run->path[file], PATH_MAX, "%s", path);
}

/* Runs are called by the folder of their table, the second of a name by its number too. */
static void name_run(struct report_run *runs, int n) {
    char folder[PATH_MAX], full[PATH_MAX];
    path_folder(runs[n].path[REPORT_TABLE], folder);
    const char *name = path_resolve(folder, full) == STATUS_OK && strrchr(full, '/') ? strrchr(full, '/') + 1 : folder;
    snprintf(runs[n].name, sizeof runs[n].name, "%.50s", name);
    for (int r = 0; r < n; r++)
        if (strcmp(runs[r].name, runs[n].name) == 0)
            snprintf(runs[n].name, sizeof runs[n].name, "%.50s (%d)", name, n + 1);
}

static int add_run(const struct config *config, struct report_run *runs, int n) {
    const struct file_options *files = &config->files;
    struct report_run *run = &runs[n];
    set_path(run, REPORT_VOCABULARY, files->vocabulary);
    set_path(run, REPORT_TEXT, files->text);
    set_path(run, REPORT_CHECKPOINT, files->checkpoint);
    set_path(run, REPORT_TABLE, files->table);
    set_path(run, REPORT_COHORT, files->cohort);
    set_path(run, REPORT_SCORES, files->scores);
    set_path(run, REPORT_PROBES, config->probe.report);
    config_metrics_path(config, run->path[REPORT_METRICS]);
    config_report_path(config, run->path[REPORT_QUALITY]);
    name_run(runs, n);
    TRY(report_find_files(run));
    return STATUS_OK;
}

/* The run of another configuration. */
static int add_other(const char *path, struct report_run *runs, int n) {
    struct config other;
    int status = config_defaults(&other);
    if (status == STATUS_OK) status = config_read_file(&other, path);
    if (status == STATUS_OK) status = add_run(&other, runs, n);
    config_free(&other);
    return status;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    const struct report_options *options = &config->report;
    struct report_run *runs = NULL;
    const struct comm self = comm_self();
    int n = 1 + options->runs.n;
    (void)comm;
    (void)arguments;
    int status = mem_alloc(&runs, n, sizeof *runs);
    if (status == STATUS_OK) status = add_run(config, runs, 0);
    for (int r = 1; r < n && status == STATUS_OK; r++) status = add_other(options->runs.items[r - 1], runs, r);
    if (status == STATUS_OK) status = report_write(&self, options, (uint64_t)config->run.seed, n, runs);
    if (status == STATUS_OK) log_info("wrote %s", options->page);
    free(runs);
    return status;
}

const struct job_entry REPORT_JOB = {
    .job = JOB_REPORT,
    .name = "report",
    .arguments = "",
    .summary = "the files of a run, or of several, into one HTML page",
    .ranks = RANK_0,
    .interruptible = 1,
    .run = run,
};
