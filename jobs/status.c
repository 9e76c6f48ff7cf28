/* status: how far a run is that slurm/submit made, from its files alone: no queue is asked, so any machine that sees them can tell. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/format.h"
#include "base/output.h"
#include "base/status.h"
#include "jobs.h"
#include "paths.h"
#include "run_folder.h"

static const char *const STATE_NAMES[] = {"waiting", "not run", "running", "queued again", "lost", "failed", "done"};
enum { LINE_BYTES = 512, MOST_WARNINGS = 3 };

/* ---- what the log says ---- */
struct log_lines {
    char progress[LINE_BYTES], error[LINE_BYTES]; /* the last of each */
    char warnings[MOST_WARNINGS][LINE_BYTES];     /* the last different ones, the newest first */
    int n_warnings;                               /* in all */
};

/* The text of a log line behind `level: `, or NULL. */
static const char *text_of(const char *line, const char *level) {
    const char *at = strstr(line, level);
    return at && at - line < 40 ? at + strlen(level) : NULL;
}

static void keep(char text[LINE_BYTES], const char *from) {
    snprintf(text, LINE_BYTES, "%.*s", (int)strcspn(from, "\n"), from);
}

static void add_warning(struct log_lines *l, const char *from) {
    char text[LINE_BYTES];
    keep(text, from);
    l->n_warnings++;
    for (int i = 0; i < MOST_WARNINGS; i++)
        if (strcmp(l->warnings[i], text) == 0) return;
    memmove(l->warnings[1], l->warnings[0], (MOST_WARNINGS - 1) * sizeof l->warnings[0]);
    keep(l->warnings[0], text);
}

static void read_log(const char *path, struct log_lines *l) {
    char *line = NULL;
    size_t size = 0;
    const char *text;
    FILE *file = fopen(path, "r");
    *l = (struct log_lines){.n_warnings = 0};
    if (!file) return;
    while (getline(&line, &size, file) > 0) {
        if ((text = text_of(line, "] warning: "))) add_warning(l, text);
        if ((text = text_of(line, "] error: "))) keep(l->error, text);
        if ((text = text_of(line, "] info: ")) && strstr(text, "/s") && strstr(text, " left")) keep(l->progress, text);
        if ((text = text_of(line, "slurmstepd: error: "))) keep(l->error, text);
    }
    free(line);
    fclose(file);
}

/* ---- the last measures of a training ---- */
static void print_measure(const char *name, const json_t *value, int *n) {
    const json_t *number = json_is_object(value) ? json_object_get(value, "value") : value;
    if (json_is_number(number)) printf("%s%s %.4g", (*n)++ ? ", " : " ", name, json_number_value(number));
}

static void print_measures(const char *line) {
    json_t *object = json_loads(line, 0, NULL), *value;
    const char *name;
    int n = 0;
    int64_t step = json_integer_value(json_object_get(object, "eval_step"));
    if (object) printf("    measured at step %lld:", (long long)step);
    json_object_foreach(object, name, value) if (strcmp(name, "eval_step") != 0) print_measure(name, value, &n);
    if (object) printf("\n");
    json_decref(object);
}

/* The last step and the last evaluation of a file of metrics. */
static void print_metrics(const char *path) {
    char *line = NULL, *step = NULL, *evaluation = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    if (!file) return;
    while (getline(&line, &size, file) > 0) {
        char **last = strncmp(line, "{\"eval_step\"", 12) == 0 ? &evaluation : &step;
        if (!strchr(line, '\n')) break; /* being written */
        free(*last);
        *last = strdup(line);
    }
    fclose(file);
    json_t *object = step ? json_loads(step, 0, NULL) : NULL;
    if (object)
        printf("    last step in %s: %lld, loss %.4g\n", path,
               (long long)json_integer_value(json_object_get(object, "step")),
               json_number_value(json_object_get(object, "loss")));
    json_decref(object);
    if (evaluation) print_measures(evaluation);
    free(step);
    free(evaluation);
    free(line);
}

/* ---- one stage ---- */
static void print_time(const struct run_stage *s, int64_t now) {
    char text[32], queued[32];
    double ran = s->ran + (s->state == STAGE_RUNNING ? (double)(now - s->began) : 0);
    if (s->state == STAGE_WAITING || s->state == STAGE_NOT_RUN)
        printf("submitted %s ago", format_duration((double)(now - s->submitted), text, sizeof text));
    else if (s->began)
        printf("%s%s, waited %s before", format_duration(ran, text, sizeof text),
               s->state == STAGE_RUNNING || s->state == STAGE_REQUEUED ? " so far" : "",
               format_duration((double)(s->first - s->submitted), queued, sizeof queued));
    if (s->restarts) printf(", %lld restarts", (long long)s->restarts);
}

