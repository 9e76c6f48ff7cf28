/* A device: where buffers live and the primitives of kernels.h run. Two backends, `cpu` and `cuda`, one meaning.
 *
 * Pointers into device memory have types of their own (dev_real, dev_int), so that device memory cannot be handed to
 * code that expects host memory. Work is queued in order; device_download and device_synchronize wait for it.
 *
 * Errors are sticky: a primitive that fails (out of memory, a CUDA error) records the first message and the device does
 * nothing more. Callers look with device_error() where they would wait anyway.
 */
#ifndef MEDTOK_KERNELS_DEVICE_H
#define MEDTOK_KERNELS_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "real.h"

typedef struct dev_real {
    real *at;
} dev_real;

typedef struct dev_int {
    int32_t *at;
} dev_int;

struct kernels; /* the table of primitives, kernels.h */

/* Work done, by the formulas of costs.h. */
struct work {
    double flops, bytes; /* floating-point operations, bytes of memory traffic */
    int64_t calls;
};

struct device {
    const char *name;                 /* "cpu" or "cuda" */
    const struct kernels *run;        /* device->run->gemm(device, ...) */
    const struct kernels *primitives; /* the backend's own table, which `run` calls and counts */
    struct work work;                 /* of all calls through `run` */
    void *backend;                    /* private to the backend */
    char error[512];                  /* first error, "" if none */
};

/* Opens the CPU with `n_threads` OpenMP threads (at least 1). BLAS itself runs on one thread; the primitives split
 * their work over OpenMP threads. Returns 0, or -1 with `device->error` set. */
int device_open_cpu(struct device *device, int n_threads);

/* For the functions that open a device: puts a table that counts in the place of `run`. */
void device_count_work(struct device *device);

/* Frees all that the device holds, apart from the caller's buffers. Safe on a zeroed or failed device. */
void device_close(struct device *device);

/* Allocates `count` values (0 is allowed); contents undefined, 64-byte aligned. On failure `.at` is NULL and the error
 * is recorded. The caller frees with device_free. */
dev_real device_alloc_reals(struct device *device, int64_t count);
dev_int device_alloc_ints(struct device *device, int64_t count);
void device_free_reals(struct device *device, dev_real buffer);
void device_free_ints(struct device *device, dev_int buffer);

/* Copies `count` values between host and device memory. Upload may return before the copy ends only if the host memory
 * may be reused at once; download waits. */
void device_upload_reals(struct device *device, dev_real to, const real *from, int64_t count);
void device_upload_ints(struct device *device, dev_int to, const int32_t *from, int64_t count);
void device_download_reals(struct device *device, real *to, dev_real from, int64_t count);
void device_download_ints(struct device *device, int32_t *to, dev_int from, int64_t count);

/* Waits for all queued work. */
void device_synchronize(struct device *device);

/* The first error since the device was opened, or NULL. */
const char *device_error(const struct device *device);

/* Pointer arithmetic: `n` values further. */
static inline dev_real dev_real_at(dev_real p, int64_t n) { return (dev_real){p.at + n}; }
static inline dev_int dev_int_at(dev_int p, int64_t n) { return (dev_int){p.at + n}; }

#endif
