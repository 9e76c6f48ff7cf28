#include "lm/parameter_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/status.h"
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
    char *text = NULL;
    size_t size = 0;
    int64_t at = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) return status_set(STATUS_FAILED, "out of memory");
    fprintf(memory, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int64_t i = 0; i < n; i++) {
        const struct parameter *p = list[i];
        int64_t end = at + p->rows * p->cols * (int64_t)sizeof(float);
        fprintf(memory, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%lld,%lld],\"data_offsets\":[%lld,%lld]}", p->name,
                (long long)p->rows, (long long)p->cols, (long long)at, (long long)end);
        at = end;
    }
    fputc('}', memory);
    while (ftell(memory) % 8) fputc(' ', memory); /* so that the data are aligned */
    if (fclose(memory)) return status_set(STATUS_FAILED, "out of memory");
    for (int i = 0; i < 8; i++) fputc((int)((uint64_t)size >> 8 * i & 255), stream);
    fwrite(text, 1, size, stream);
    free(text);
    return STATUS_OK;
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
