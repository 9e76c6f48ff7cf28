#include "train/options.h"

#include "base/status.h"
#include "dist/graph_partition.h"

enum partition train_partition(const struct train_options *o) {
    if (o->partition != PARTITION_AUTO) return o->partition;
    return graph_partition_is_there() ? PARTITION_GRAPH : PARTITION_BLOCK;
}

int train_options_check(const struct train_options *o) {
    if (o->eval_every && o->holdout == 0)
        return status_set(STATUS_USAGE,
                          "train.eval_every needs held-out codes: set train.holdout, or train.eval_every 0");
    if (o->patience && o->eval_every == 0)
        return status_set(STATUS_USAGE, "train.patience needs evaluations: set train.eval_every, or train.patience 0");
    return o->partition == PARTITION_GRAPH ? graph_partition_check("train.partition: graph") : STATUS_OK;
}
