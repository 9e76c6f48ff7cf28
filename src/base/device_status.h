/* The first error of a device as a status. */
#ifndef MEDTOK_BASE_DEVICE_STATUS_H
#define MEDTOK_BASE_DEVICE_STATUS_H

#include "base/status.h"
#include "device.h"

/* STATUS_OK, or STATUS_FAILED with "device NAME: the error". */
static inline int device_status(const struct device *device) {
    const char *error = device_error(device);
    return error ? status_set(STATUS_FAILED, "device %s: %s", device->name, error) : STATUS_OK;
}

#endif
