/* Which of ehr.grid.rates the trainings of a grid have: in each cell (a task, a model and a number of samples) that with which the first arm,
 * base in most grids, has the best average precision on tuning, mean over seeds. The arms of a cell share it, so that none is trained more
 * carefully than another, and held_out is not looked at.
 */
#ifndef MEDTOK_EHR_GRID_RATES_H
#define MEDTOK_EHR_GRID_RATES_H

#include "ehr/grid_run.h"

struct grid_rates {
    int64_t n;       /* cells, in the order of grids; 0: ehr.grid.rates lists nothing */
    int64_t n_rates; /* listed */
    int32_t *chosen; /* [n] numbers of rates, for grid_make; owned */
    double *tuning;  /* [n, n_rates] average precision on tuning, mean over seeds; NaN: a training failed; owned */
};

/* Collective. Makes the trainings that are missing, as grid_run does of `run`, whose grid is not used; the same choice on every rank. Where
 * every rate failed the first is taken, whose failure the grid then shows. Free in any case. */
int grid_rates_choose(struct grid_rates *rates, const struct grid_run *run, const struct ehr_options *options,
                      uint64_t seed);
void grid_rates_free(struct grid_rates *rates);

#endif
