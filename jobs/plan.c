/* plan: what a run of several jobs will need, and whether it can run at all, before any of them waits in a queue. slurm/submit asks it on
 * the login node: it computes nothing, and needs one process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/format.h"
#include "base/log.h"
#include "base/output.h"
#include "base/path.h"
#include "base/status.h"
#include "device.h"
#include "ehr/arms.h"
#include "ehr/grid.h"
#include "jobs.h"
#include "outputs.h"
#include "paths.h"
#include "plan_needs.h"
#include "run_folder.h"
#include "store/h5file.h"

enum { MOST_STAGES = 16 };

struct plan {
    const struct config *config;
    struct stage_needs stages[MOST_STAGES];
    int n;
    unsigned jobs; /* of all stages */
    struct plan_sizes sizes;
};

static int64_t ranks_of(const struct plan *p, const struct job_entry *entry) {
    return entry->ranks == ALL_RANKS ? p->config->site.nodes * site_tasks(&p->config->site) : 1;
}

static int add_stage(struct plan *p, const struct job_entry *entry) {
    if (p->n == MOST_STAGES || (p->jobs & entry->job))
        return status_set(STATUS_USAGE, "the stage %s is named twice", entry->name);
    p->stages[p->n++] = (struct stage_needs){.entry = entry, .ranks = ranks_of(p, entry)};
    p->jobs |= entry->job;
    return STATUS_OK;
}

static int choose_stages(struct plan *p, const struct job_arguments *arguments) {
    char names[256] = "";
    for (int i = 0; i < N_RUN_CHAIN; i++) {
        int of_records = RUN_CHAIN[i]->job == JOB_COHORT || RUN_CHAIN[i]->job == JOB_EVALUATE;
        int named = arguments->n == 0 && (!of_records || p->config->cohort.folder[0]);
        for (int k = 0; k < arguments->n; k++) named |= strcmp(arguments->items[k], RUN_CHAIN[i]->name) == 0;
        if (named) TRY(add_stage(p, RUN_CHAIN[i]));
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", RUN_CHAIN[i]->name);
    }
    if (arguments->n == 0 || p->n == arguments->n) return STATUS_OK;
    return status_set(STATUS_USAGE, "plan knows the stages %s, each once", names);
}

/* ---- inputs ---- */
/* Whether some training of evaluate reads the table or the text features. */
static int is_of_an_arm(const struct config *config, const char *kind) {
    struct grid grid;
    int read = 0;
    if (grid_make(&grid, &config->ehr, (uint64_t)config->run.seed) == STATUS_OK)
        for (int64_t i = 0; i < grid.n; i++)
            read |= strcmp(kind, "table") == 0 ? arm_reads_table(grid.trials[i].options.arm)
                                               : arm_reads_text(grid.trials[i].options.arm);
    grid_free(&grid);
    return read;
}

/* Whether a path that the table of settings lists for the job is one that it will read under these settings. */
static int is_read(const struct config *c, enum job job, const struct job_path *path) {
    const char *kind = path->kind;
    if (job == JOB_REPORT) return 0; /* it shows what is there */
    if (strcmp(kind, "config") == 0 || strcmp(kind, "python") == 0) return 0;
    if (job == JOB_EVALUATE && (strcmp(kind, "table") == 0 || strcmp(kind, "text") == 0)) return is_of_an_arm(c, kind);
    if (strcmp(kind, "text") == 0) return c->text.mode == TEXT_CACHED;
    if (strcmp(kind, "graph") == 0) return job == JOB_PREPARE || c->tokenize.codes[0];
    if (strcmp(kind, "model") == 0) return c->text.encoder == TEXT_BERT || c->text.mode == TEXT_ONLINE;
    return 1;
}

/* Whether an earlier stage of the plan makes it. */
static int is_made_before(const struct plan *p, int stage, const char *kind) {
    for (int i = 0; i < stage; i++) {
        enum file_kind made = file_kind_named(kind);
        if (made != KIND_UNKNOWN && strcmp(FILE_KIND_FACTS[made].job, p->stages[i].entry->name) == 0) return 1;
    }
    return 0;
}

