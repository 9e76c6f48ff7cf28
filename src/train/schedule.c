/* Linear warm-up, then constant or cosine. */
#include "train/schedule.h"

#include <math.h>

static double scaled_rate(const struct train_options *o, int64_t batch) {
    if (o->rate_scale == RATE_AS_SET) return o->rate;
    double times = (double)(batch * o->micro_batches) / (double)o->rate_batch;
    return o->rate * (o->rate_scale == RATE_BY_ROOT ? sqrt(times) : times);
}

double schedule_rate(const struct train_options *o, int64_t batch, int64_t step) {
    const double PI = 3.14159265358979323846;
    double rate = scaled_rate(o, batch), end = o->rate_end;
    int64_t warmup = o->warmup, steps = o->steps;
    if (step <= warmup) return rate * (double)step / (double)warmup;
    if (o->schedule == SCHEDULE_CONSTANT) return rate;
    return rate * (end + (1 - end) * (1 + cos(PI * (double)(step - warmup) / (double)(steps - warmup))) / 2);
}
