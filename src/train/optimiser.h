/* What training keeps beside a parameter set, and the update: Adam's moments, and the moving average of the values.
 *
 * Frozen parameters have neither. The moments lie like the values of the set (nn/parameters.h), so that one call
 * updates all neighbours that are treated alike.
 */
#ifndef MEDTOK_TRAIN_OPTIMISER_H
#define MEDTOK_TRAIN_OPTIMISER_H

#include "nn/parameters.h"
#include "train/options.h"

/* Of a parameter, or of all of a group: like its values. average.at NULL: train.average is 0. */
struct moments {
    dev_real m, v, average;
};

/* Adam's constants, those of parameters apart, and the share of the averages that is kept. */
enum { CONSTANTS_APART = N_ADAM_CONSTANTS, CONSTANT_KEEP = 2 * N_ADAM_CONSTANTS, N_UPDATE_CONSTANTS };

/* Values first .. first + n - 1. */
struct value_range {
    int64_t first, n;
};

enum { MOST_PARTS = 2 };
struct optimiser {
    struct parameter_set *parameters; /* borrowed; allocated with gradients */
    struct adam adam;
    double weight_decay, average; /* train.weight_decay, train.average */
    struct moments group[N_PARAMETER_GROUPS];
    dev_real constants; /* [N_UPDATE_CONSTANTS] what optimiser_begin_update uploads */
    /* Where ranks divide the dense parameters: those that this one updates, whose moments it alone has. n_parts 0: all. */
    struct value_range parts[MOST_PARTS];
    int n_parts;
};

/* Moments of 0, and averages that are the values as they are now. */
int optimiser_make(struct optimiser *optimiser, struct parameter_set *parameters, const struct train_options *options);
void optimiser_free(struct optimiser *optimiser);

/* What is kept of a parameter; all NULL: it is frozen. */
struct moments optimiser_moments(const struct optimiser *optimiser, const struct parameter *parameter);

/* Uploads what changes from update to update, for the two functions that follow; these are recorded work
 * (device_run_recorded). `step`: 1 for the first update. All gradients are multiplied by `mean`, and those that are not
 * PARAMETER_APART by `clip` too; those apart are updated at rate * apart_rate. */
void optimiser_begin_update(struct optimiser *optimiser, double rate, int64_t step, double mean, double clip);

/* One step of Adam (kernels.h) on all parameters of this rank that are neither frozen nor moved by their model, with
 * train.weight_decay for those that decay. */
void optimiser_update(struct optimiser *optimiser);

/* Moves the averages:
 *   average = keep average + (1 - keep) value,   keep = min(train.average, (1 + step) / (10 + step)),
 * so that the first values are soon forgotten. Does nothing without train.average. */
void optimiser_average(struct optimiser *optimiser);

/* Exchanges values and averages, if there are any: before an evaluation, and again behind it. */
void optimiser_swap_averages(struct optimiser *optimiser);

/* Sets rows first .. first+n-1 (of those held here) of a parameter, values and averages; their moments become 0.
 * `values` [n, cols] on the host may be reused when this returns. */
void optimiser_set_rows(struct optimiser *optimiser, const struct parameter *parameter, int64_t first, int64_t n,
                        const real *values);

#endif
