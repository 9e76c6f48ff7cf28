#include "train/options.h"

#include "base/status.h"

int train_options_check(const struct train_options *o) {
    return o->eval_every && o->holdout == 0
               ? status_set(STATUS_USAGE,
                            "train.eval_every needs held-out codes: set train.holdout, or train.eval_every 0")
               : STATUS_OK;
}