static int print_progress(const struct run_folder *run, const struct run_stage *s, const struct log_lines *log) {
    struct config config = {0};
    char metrics[PATH_MAX];
    int64_t saved, total;
    int status = run_folder_config(run, s, &config);
    if (status == STATUS_OK) status = stage_progress(&config, s->job, &saved, &total);
    if (status == STATUS_OK && total > 1)
        printf("    saved: %lld of %lld steps, %.0f %%\n", (long long)saved, (long long)total,
               100 * (double)saved / (double)total);
    if (log->progress[0] && s->state == STAGE_RUNNING) printf("    %s\n", log->progress);
    if (status == STATUS_OK && s->job == JOB_TRAIN) {
        config_metrics_path(&config, metrics);
        print_metrics(metrics);
    }
    config_free(&config);
    return status;
}

static void print_why(const struct run_stage *s, const struct log_lines *log) {
    if (s->state == STAGE_NOT_RUN)
        printf("    its turn does not come: %s%s%s, before it, %s\n", s->cause->name, s->cause->variant[0] ? "." : "",
               s->cause->variant, s->cause->state == STAGE_LOST ? "is lost" : "failed");
    if (s->state == STAGE_FAILED && s->code != CODE_UNKNOWN)
        printf("    exit code %lld%s%s\n", (long long)s->code, log->error[0] ? ": " : "", log->error);
    if (s->reason[0]) printf("    stopped: %s\n", s->reason);
    if (s->state == STAGE_LOST)
        printf("    no sign of life on %s: killed, out of memory, or its node failed (sacct -j %s)\n", s->nodes,
               s->slurm_job);
}

static int print_stage(const struct run_folder *run, const struct run_stage *s, int64_t now) {
    struct log_lines log;
    char path[PATH_MAX];
    run_folder_path(run, s, "logs", ".log", path);
    read_log(path, &log);
    printf("%-9s %-12s %-13s", s->name, s->variant, STATE_NAMES[s->state]);
    print_time(s, now);
    printf("\n");
    print_why(s, &log);
    if (s->state != STAGE_WAITING && s->state != STAGE_NOT_RUN) TRY(print_progress(run, s, &log));
    for (int i = 0; i < MOST_WARNINGS && log.warnings[i][0]; i++) printf("    warning: %s\n", log.warnings[i]);
    if (log.n_warnings > MOST_WARNINGS) printf("    %d warnings in all: %s\n", log.n_warnings, path);
    return STATUS_OK;
}

/* ---- the run ---- */
static void print_version(const struct run_folder *run) {
    char path[PATH_MAX], line[LINE_BYTES] = "";
    snprintf(path, sizeof path, "%.4000s/version.txt", run->path);
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file)) printf("%s: %.*s\n", run->path, (int)strcspn(line, "\n"), line);
    if (file) fclose(file);
}

static int print_run(const struct run_folder *run, int64_t now) {
    int n_of[STAGE_DONE + 1] = {0};
    print_version(run);
    for (int i = 0; i < run->n; i++) {
        TRY(print_stage(run, &run->stages[i], now));
        n_of[run->stages[i].state]++;
    }
    for (int state = 0, n = 0; state <= STAGE_DONE; state++)
        if (n_of[state]) printf("%s%d %s", n++ ? ", " : "", n_of[state], STATE_NAMES[state]);
    printf("\n");
    if (n_of[STAGE_FAILED] + n_of[STAGE_LOST] + n_of[STAGE_NOT_RUN] > 0)
        printf("to go on when the cause is removed: slurm/submit --resume %s\n", run->path);
    return output_flush();
}

/* The saved pieces of one stage, a number for the batch scripts (slurm/stage.sh). */
static int print_saved(const struct run_folder *run, const char *name, const char *variant) {
    for (int i = 0; i < run->n; i++) {
        const struct run_stage *s = &run->stages[i];
        struct config config = {0};
        int64_t saved, total;
        if (strcmp(s->name, name) != 0 || strcmp(s->variant, variant) != 0) continue;
        int status = run_folder_config(run, s, &config);
        if (status == STATUS_OK) status = stage_progress(&config, s->job, &saved, &total);
        if (status == STATUS_OK) printf("%lld\n", (long long)saved);
        config_free(&config);
        return status;
    }
    return status_set(STATUS_USAGE, "%s has no stage %s%s%s", run->path, name, variant[0] ? "." : "", variant);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    struct run_folder folder = {.n = 0};
    int64_t now = (int64_t)time(NULL);
    (void)comm;
    (void)config;
    if (arguments->n < 1 || arguments->n > 3)
        return status_set(STATUS_USAGE,
                          "status needs the folder of a run, which slurm/submit printed: medtok status RUN");
    int status = run_folder_read(&folder, arguments->items[0], now);
    if (status == STATUS_OK)
        status = arguments->n == 1
                     ? print_run(&folder, now)
                     : print_saved(&folder, arguments->items[1], arguments->n > 2 ? arguments->items[2] : "");
    run_folder_free(&folder);
    return status;
}

const struct job_entry STATUS_JOB = {
    .job = JOB_STATUS,
    .name = "status",
    .arguments = "RUN [STAGE [VARIANT]]",
    .summary = "how far a run of slurm/submit is, from its folder alone; of one stage, the pieces that are saved",
    .ranks = NO_RANKS,
    .interruptible = 0,
    .run = run,
};
