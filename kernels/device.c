/* Buffers of a device: counts become bytes here, and the backend does the rest. */
#include "device.h"

#include <stdio.h>

/* Bytes of `count` values; too much for any memory if that cannot be said. */
static size_t bytes_of(int64_t count, size_t size) {
    return count < 0 || (uint64_t)count > SIZE_MAX / 2 / size ? SIZE_MAX / 2 : (size_t)count * size;
}

static void *alloc(struct device *device, int64_t count, size_t size) {
    return device->error[0] ? NULL : device->memory->alloc(device, bytes_of(count, size));
}

static void release(struct device *device, void *buffer) {
    if (buffer) device->memory->free(device, buffer);
}

static void upload(struct device *device, void *to, const void *from, int64_t count, size_t size) {
    if (!device->error[0] && count > 0) device->memory->upload(device, to, from, (size_t)count * size);
}

static void download(struct device *device, void *to, const void *from, int64_t count, size_t size) {
    if (!device->error[0] && count > 0) device->memory->download(device, to, from, (size_t)count * size);
}

void device_close(struct device *device) {
    if (device->memory && device->backend) device->memory->close(device);
    *device = (struct device){0};
}

dev_real device_alloc_reals(struct device *device, int64_t count) {
    return (dev_real){alloc(device, count, sizeof(real))};
}

dev_int device_alloc_ints(struct device *device, int64_t count) {
    return (dev_int){alloc(device, count, sizeof(int32_t))};
}

dev_half device_alloc_halves(struct device *device, int64_t count) {
    return (dev_half){alloc(device, count, sizeof(uint16_t))};
}

void device_free_reals(struct device *device, dev_real buffer) { release(device, buffer.at); }
void device_free_ints(struct device *device, dev_int buffer) { release(device, buffer.at); }
void device_free_halves(struct device *device, dev_half buffer) { release(device, buffer.at); }

void device_upload_reals(struct device *device, dev_real to, const real *from, int64_t count) {
    upload(device, to.at, from, count, sizeof(real));
}

void device_upload_ints(struct device *device, dev_int to, const int32_t *from, int64_t count) {
    upload(device, to.at, from, count, sizeof(int32_t));
}

void device_upload_halves(struct device *device, dev_half to, const uint16_t *from, int64_t count) {
    upload(device, to.at, from, count, sizeof(uint16_t));
}

void device_download_reals(struct device *device, real *to, dev_real from, int64_t count) {
    download(device, to, from.at, count, sizeof(real));
}

void device_download_ints(struct device *device, int32_t *to, dev_int from, int64_t count) {
    download(device, to, from.at, count, sizeof(int32_t));
}

real *device_host_alloc_reals(struct device *device, int64_t count) {
    return device->error[0] ? NULL : device->memory->host_alloc(device, bytes_of(count, sizeof(real)));
}

void device_host_free_reals(struct device *device, real *buffer) {
    if (buffer) device->memory->host_free(device, buffer);
}

void device_prefetch_reals(struct device *device, dev_real to, const real *from, int64_t count) {
    if (!device->error[0] && count > 0) device->memory->prefetch(device, to.at, from, (size_t)count * sizeof(real));
}

void device_prefetch_wait(struct device *device) {
    if (!device->error[0]) device->memory->prefetch_wait(device);
}

void device_prefetch_finish(struct device *device) {
    if (!device->error[0]) device->memory->prefetch_finish(device);
}

void device_fetch_reals(struct device *device, real *to, dev_real from, int64_t count) {
    if (!device->error[0] && count > 0) device->memory->fetch(device, to, from.at, (size_t)count * sizeof(real));
}

void device_fetch_wait(struct device *device) {
    if (!device->error[0]) device->memory->fetch_wait(device);
}

/* ---- sums over devices ---- */
void device_address(struct device *device, char address[DEVICE_ADDRESS_BYTES]) {
    address[0] = 0;
    if (!device->error[0] && device->sums) device->sums->address(device, address);
}

int device_group_id(struct device *device, struct device_group_id *id, const char **why) {
    *id = (struct device_group_id){{0}};
    *why = device->error[0] ? device->error : "this backend does not sum over devices";
    return device->error[0] || !device->sums ? -1 : device->sums->id(device, id, why);
}

void device_group_join(struct device *device, const struct device_group_id *id, int rank, int size) {
    device_group_leave(device);
    if (!device->error[0] && device->sums) device->sums->join(device, id, rank, size);
}

enum device_group_state device_group_state(struct device *device, const char **why) {
    *why = "";
    if (device->error[0]) {
        *why = device->error;
        return GROUP_FAILED;
    }
    return device->sums ? device->sums->state(device, why) : GROUP_NONE;
}

void device_group_leave(struct device *device) {
    if (device->sums) device->sums->leave(device);
    device->group_size = 0;
}

void device_sum_start(struct device *device, dev_real values, int64_t count) {
    if (!device->error[0] && count > 0) device->sums->start(device, values.at, count);
}

void device_sum_finish(struct device *device) {
    if (!device->error[0]) device->sums->finish(device);
}

void device_synchronize(struct device *device) {
    if (!device->error[0]) device->memory->synchronize(device);
}

void device_forget_recording(struct device *device, struct recorded_work *recorded) {
    if (recorded->recording) device->memory->forget(device, recorded->recording);
    recorded->recording = NULL;
}

/* The first time is not recorded: it sets up what is set up at the first use, scratch above all. */
void device_run_recorded(struct device *device, struct recorded_work *recorded, void (*queue)(void *context),
                         void *context) {
    const struct device_backend *memory = device->memory;
    if (device->error[0]) return;
    if (recorded->recording && memory->play(device, recorded->recording)) {
        work_add(&device->work, 1, recorded->work);
        return;
    }
    device_forget_recording(device, recorded);
    int records = memory->record && recorded->warm;
    recorded->warm = 1;
    struct work before = device->work;
    if (records) memory->record(device);
    queue(context);
    recorded->work = device->work;
    work_add(&recorded->work, -1, before);
    if (!records) return;
    recorded->recording = memory->recorded(device);
    if (recorded->recording) memory->play(device, recorded->recording);
}

void device_memory(struct device *device, int64_t *free_bytes, int64_t *total_bytes) {
    *free_bytes = *total_bytes = 0;
    if (!device->error[0]) device->memory->size(device, free_bytes, total_bytes);
}

const char *device_error(const struct device *device) { return device->error[0] ? device->error : NULL; }
