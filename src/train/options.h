/* The training loop: settings train.*. */
#ifndef MEDTOK_TRAIN_OPTIONS_H
#define MEDTOK_TRAIN_OPTIONS_H

#include <stdint.h>

enum schedule { SCHEDULE_CONSTANT, SCHEDULE_COSINE };
enum partition { PARTITION_BLOCK, PARTITION_RANDOM };
enum resume { RESUME_AUTO, RESUME_NEVER };

struct train_options {
    int64_t batch, steps, warmup, checkpoint_every, keep, log_every, eval_every, eval_codes;
    double holdout;
    double rate, rate_end, beta1, beta2, epsilon, weight_decay, clip, max_loss, max_length, average;
    enum schedule schedule;
    enum partition partition;
    enum resume resume;
};

#endif
