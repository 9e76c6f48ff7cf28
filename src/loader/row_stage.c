/* Staging of feature rows. */
#include "loader/row_stage.h"

#include "base/device_status.h"

void row_stage_make(struct row_stage *s, struct device *device) { *s = (struct row_stage){.device = device}; }

void row_stage_free(struct row_stage *s) {
    if (!s->device) return;
    device_host_free_reals(s->device, s->staging);
    device_free_reals(s->device, s->rows);
    *s = (struct row_stage){0};
}

int row_stage_reserve(struct row_stage *s, int64_t count, dev_real *rows) {
    if (!s->rows.at || count > s->capacity) {
        device_free_reals(s->device, s->rows);
        s->capacity = count + count / 4;
        s->rows = device_alloc_reals(s->device, s->capacity);
    }
    *rows = s->rows;
    return device_status(s->device);
}

static int reserve_staging(struct row_stage *s, int64_t count) {
    if (count <= s->staging_capacity) return STATUS_OK;
    device_host_free_reals(s->device, s->staging);
    s->staging_capacity = count + count / 4;
    s->staging = device_host_alloc_reals(s->device, s->staging_capacity);
    return device_status(s->device);
}

int row_stage_send(struct row_stage *s, struct row_source source, int64_t n, const int32_t *rows, dev_real *out) {
    int64_t dim = source.dim;
    TRY(row_stage_reserve(s, n * dim, out));
    device_prefetch_finish(s->device); /* the staging memory is free again */
    TRY(reserve_staging(s, n * dim));
#pragma omp parallel for num_threads(s->device->host_threads)
    for (int64_t r = 0; r < n; r++) {
        real *to = s->staging + r * dim;
        float *row = (float *)(void *)to;
        source.read(source.source, rows[r], row);
        if (sizeof *to > sizeof *row) /* the double build of the tests: from the last on, since each is wider */
            for (int64_t c = dim; c-- > 0;) to[c] = (real)row[c];
    }
    device_prefetch_reals(s->device, *out, s->staging, n * dim);
    return device_status(s->device);
}
