/* Rows of features on their way to the device: read into host memory from which they travel beside the computation
 * (pinned, with CUDA), into device memory of their own. Both grow as needed and are reused. */
#ifndef MEDTOK_LOADER_ROW_STAGE_H
#define MEDTOK_LOADER_ROW_STAGE_H

#include "device.h"

struct row_stage {
    struct device *device; /* borrowed */
    dev_real rows;         /* on the device */
    int64_t capacity;
    real *staging;
    int64_t staging_capacity;
};

/* Where rows come from: read(source, row, out [dim]) by several threads at once. */
struct row_source {
    void (*read)(const void *source, int64_t row, float *out);
    const void *source;
    int64_t dim;
};

/* `device` is borrowed. A zeroed struct row_stage may be freed. */
void row_stage_make(struct row_stage *stage, struct device *device);
void row_stage_free(struct row_stage *stage);

/* Room for `count` values on the device, contents undefined; *rows is valid until the next call with this stage. */
int row_stage_reserve(struct row_stage *stage, int64_t count, dev_real *rows);

/* The same for rows[n] of a source, in this order, which begin to travel: they are there for work queued after
 * device_prefetch_wait. Waits until the prefetches before it have left their host memory. */
int row_stage_send(struct row_stage *stage, struct row_source source, int64_t n, const int32_t *rows, dev_real *out);

#endif
