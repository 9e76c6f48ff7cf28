/* A run folder, as slurm/submit makes it (slurm/README.md): what was submitted, and what became of it.
 *
 *   config.yaml                  all settings of the chain, as used
 *   variants/VARIANT.yaml        of an array: all settings of one element
 *   report.yaml                  what the stage report has over config.yaml: where its page lies, and an array's elements side by side
 *   stages/STAGE[.VARIANT].tsv   events of a stage, one a line, in order: seconds since 1970, event, key=value ...
 *   logs/STAGE[.VARIANT].log     what its job wrote
 *   folder                       where it was submitted: paths are relative to it
 *
 * Events: `submitted` (job, after: the stages waited for, commas between), `began` (job, restart, nodes, ranks), `requeued` (restart, at: pieces of
 * work that are saved), `stopped` (reason, with blanks: it is not to go on), `ended` (code). A line that a kill has cut is ignored.
 */
#ifndef MEDTOK_JOBS_RUN_FOLDER_H
#define MEDTOK_JOBS_RUN_FOLDER_H

#include <limits.h>
#include <stdint.h>

#include "jobs.h"

/* The jobs of a run, in their order. */
extern const struct job_entry *const RUN_CHAIN[];
extern const int N_RUN_CHAIN;

enum stage_state {
    STAGE_WAITING, /* for its turn, or for other stages */
    STAGE_NOT_RUN, /* one before it failed, so that its turn never comes */
    STAGE_RUNNING,
    STAGE_REQUEUED, /* stopped and saved; waits for its turn again */
    STAGE_LOST,     /* began, did not end, and gives no sign of life */
    STAGE_FAILED,
    STAGE_DONE
};

enum { CODE_UNKNOWN = -1 };

struct run_stage {
    const char *name; /* of its job */
    enum job job;
    char variant[NAME_MAX + 1]; /* "" outside arrays */
    enum stage_state state;
    int64_t submitted, first, began,
        ended;  /* seconds since 1970; 0: not yet; first: when it began before any restart */
    double ran; /* seconds between beginnings and ends, over all restarts that ended */
    int64_t restarts, ranks;
    int64_t code; /* that it ended with; CODE_UNKNOWN: stopped before it could say */
    char slurm_job[64], nodes[256], reason[512];
    char *after;                   /* owned: the stages that it waits for, commas between; NULL: it was not submitted */
    const struct run_stage *cause; /* STAGE_NOT_RUN: the stage that failed */
};

struct run_folder {
    char path[PATH_MAX];
    struct run_stage *stages; /* [n], owned; in the order of the chain, variants of a stage side by side */
    int n;
};

/* Reads the events of all stages, and goes to the run's folder. `now`: seconds since 1970. Fails if there are none. Free in any case. */
int run_folder_read(struct run_folder *run, const char *path, int64_t now);
void run_folder_free(struct run_folder *run);

/* The settings of a stage: config.yaml, and over it those of its variant, or of the report. config_free in any case. */
int run_folder_config(const struct run_folder *run, const struct run_stage *stage, struct config *config);

/* `folder`/STAGE[.VARIANT]`ending` under the run folder. */
void run_folder_path(const struct run_folder *run, const struct run_stage *stage, const char *folder,
                     const char *ending, char path[PATH_MAX]);

/* How much of a stage's work is saved, so that a job that begins again has it behind it: steps of a training (and, of
 * evaluate, of all its trainings and their pre-trainings), parts of a text file; else 1 if the output is there. *total 0: not known. */
int stage_progress(const struct config *config, enum job job, int64_t *saved, int64_t *total);

#endif
