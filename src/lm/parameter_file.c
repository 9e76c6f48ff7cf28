#include "lm/parameter_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/status.h"
#include "lm/safetensors_header.h"
#include "lm/weight_files.h"

/* ---- reading ---- */
static int load_parameter(struct device *device, const struct safetensors *file, const struct parameter *p) {
    const struct tensor *t = safetensors_find(file, p->name);
    float *floats = NULL;
    real *values = NULL;
    int status;
    if (!t) return status_set(STATUS_FAILED, "%s: it lacks tensor %s", file->path, p->name);
    TRY(weight_files_check(file->path, t, p->rows, p->cols));
    TRY_DONE(mem_alloc(&floats, t->count, sizeof *floats));
    TRY_DONE(mem_alloc(&values, t->count, sizeof *values));
    tensor_values(t, floats);
    for (int64_t i = 0; i < t->count; i++) values[i] = floats[i];
    device_upload_reals(device, p->value, values, t->count);
    device_synchronize(device);
done:
    free(floats);
    free(values);
    return status;
}

int parameter_file_load(const char *path, struct device *device, int64_t n, struct parameter *const *list) {
    struct safetensors file;
    int status = STATUS_OK;
    TRY(safetensors_open(&file, path));
    if (file.n != n)
        status = status_set(STATUS_FAILED, "%s: %lld tensors, but %lld were expected", path, (long long)file.n,
                            (long long)n);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) status = load_parameter(device, &file, list[i]);
    safetensors_close(&file);
    return status;
}

/* ---- writing ---- */
static int write_header(int64_t n, struct parameter *const *list, FILE *stream) {
    struct tensor_shape *shapes;
    TRY(mem_alloc(&shapes, n, sizeof *shapes));
    for (int64_t i = 0; i < n; i++)
        shapes[i] = (struct tensor_shape){.name = list[i]->name,
                                          .type = "F32",
                                          .value_bytes = sizeof(float),
                                          .n_dims = 2,
                                          .dims = {list[i]->rows, list[i]->cols}};
    int status = safetensors_write_header(stream, (int)n, shapes);
    free(shapes);
    return status;
}

static int write_values(struct device *device, const struct parameter *p, FILE *stream) {
    int64_t n = p->rows * p->cols;
    real *values;
    TRY(mem_alloc(&values, n, sizeof *values));
    device_download_reals(device, values, p->value, n);
    for (int64_t i = 0; i < n; i++) {
        float value = (float)values[i];
        fwrite(&value, sizeof value, 1, stream);
    }
    free(values);
    return STATUS_OK;
}

int parameter_file_save(const char *path, struct device *device, int64_t n, struct parameter *const *list) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    int status = write_header(n, list, file.stream);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) status = write_values(device, list[i], file.stream);
    return atomic_file_close(&file, status);
}
