/* Samples, and what is made of them. */
#include "bench/measure.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"

enum { MOST_CALLS = 1000000 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, int64_t n) {
    qsort(values, (size_t)n, sizeof *values, ascending);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Does `calls` calls on all ranks, begun together; the time of the slowest. */
static int sample(const struct measure_options *o, int (*call)(void *), void *context, int64_t calls, double *seconds) {
    const double PICOSECONDS = 1e12;
    int status = STATUS_OK;
    TRY(comm_agree(o->comm, STATUS_OK));
    double since = clock_seconds();
    for (int64_t i = 0; i < calls && status == STATUS_OK; i++) status = call(context);
    device_synchronize(o->device);
    int64_t time = (int64_t)((clock_seconds() - since) * PICOSECONDS);
    if (status == STATUS_OK && device_error(o->device))
        status = status_set(STATUS_FAILED, "%s", device_error(o->device));
    TRY(comm_agree(o->comm, status));
    TRY(comm_max_int64(o->comm, &time, 1));
    *seconds = (double)time / PICOSECONDS;
    return STATUS_OK;
}

int measure(const struct measure_options *o, int (*call)(void *), void *context, struct measurement *m) {
    double once, *times, total[2];
    TRY(sample(o, call, context, 1, &once));
    TRY(sample(o, call, context, 1, &once));
    double wanted = o->seconds / (double)o->samples / (once > 1e-9 ? once : 1e-9);
    *m = (struct measurement){.calls = wanted < 1 ? 1 : wanted > MOST_CALLS ? MOST_CALLS : (int64_t)wanted};
    TRY(comm_agree(o->comm, mem_alloc(&times, o->samples, sizeof *times)));
    struct work before = o->device->work;
    int status = STATUS_OK;
    for (int64_t i = 0; i < o->samples && status == STATUS_OK; i++) {
        status = sample(o, call, context, m->calls, &times[i]);
        times[i] /= (double)m->calls;
    }
    total[0] = (o->device->work.flops - before.flops) / (double)(o->samples * m->calls);
    total[1] = (o->device->work.bytes - before.bytes) / (double)(o->samples * m->calls);
    if (status == STATUS_OK) status = comm_sum_double(o->comm, total, 2);
    if (status == STATUS_OK) {
        m->median = median(times, o->samples);
        m->least = times[0];
        m->most = times[o->samples - 1];
        m->flops = total[0];
        m->bytes = total[1];
        m->flop_rate = m->flops / m->median;
        m->byte_rate = m->bytes / m->median;
        m->spread = (m->most - m->least) / m->median;
    }
    free(times);
    return status;
}
