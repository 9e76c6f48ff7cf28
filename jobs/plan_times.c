/* Run folders that are finished, read for their times. */
#include "plan_times.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/status.h"
#include "run_folder.h"
#include "store/vocabulary.h"

struct search {
    const struct job_entry *entry;
    int64_t newest; /* when it ended */
    double rate;
};

static int64_t units_of(enum job job, const struct config *config) {
    struct vocabulary v;
    if (vocabulary_read_sizes(config->files.vocabulary, &v) != STATUS_OK) return 0;
    int64_t units = v.n_codes_total > 0 ? plan_units(job, v.n_codes_total, v.n_nodes, config) : 0;
    vocabulary_free(&v);
    return units;
}

static void look_at_stage(const struct run_folder *run, const struct run_stage *s, struct search *found) {
    struct config config = {0};
    if (s->job != found->entry->job || s->state != STAGE_DONE || s->ended <= found->newest || s->ran < 1 ||
        s->ranks < 1)
        return;
    if (run_folder_config(run, s, &config) == STATUS_OK) {
        int64_t units = units_of(s->job, &config);
        if (units > 0) {
            found->newest = s->ended;
            found->rate = (double)units / s->ran / (double)s->ranks;
        }
    }
    config_free(&config);
}

/* Runs that cannot be read tell nothing. */
static void look_at_run(const char *path, void *context) {
    char stages[PATH_MAX];
    struct run_folder run = {.n = 0};
    snprintf(stages, sizeof stages, "%.4000s/stages", path);
    if (access(stages, R_OK) == 0 && run_folder_read(&run, path, 0) == STATUS_OK)
        for (int i = 0; i < run.n; i++) look_at_stage(&run, &run.stages[i], context);
    run_folder_free(&run);
}

int past_rate(const char *runs, const struct job_entry *entry, double *rate) {
    struct search found = {.entry = entry};
    char here[PATH_MAX], stem[PATH_MAX];
    *rate = 0;
    if (access(runs, R_OK) || !getcwd(here, sizeof here)) return STATUS_OK;
    snprintf(stem, sizeof stem, "%s/", runs);
    if (!path_resolve(runs, stem)) snprintf(stem + strlen(stem), sizeof stem - strlen(stem), "/");
    int status = path_list(stem, "*", look_at_run, &found);
    if (chdir(here))
        status = status_set(STATUS_FAILED, "%s cannot be entered again", here); /* reading a run goes to its folder */
    *rate = found.rate;
    return status;
}
