/* Sums over devices in builds without nccl.h: there are none. */
#include <stddef.h>

#include "device.h"

/* as cuda.cuh, which is C++, declares them */
extern const struct device_sums *const CUDA_SUMS;
int cuda_sums_go_on(struct device *device);
void cuda_sums_close(struct device *device);

const struct device_sums *const CUDA_SUMS = NULL;

int cuda_sums_go_on(struct device *device) {
    (void)device;
    return 0;
}

void cuda_sums_close(struct device *device) { (void)device; }

const char *device_sums_library(const char **why_none) {
    if (why_none) *why_none = "this build has no NCCL (nccl.h, of 2.14 or newer, was not found)";
    return NULL;
}
