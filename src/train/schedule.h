/* The learning rate of a step, a function of its number and of the batch. */
#ifndef MEDTOK_TRAIN_SCHEDULE_H
#define MEDTOK_TRAIN_SCHEDULE_H

#include "train/options.h"

/* For update number `step` (1 for the first), with w = train.warmup, n = train.steps, e = train.rate_end,
 * and the rate that train.rate_scale makes of train.rate for train.micro_batches batches of `batch` codes in a step (struct learner's: train.batch,
 * or all codes that are drawn, where these are fewer):
 *   step <= w:  rate step / w
 *   constant:   rate
 *   cosine:     rate (e + (1 - e) (1 + cos(pi (step - w) / (n - w))) / 2), which ends at rate e */
double schedule_rate(const struct train_options *options, int64_t batch, int64_t step);

#endif
