/* The trainings that one run of evaluate makes: a grid of models, arms, tasks, numbers of samples and seeds, as the settings ehr.grid.*
 * list them; what is not listed has one value, that of the settings for a single training.
 */
#ifndef MEDTOK_EHR_GRID_H
#define MEDTOK_EHR_GRID_H

#include "ehr/options.h"

enum { TRIAL_NAME = 256 };

struct grid_trial {
    char name[TRIAL_NAME];      /* of its files: "seed-3"; with a grid "death.behrt.medtok-frozen.k8.seed-3" */
    struct ehr_options options; /* what a training of its own would have; texts are borrowed from the grid's options */
    uint64_t seed;
    double cost; /* expected work, in any unit */
};

struct grid {
    int64_t n;
    struct grid_trial *trials; /* [n], owned; by task, model, number of samples, arm, seed */
    int64_t *by_cost;          /* [n] the trainings, the longest first; owned */
};

/* Whether more than seeds is listed: then files have a folder of their own (jobs/paths.h). */
int grid_is_listed(const struct ehr_options *options);

/* The grid of options, which must outlive it, with the seeds from `seed` on. STATUS_USAGE if a list has what there is not, or something twice,
 * or a model cannot have its settings. Free in any case. */
int grid_make(struct grid *grid, const struct ehr_options *options, uint64_t seed);
void grid_free(struct grid *grid);

/* How many ranks shall share a training where `n` are left to be made: ehr.grid.ranks; or 1, but where there are fewer trainings than
 * ranks as many as each can have. No more than samples in a batch. */
int grid_group_size(const struct grid *grid, int64_t n, int ranks);

/* Whether two trainings learn from and score the same rows, so that what was read for one serves the other. */
int grid_same_data(const struct grid_trial *a, const struct grid_trial *b);

const char *ehr_model_name(enum ehr_model_number model);
const char *ehr_arm_name(enum ehr_arm arm);

#endif
