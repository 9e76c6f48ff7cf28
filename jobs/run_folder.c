/* Events read, and what they come to. */
#include "run_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_lock.h"
#include "base/path.h"
#include "base/status.h"
#include "paths.h"

const struct job_entry *const RUN_CHAIN[] = {&PREPARE_JOB, &ENCODE_JOB, &TRAIN_JOB,    &TOKENIZE_JOB,
                                             &INSPECT_JOB, &COHORT_JOB, &EVALUATE_JOB, &REPORT_JOB};
const int N_RUN_CHAIN = sizeof RUN_CHAIN / sizeof *RUN_CHAIN;

void run_folder_path(const struct run_folder *run, const struct run_stage *stage, const char *folder,
                     const char *ending, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%.3000s/%s/%s%s%.255s%s", run->path, folder, stage->name, stage->variant[0] ? "." : "",
             stage->variant, ending);
}

int run_folder_config(const struct run_folder *run, const struct run_stage *stage, struct config *config) {
    char path[PATH_MAX];
    TRY(config_defaults(config));
    snprintf(path, sizeof path, "%.4000s/config.yaml", run->path);
    TRY(config_read_file(config, path));
    if (stage->variant[0])
        snprintf(path, sizeof path, "%.3000s/variants/%s.yaml", run->path, stage->variant);
    else if (stage->job == JOB_REPORT)
        snprintf(path, sizeof path, "%.4000s/report.yaml", run->path);
    else
        return STATUS_OK;
    return config_read_file(config, path);
}

/* ---- events ---- */
/* The value of `key=` in the fields of an event, up to the next tab: its length. */
static size_t find_value(const char *fields, const char *key, const char **value) {
    size_t n = strlen(key);
    *value = "";
    for (const char *at = fields; at; at = strchr(at, '\t')) {
        at += *at == '\t';
        if (strncmp(at, key, n) != 0 || at[n] != '=') continue;
        *value = at + n + 1;
        break;
    }
    return strcspn(*value, "\t\n");
}

static void take(const char *fields, const char *key, char *value, size_t size) {
    const char *from;
    size_t n = find_value(fields, key, &from);
    snprintf(value, size, "%.*s", (int)n, from);
}

