#include "train/options.h"

#include "base/status.h"

int train_options_check(const struct train_options *o) {
    if (o->eval_every && o->holdout == 0)
        return status_set(STATUS_USAGE,
                          "train.eval_every needs held-out codes: set train.holdout, or train.eval_every 0");
    if (o->patience && o->eval_every == 0)
        return status_set(STATUS_USAGE, "train.patience needs evaluations: set train.eval_every, or train.patience 0");
    return STATUS_OK;
}