static int check_input(const struct plan *p, int stage, const struct job_path *path) {
    enum job job = p->stages[stage].entry->job;
    const char *name = p->stages[stage].entry->name;
    enum file_kind kind = file_kind_named(path->kind);
    if (!is_read(p->config, job, path) || is_made_before(p, stage, path->kind)) return STATUS_OK;
    if (access(path->path, R_OK))
        return status_set(STATUS_USAGE, "%s needs %s, %s, which is not there or cannot be read%s%s%s", name, path->key,
                          path->path, kind != KIND_UNKNOWN ? ": `" : "",
                          kind != KIND_UNKNOWN ? FILE_KIND_FACTS[kind].job : "",
                          kind != KIND_UNKNOWN ? "` makes it, so let the run begin there" : "");
    if (kind == KIND_UNKNOWN) return STATUS_OK;
    struct h5file *file;
    TRY(h5file_open(&file, path->path, kind));
    h5file_close(file);
    return STATUS_OK;
}

/* ---- outputs ---- */
static int check_output(const struct plan *p, int stage, const struct job_path *path) {
    /* A page lies in the run folder, which slurm/submit makes after this. */
    if (path->is_beside || strcmp(path->kind, "labels") == 0 || strcmp(path->kind, "page") == 0) return STATUS_OK;
    int status = atomic_file_check(path->path);
    if (status == STATUS_OK) return STATUS_OK;
    return status_prefix(STATUS_USAGE, "%s cannot write %s", p->stages[stage].entry->name, path->key);
}

static int check_paths(const struct plan *p, int stage) {
    struct job_path *paths = NULL;
    int n = 0, status = config_paths(p->config, p->stages[stage].entry->job, &paths, &n);
    for (int i = 0; i < n && status == STATUS_OK; i++)
        status = paths[i].written ? check_output(p, stage, &paths[i]) : check_input(p, stage, &paths[i]);
    job_paths_free(paths, n);
    return status;
}

/* All files of a run that lie on one disk, as far as their sizes are known. */
static int check_room(const struct plan *p) {
    int64_t bytes = 0;
    const char *path = p->config->files.table;
    for (int i = 0; i < p->n; i++) bytes += p->stages[i].writes;
    return bytes > 0 ? path_check_room(path, bytes, "the run") : STATUS_OK;
}

/* ---- resources ---- */
static int check_ranks(const struct plan *p) {
    int64_t most = p->sizes.n_codes, ranks = p->config->site.nodes * site_tasks(&p->config->site);
    for (int i = 0; i < p->n; i++) {
        if (p->stages[i].ranks > most)
            return status_set(STATUS_USAGE,
                              "%s would have %lld ranks (site.nodes x site.tasks) for %lld codes: ask for fewer",
                              p->stages[i].entry->name, (long long)ranks, (long long)most);
        if (p->stages[i].entry->job == JOB_TRAIN && ranks > p->config->train.batch)
            return status_set(STATUS_USAGE, "train would have %lld ranks for a batch of %lld codes (train.batch)",
                              (long long)ranks, (long long)p->config->train.batch);
    }
    return STATUS_OK;
}

/* That a job gets as far as its first checkpoint: to the limit from its start it has time for a step, and from the signal to the limit
 * for a step, the checkpoint that may be under way, and another one. */
static int check_time(const struct plan *p) {
    const double START = 20; /* seconds to start ranks and read files */
    const struct site_options *site = &p->config->site;
    long long limit = site_seconds(site->time);
    if (limit < 0)
        return status_set(STATUS_USAGE, "site.time is \"%s\": expected minutes, h:m:s or d-h:m:s, as for sbatch --time",
                          site->time);
    if (!(p->jobs & JOB_TRAIN)) return STATUS_OK;
    double train = -1, save = plan_checkpoint_seconds(&p->sizes);
    for (int i = 0; i < p->n; i++)
        if (p->stages[i].entry->job == JOB_TRAIN) train = p->stages[i].seconds;
    if (p->config->train.checkpoint_every) save *= 2;
    double step = train > 0 ? train / (double)p->config->train.steps : 0;
    if ((double)(limit - site->signal) < START + step)
        return status_set(
            STATUS_USAGE,
            "the time limit is too short for one checkpoint: of %lld s (site.time), %lld are the signal's "
            "(site.signal), and %.0f are needed to start and make a step: training would never go on",
            limit, (long long)site->signal, START + step);
    if ((double)site->signal < step + save)
        return status_set(
            STATUS_USAGE,
            "site.signal is %lld s, but a step, the checkpoint under way and the last one take about %.0f s: "
            "the limit would come before the checkpoint is written",
            (long long)site->signal, step + save);
    return STATUS_OK;
}

/* Bytes of a size as sbatch --mem reads it: megabytes, or with K, M, G, T; 0: none, or not to be read. */
static double memory_bytes(const char *text) {
    static const char UNITS[] = "KMGT";
    char *end;
    double n = strtod(text, &end);
    const char *unit = *end ? strchr(UNITS, *end) : UNITS + 1;
    if (end == text || !unit) return 0;
    for (const char *u = UNITS; u <= unit; u++) n *= 1024;
    return n;
}

