/* Which of ehr.grid.rates the trainings of a grid have: in each cell (a task, a model and a number of samples) that with which base, or the only
 * arm, has the best average precision on tuning, mean over seeds. The arms of a cell share it, so that none is tuned more than base;
 * held_out is scored with the chosen rate alone.
 */
#ifndef MEDTOK_EHR_GRID_RATES_H
#define MEDTOK_EHR_GRID_RATES_H

#include "ehr/grid_run.h"

struct grid_rates {
    int64_t n;       /* cells, in the order of grids; 0: ehr.grid.rates lists nothing */
    int64_t n_rates; /* listed */
    int32_t *chosen; /* [n] numbers of rates, for grid_keep_chosen; owned */
    double *
        tuning; /* [n, n_rates] average precision on tuning, mean over the seeds that did not fail with every rate; NaN: one of
                              those, or all, failed; owned */
    struct results failed;    /* candidates of other rates that failed; on rank 0 */
    int64_t n_failed;         /* how many */
    char first_failure[1024]; /* NAME: MESSAGE; "" if none failed */
};

/* Collective. Makes the trainings that are missing, as grid_run does of `run`, whose grid is not used; the same choice on every rank, of equal
 * ones the lowest rate. A rate with which a training failed is not chosen, unless a training failed with each: then the first. Free in any
 * case. */
int grid_rates_choose(struct grid_rates *rates, const struct grid_run *run, const struct ehr_options *options,
                      uint64_t seed);
void grid_rates_free(struct grid_rates *rates);

#endif