/* The same, of any length. */
static int take_copy(const char *fields, const char *key, char **value) {
    const char *from;
    size_t n = find_value(fields, key, &from);
    free(*value);
    *value = strndup(from, n);
    return *value ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int64_t take_number(const char *fields, const char *key) {
    char value[32];
    take(fields, key, value, sizeof value);
    return strtoll(value, NULL, 10);
}

static void end(struct run_stage *s, enum stage_state state, int64_t time) {
    if (s->state == STAGE_RUNNING) s->ran += (double)(time - s->began);
    s->state = state;
    s->ended = time;
}

static int add_event(struct run_stage *s, int64_t time, const char *event, const char *fields) {
    if (strcmp(event, "submitted") == 0) {
        s->submitted = time, s->first = s->began = s->ended = 0,
        s->reason[0] = 0; /* `ran` stays: a resumed run has its work */
        s->state = STAGE_WAITING;
        take(fields, "job", s->slurm_job, sizeof s->slurm_job);
        return take_copy(fields, "after", &s->after);
    } else if (strcmp(event, "began") == 0) {
        if (!s->first) s->first = time;
        s->began = time, s->state = STAGE_RUNNING, s->reason[0] = 0;
        s->restarts = take_number(fields, "restart");
        s->ranks = take_number(fields, "ranks");
        take(fields, "nodes", s->nodes, sizeof s->nodes);
    } else if (strcmp(event, "stopped") == 0) {
        take(fields, "reason", s->reason, sizeof s->reason);
        end(s, STAGE_FAILED, time);
        s->code = CODE_UNKNOWN;
    } else if (strcmp(event, "requeued") == 0) {
        end(s, STAGE_REQUEUED, time);
    } else if (strcmp(event, "ended") == 0) {
        s->code = take_number(fields, "code");
        end(s, s->code == 0 ? STAGE_DONE : STAGE_FAILED, time);
    }
    return STATUS_OK;
}

static int read_events(struct run_stage *s, const char *path) {
    char *line = NULL, event[32];
    size_t size = 0;
    long long time;
    int at, status = STATUS_OK;
    FILE *file = fopen(path, "r");
    if (!file) return status_set(STATUS_FAILED, "%s cannot be read", path);
    while (status == STATUS_OK && getline(&line, &size, file) > 0)
        if (strchr(line, '\n') && sscanf(line, "%lld\t%31[a-z]%n", &time, event, &at) == 2)
            status = add_event(s, time, event, line + at);
    free(line);
    fclose(file);
    return status;
}

/* ---- the stages of a run ---- */
struct finding {
    struct run_folder *run;
    const struct job_entry *entry;
    long long capacity;
    int status;
};

static void add_stage(const char *path, void *context) {
    struct finding *f = context;
    const char *name = strrchr(path, '/') + 1 + strlen(f->entry->name);
    if (*name != '.') return; /* of a longer name */
    if (f->status == STATUS_OK)
        f->status = mem_grow(&f->run->stages, &f->capacity, f->run->n + 1, sizeof *f->run->stages);
    if (f->status != STATUS_OK) return;
    struct run_stage *s = &f->run->stages[f->run->n++];
    *s = (struct run_stage){.name = f->entry->name, .job = f->entry->job};
    int length = (int)(strlen(name) - strlen(".tsv"));
    if (length > 1) snprintf(s->variant, sizeof s->variant, "%.*s", length - 1, name + 1);
    f->status = read_events(s, path);
}

/* The newest of the files by which a stage shows that it runs: its events, its log, the locks and metrics of its outputs. */
static int64_t last_sign(const struct run_folder *run, const struct run_stage *s) {
    struct config config = {0};
    struct job_path *paths = NULL;
    char path[PATH_MAX], target[PATH_MAX];
    struct stat file;
    int n = 0;
    int64_t last = s->began;
    run_folder_path(run, s, "logs", ".log", path);
    if (stat(path, &file) == 0 && file.st_mtime > last) last = file.st_mtime;
    if (run_folder_config(run, s, &config) == STATUS_OK) config_paths(&config, s->job, &paths, &n);
    for (int i = 0; i < n; i++) {
        if (!paths[i].written || path_resolve(paths[i].path, target) != STATUS_OK) continue;
        snprintf(path, sizeof path, "%.4000s.lock-medtok", target);
        if (stat(path, &file) == 0 && file.st_mtime > last) last = file.st_mtime;
    }
    job_paths_free(paths, n);
    config_free(&config);
    return last;
}

/* ---- whose turn never comes ---- */
static int is_named(const struct run_stage *s, const char *name, size_t length) {
    char own[2 * NAME_MAX];
    snprintf(own, sizeof own, "%s%s%s", s->name, s->variant[0] ? "." : "", s->variant);
    return strlen(own) == length && strncmp(own, name, length) == 0;
}

/* Of the stages that s waits for, one that failed or whose turn never comes; stages stand in the order of the chain. */
static const struct run_stage *failed_before(const struct run_folder *run, const struct run_stage *s) {
    for (const char *at = s->after; at && *at; at += strspn(at, ",")) {
        size_t n = strcspn(at, ",");
        for (int i = 0; i < run->n; i++) {
            const struct run_stage *other = &run->stages[i];
            if (!is_named(other, at, n)) continue;
            if (other->state == STAGE_FAILED || other->state == STAGE_LOST) return other;
            if (other->state == STAGE_NOT_RUN) return other->cause;
        }
        at += n;
    }
    return NULL;
}

static int no_run(const char *path) {
    return status_set(STATUS_FAILED, "%s is no run folder: it has no stages/*.tsv, which slurm/submit makes", path);
}

/* Paths of the settings are relative to the folder in which the run was submitted. */
static int go_to_its_folder(const char *path) {
    char name[PATH_MAX], folder[PATH_MAX] = "";
    snprintf(name, sizeof name, "%.4000s/folder", path);
    FILE *file = fopen(name, "r");
    if (!file) return STATUS_OK;
    if (!fgets(folder, sizeof folder, file)) folder[0] = 0;
    fclose(file);
    folder[strcspn(folder, "\n")] = 0;
    if (chdir(folder) == 0) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s: the run was submitted in %s, which cannot be entered: %s", name, folder,
                      strerror(errno));
}

int run_folder_read(struct run_folder *run, const char *path, int64_t now) {
    char stem[PATH_MAX];
    *run = (struct run_folder){.n = 0};
    if (!realpath(path, run->path)) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    TRY(go_to_its_folder(run->path));
    path = run->path;
    struct finding f = {.run = run};
    snprintf(stem, sizeof stem, "%.4000s/stages", path);
    if (access(stem, R_OK)) return no_run(path);
    for (int i = 0; i < N_RUN_CHAIN && f.status == STATUS_OK; i++) {
        f.entry = RUN_CHAIN[i];
        snprintf(stem, sizeof stem, "%.4000s/stages/%s", path, f.entry->name);
        TRY(path_list(stem, "*.tsv", add_stage, &f));
    }
    TRY(f.status);
    if (run->n == 0) return no_run(path);
    for (int i = 0; i < run->n; i++) {
        struct run_stage *s = &run->stages[i];
        if (s->state == STAGE_RUNNING && now - last_sign(run, s) > LOCK_STALE) s->state = STAGE_LOST;
        if (s->state == STAGE_WAITING && (s->cause = failed_before(run, s))) s->state = STAGE_NOT_RUN;
    }
    return STATUS_OK;
}

void run_folder_free(struct run_folder *run) {
    for (int i = 0; i < run->n; i++) free(run->stages[i].after);
    free(run->stages);
    run->stages = NULL;
    run->n = 0;
}
