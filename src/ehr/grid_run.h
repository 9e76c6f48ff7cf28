/* Makes the trainings of a grid on the ranks that there are: these are cut into groups, and whichever is free takes the next training, the
 * longest first. A training that is finished lies whole in a file of results; a run that was stopped goes on with the others, on any
 * number of ranks. In a group of one rank a training is the same, bit for bit, whatever runs beside it.
 */
#ifndef MEDTOK_EHR_GRID_RUN_H
#define MEDTOK_EHR_GRID_RUN_H

#include <limits.h>

#include "dist/options.h"
#include "dist/stages.h"
#include "ehr/grid.h"
#include "ehr/results.h"
#include "kernels.h"

/* Where the time of `evaluate` goes. plan: what is finished already; load: samples and vectors; then the training of each model, its
 * pre-training and its scores of tuning on the way included; score: with the weights that are kept; wait: there are no more trainings for
 * this group, but others have not finished. */
enum grid_stage {
    GRID_PLAN,
    GRID_LOAD,
    GRID_TRAIN, /* of the first model */
    GRID_SCORE = GRID_TRAIN + N_EHR_MODELS,
    GRID_WRITE,
    GRID_WAIT,
    GRID_REPORT,
    N_GRID_STAGES
};
extern const char *const GRID_STAGE_NAMES[N_GRID_STAGES];

struct grid_run {
    const struct comm *comm;
    struct device *device;
    int threads;
    enum summing sums; /* of the ranks of a training: dist/reduce.h */
    const struct grid *grid;
    const char *cohort, *table, *text; /* files */
    int force;                         /* make all anew */
    int candidates_made;               /* in this process: `force` does not make them once more */
    struct stages *stages;             /* begun, with GRID_STAGE_NAMES; done: the trainings that were made */
    const char *setting;               /* that says where files lie, for messages: "files.scores" */
    /* Where a file of a training lies. Endings: ".h5" the model, ".jsonl" its metrics, ".results.h5" all that it came to, ".meds.json", and
     * that of predictions. */
    void (*path)(const void *self, const struct grid_trial *trial, const char *ending, char path[PATH_MAX]);
    /* What a training is made from; not collective. */
    int (*describe)(const void *self, const struct grid_trial *trial, struct provenance *provenance);
    const void *self;
};

/* Whether a training is made, though its files be there. */
static inline int grid_run_forces(const struct grid_run *run, const struct grid_trial *trial) {
    return run->force && !(run->candidates_made && trial->rate >= 0);
}

/* Collective. `results`: of all trainings in the order of the grid, on rank 0; those that failed have a failure, and *n_failed says how
 * many. Fails if nothing could be begun, or STATUS_INTERRUPTED: the same call in a new process goes on. */
int grid_run(const struct grid_run *run, struct results *results, int64_t *n_failed);

#endif