/* What will not end well for a stage, if the estimates hold. */
static void warn_of_stage(const struct plan *p, const struct stage_needs *s) {
    const struct site_options *site = &p->config->site;
    char needed[32], limit_text[32];
    double limit = (double)site_seconds(site->time), memory = memory_bytes(site->memory);
    int64_t ranks = s->ranks < site_tasks(site) ? s->ranks : site_tasks(site);
    if (memory > 0 && (double)(ranks * s->memory) > memory)
        log_warn("%s needs about %s on a node, but site.memory is %s", s->entry->name,
                 format_bytes(ranks * s->memory, needed, sizeof needed), site->memory);
    double turns = limit > 0 && s->seconds > 0 ? s->seconds / (limit - (double)site->signal) : 0;
    if (turns > 1 && s->entry->interruptible)
        log_warn("%s takes about %s, and a job has %s: it will be queued again about %.0f times%s", s->entry->name,
                 format_duration(s->seconds, needed, sizeof needed),
                 format_duration(limit, limit_text, sizeof limit_text), turns,
                 turns > (double)site->max_restarts ? ", which is more than site.max_restarts" : "");
}

/* ---- the table ---- */
static void print_stage(const struct stage_needs *s) {
    char memory[32] = "-", writes[32] = "-", time[32] = "not known";
    if (s->memory > 0) format_bytes(s->memory, memory, sizeof memory);
    if (s->writes > 0) format_bytes(s->writes, writes, sizeof writes);
    if (s->seconds >= 0) format_duration(s->seconds, time, sizeof time);
    printf("%-9s %5lld  %11s  %8s  %s%s\n", s->entry->name, (long long)s->ranks, memory, writes, time,
           s->seconds < 0 ? ""
           : s->measured  ? ", as a finished run"
                          : ", by rates of other machines");
}

/* The nodes may have another NCCL, or none: doctor says so there. */
static void print_sums(const struct plan *p) {
    const char *why = "run.sums: mpi", *library = NULL;
    if (p->config->site.gpus == 0 || !(p->jobs & (JOB_TRAIN | JOB_EVALUATE))) return;
    if (p->config->run.sums != SUMS_MPI) library = device_sums_library(&why);
    printf("gradients of several GPUs are summed %s (%s)\n",
           library ? "between them, by NCCL" : "through the host's memory, by MPI", library ? library : why);
}

static int print(const struct plan *p) {
    const struct plan_sizes *z = &p->sizes;
    if (z->n_codes > 0)
        printf("%lld codes, by the %s; %lld parameters\n", (long long)z->n_codes,
               z->from_vocabulary ? "vocabulary" : "code tables", (long long)z->parameters);
    printf("stage     ranks  memory/rank    writes  time, about\n");
    for (int i = 0; i < p->n; i++) print_stage(&p->stages[i]);
    print_sums(p);
    return output_flush();
}

/* ---- the job ---- */
/* The settings of each stage, its files, and what it needs. */
static int examine(struct plan *p) {
    for (int i = 0; i < p->n; i++) {
        const struct job_entry *entry = p->stages[i].entry;
        if (entry->check) TRY(entry->check(p->config));
        TRY(config_check_paths(p->config, entry->job));
        TRY(outputs_check(p->config, entry->job));
        TRY(check_paths(p, i));
    }
    const unsigned of_codes = JOB_PREPARE | JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_INSPECT;
    if (p->jobs & of_codes) TRY(plan_sizes_find(&p->sizes, p->config, (p->jobs & JOB_PREPARE) != 0));
    for (int i = 0; i < p->n; i++) TRY(stage_needs_find(&p->stages[i], &p->sizes, p->config));
    if (p->jobs & of_codes) TRY(check_ranks(p));
    TRY(check_room(p));
    TRY(check_time(p));
    for (int i = 0; i < p->n; i++) warn_of_stage(p, &p->stages[i]);
    return STATUS_OK;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    struct plan plan = {.config = config};
    (void)comm;
    TRY(choose_stages(&plan, arguments));
    TRY(examine(&plan));
    return print(&plan);
}

const struct job_entry PLAN_JOB = {
    .job = JOB_PLAN,
    .name = "plan",
    .arguments = "[STAGE...]",
    .summary = "what a run of these jobs needs (memory, disk, time), and whether it can run: nothing is computed",
    .ranks = NO_RANKS,
    .interruptible = 0,
    .run = run,
};
