#include "ehr/models/sinusoid.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

int sinusoid_set(const struct parameter *p, struct device *device, enum sinusoid_columns columns, double scale) {
    real *values;
    TRY(mem_alloc(&values, p->rows * p->cols, sizeof *values));
    for (int64_t v = 0; v < p->rows; v++)
        for (int64_t j = 0; j < p->cols; j++) {
            double number = (double)(columns == SINUSOID_BY_PAIR ? j / 2 : j);
            double angle = (double)v / pow(10000, 2 * number / (double)p->cols);
            values[v * p->cols + j] = (real)(scale * (j % 2 ? cos(angle) : sin(angle)));
        }
    device_upload_reals(device, p->value, values, p->rows * p->cols);
    device_synchronize(device);
    free(values);
    return STATUS_OK;
}
