/* The CUDA backend of builds without nvcc: there is none, and it says so. */
#include <stdio.h>

#include "device.h"

static const char WHY[] = "this build has no CUDA";

int device_cuda_count(const char **why_none) {
    if (why_none) *why_none = WHY;
    return 0;
}

int device_cuda_fault(void) { return 0; }

const char *device_sums_library(const char **why_none) {
    if (why_none) *why_none = WHY;
    return NULL;
}

int device_open_cuda(struct device *device, int ordinal, enum precision_of_products products, int host_visible) {
    (void)ordinal, (void)products, (void)host_visible;
    *device = (struct device){0};
    snprintf(device->error, sizeof device->error, "cuda: %s", WHY);
    return -1;
}
