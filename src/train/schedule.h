/* The learning rate of a step, a function of its number alone. */
#ifndef MEDTOK_TRAIN_SCHEDULE_H
#define MEDTOK_TRAIN_SCHEDULE_H

#include "train/options.h"

/* For update number `step` (1 for the first), with w = train.warmup, n = train.steps, e = train.rate_end,
 * and the rate that train.rate_scale makes of train.rate for so many codes in a step:
 *   step <= w:  rate step / w
 *   constant:   rate
 *   cosine:     rate (e + (1 - e) (1 + cos(pi (step - w) / (n - w))) / 2), which ends at rate e */
double schedule_rate(const struct train_options *options, int64_t step);

#endif
