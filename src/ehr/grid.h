/* The trainings that one run of evaluate makes: a grid of models, arms, tasks, numbers of samples and seeds, as the settings ehr.grid.*
 * list them; what is not listed has one value, that of the settings for a single training.
 */
#ifndef MEDTOK_EHR_GRID_H
#define MEDTOK_EHR_GRID_H

#include "ehr/options.h"

enum { TRIAL_NAME = 256 };

struct grid_trial {
    char name[TRIAL_NAME]; /* of its files: "seed-3"; with a grid "death.behrt.medtok-frozen.k8.seed-3"; a candidate is
                              "death.behrt.base.all.rate-6e-4.seed-3" */
    struct ehr_options options; /* what a training of its own would have; texts are borrowed from the grid's options */
    uint64_t seed;
    double cost;    /* expected work, in any unit */
    int64_t cell;   /* 0 .. grid_cells - 1 */
    int32_t rate;   /* of a candidate: number in ehr.grid.rates; -1: it is none */
    int for_choice; /* a candidate that is made for the choice: scored on tuning alone, and its weights stay */
};

struct grid {
    int64_t n;
    struct grid_trial *trials; /* [n], owned; by task, model, number of samples, arm, seed */
    int64_t *by_cost;          /* [n] the trainings, the longest first; owned */
};

/* Whether more than seeds is listed: then files have a folder of their own (jobs/paths.h). */
int grid_is_listed(const struct ehr_options *options);

/* How many combinations of task, model and number of samples there are: each has a rate of its own where ehr.grid.rates lists some. */
int64_t grid_cells(const struct ehr_options *options);

/* All trainings of options, which must outlive them, with the seeds from `seed` on. Where ehr.grid.rates lists rates the first arm, base in
 * a grid of arms, has candidates, one of each rate; the other arms have the first rate until one is chosen. STATUS_USAGE if a list has what
 * there is not, or something twice, or a model cannot have its settings. Free in any case. */
int grid_make(struct grid *grid, const struct ehr_options *options, uint64_t seed);

/* Leaves of a grid the candidates, for the choice. */
int grid_keep_candidates(struct grid *grid);
/* Leaves out the candidates of other rates than those chosen, chosen [grid_cells], which all arms of a cell then have. */
int grid_keep_chosen(struct grid *grid, const int32_t *chosen);
void grid_free(struct grid *grid);

/* How many ranks shall share a training where `n` are left to be made: ehr.grid.ranks; or 1, but where there are fewer trainings than
 * ranks as many as each can have. No more than samples in a batch. */
int grid_group_size(const struct grid *grid, int64_t n, int ranks);

/* Whether two trainings learn from and score the same rows, so that what was read for one serves the other. */
int grid_same_data(const struct grid_trial *a, const struct grid_trial *b);

const char *ehr_model_name(enum ehr_model_number model);
const char *ehr_arm_name(enum ehr_arm arm);

#endif
