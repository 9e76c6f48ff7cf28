/* Buffers of a device. The CPU's are plain host memory; each backend brings its own memory functions. */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static void *alloc_bytes(struct device *device, int64_t count, size_t size) {
    if (device->error[0]) return NULL;
    size_t bytes = ((size_t)(count > 0 ? count : 1) * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *p = count < 0 || (uint64_t)count > SIZE_MAX / 2 / size ? NULL : aligned_alloc(ALIGNMENT, bytes);
    if (!p)
        snprintf(device->error, sizeof device->error,
                 "out of memory: a buffer of %.3f GB was asked for; a smaller batch needs less",
                 (double)count * (double)size * 1e-9);
    return p;
}

static void copy(struct device *device, void *to, const void *from, int64_t count, size_t size) {
    if (!device->error[0] && count > 0) memcpy(to, from, (size_t)count * size);
}

dev_real device_alloc_reals(struct device *device, int64_t count) {
    return (dev_real){alloc_bytes(device, count, sizeof(real))};
}

dev_int device_alloc_ints(struct device *device, int64_t count) {
    return (dev_int){alloc_bytes(device, count, sizeof(int32_t))};
}

void device_free_reals(struct device *device, dev_real buffer) {
    (void)device;
    free(buffer.at);
}

void device_free_ints(struct device *device, dev_int buffer) {
    (void)device;
    free(buffer.at);
}

void device_upload_reals(struct device *device, dev_real to, const real *from, int64_t count) {
    copy(device, to.at, from, count, sizeof(real));
}

void device_upload_ints(struct device *device, dev_int to, const int32_t *from, int64_t count) {
    copy(device, to.at, from, count, sizeof(int32_t));
}

void device_download_reals(struct device *device, real *to, dev_real from, int64_t count) {
    copy(device, to, from.at, count, sizeof(real));
}

void device_download_ints(struct device *device, int32_t *to, dev_int from, int64_t count) {
    copy(device, to, from.at, count, sizeof(int32_t));
}

void device_synchronize(struct device *device) { (void)device; }

const char *device_error(const struct device *device) { return device->error[0] ? device->error : NULL; }
