/* How much of a stage's work is saved: from its outputs, whole and on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/status.h"
#include "ehr/grid.h"
#include "ehr/models.h"
#include "paths.h"
#include "run_folder.h"
#include "store/h5file.h"

static void newest_step(const char *path, void *context) {
    const char *at = strstr(strrchr(path, '/') ? strrchr(path, '/') : path, ".step-");
    int64_t *newest = context, step = at ? strtoll(at + strlen(".step-"), NULL, 10) : 0;
    if (step > *newest) *newest = step;
}

/* The step of the newest checkpoint on the way to `final`; `steps` if that is there. */
static int saved_steps(const char *final, int64_t steps, int64_t *saved) {
    char target[PATH_MAX], stem[PATH_MAX];
    *saved = 0;
    TRY(path_resolve(final, target));
    path_with_ending(target, "", stem, sizeof stem);
    TRY(path_list(stem, ".step-*.h5", newest_step, saved));
    /* Without checkpoints on the way, a whole one is the training's end: they are removed when it is written. */
    if (*saved == 0 && h5file_kind(target) == KIND_CHECKPOINT) *saved = steps;
    return STATUS_OK;
}

static int saved_parts(const char *text, int64_t *saved) {
    char target[PATH_MAX], journal[PATH_MAX], *line = NULL;
    size_t size = 0;
    TRY(path_resolve(text, target));
    snprintf(journal, sizeof journal, "%.4000s.parts", target);
    FILE *file = fopen(journal, "r");
    *saved = 0;
    if (!file) return STATUS_OK;
    while (getline(&line, &size, file) > 0) ++*saved;
    *saved -= *saved > 0; /* the key */
    free(line);
    fclose(file);
    return STATUS_OK;
}

/* Steps of one training of evaluate, those of its pre-training in front, as ehr_evaluation_train makes and names them. */
static int saved_training(const struct config *config, const struct grid_trial *trial, int64_t *saved, int64_t *total) {
    const struct ehr_options *o = &trial->options;
    int learns_labels = !ehr_model(o->model)->score; /* the others pre-train alone */
    int64_t before = learns_labels ? o->pretrain_steps : 0, steps = learns_labels ? o->steps : o->pretrain_steps;
    char path[PATH_MAX];
    *saved = *total = before + steps;
    config_trial_path(config, trial->name, ".results.h5", path);
    if (h5file_kind(path) == KIND_RESULTS) return STATUS_OK;
    config_trial_path(config, trial->name, ".h5", path);
    TRY(saved_steps(path, steps, saved));
    if (*saved > 0) *saved += before;
    if (*saved > 0 || before == 0) return STATUS_OK;
    config_trial_path(config, trial->name, ".pretrained.h5", path);
    return saved_steps(path, before, saved);
}

static int saved_trainings(const struct config *config, int64_t *saved, int64_t *total) {
    struct grid grid;
    int status = grid_make(&grid, &config->ehr, (uint64_t)config->run.seed);
    *saved = *total = 0;
    for (int64_t i = 0; i < grid.n && status == STATUS_OK; i++) {
        int64_t done = 0, steps = 0;
        status = saved_training(config, &grid.trials[i], &done, &steps);
        *saved += done;
        *total += steps;
    }
    grid_free(&grid);
    return status;
}

static int is_there(const struct job_path *path) {
    enum file_kind kind = file_kind_named(path->kind);
    return kind == KIND_UNKNOWN ? access(path->path, F_OK) == 0 : h5file_kind(path->path) == kind;
}

/* Whether all outputs of a job are there. */
static int are_there(const struct config *config, enum job job, int64_t *saved) {
    struct job_path *paths = NULL;
    int n = 0, status = config_paths(config, job, &paths, &n);
    *saved = status == STATUS_OK;
    for (int i = 0; i < n && status == STATUS_OK; i++)
        if (paths[i].written && !paths[i].is_beside && !is_there(&paths[i])) *saved = 0;
    job_paths_free(paths, n);
    return status;
}

int stage_progress(const struct config *config, enum job job, int64_t *saved, int64_t *total) {
    *total = 0;
    if (job == JOB_TRAIN) {
        *total = config->train.steps;
        return saved_steps(config->files.checkpoint, config->train.steps, saved);
    }
    if (job == JOB_EVALUATE) return saved_trainings(config, saved, total);
    if (job == JOB_ENCODE) return saved_parts(config->files.text, saved);
    *total = 1;
    return are_there(config, job, saved);
}
