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

typedef struct dev_half {
    uint16_t *at; /* IEEE half precision (half.h), or bfloat16 where it is said */
} dev_half;

struct kernels;        /* the table of primitives, kernels.h */
struct device_backend; /* the memory functions of a backend, below */
struct device_sums;    /* its sums over devices, below */

/* In what a product of matrices multiplies; sums are float32 (the double build: double). */
enum precision_of_products { PRODUCTS_F32, PRODUCTS_TF32, PRODUCTS_BF16 };

/* Work done, by the formulas of costs.h. */
struct work {
    double flops, bytes; /* floating-point operations, bytes of memory traffic */
    int64_t calls;
};

/* sum += times * more */
static inline void work_add(struct work *sum, int times, struct work more) {
    sum->flops += times * more.flops;
    sum->bytes += times * more.bytes;
    sum->calls += times * more.calls;
}

struct device {
    const char *name;                    /* "cpu" or "cuda" */
    const struct kernels *run;           /* device->run->gemm(device, ...) */
    const struct kernels *primitives;    /* the backend's own table, which `run` calls and counts */
    struct work work;                    /* of all calls through `run` */
    const struct device_backend *memory; /* used by device.c alone */
    const struct device_sums *sums;      /* likewise; NULL: this backend does not sum over devices */
    void *backend;                       /* private to the backend */
    int64_t linear_rows;                 /* rows that are worth giving to `linear` at once */
    int host_threads;                    /* the CPU's, or the host's beside a GPU; at least 1 */
    const char *needs_less;              /* what needs less memory, for the message when it is out; NULL: not known */
    int group_size;                      /* devices with which it sums, itself among them; 0: it has joined no group */
    char error[512];                     /* first error, "" if none */
};

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the CPU with `n_threads` OpenMP threads (at least 1). BLAS itself runs on one thread; the primitives split
 * their work over OpenMP threads. Returns 0, or -1 with `device->error` set. */
int device_open_cpu(struct device *device, int n_threads);

/* For the functions that open a device: puts a table that counts in front of `run`. */
void device_count_work(struct device *device);

/* Opens CUDA device `ordinal`. gemm multiplies in `products`. host_visible: buffers are managed memory, which the host
 * may read and write at x.at[i] while no work is queued (after device_synchronize); for tests, slower. Returns 0, or -1
 * with `device->error` set; tf32 and bf16 are there from compute capability 8.0 on. */
int device_open_cuda(struct device *device, int ordinal, enum precision_of_products products, int host_visible);

/* How many CUDA devices can be opened; with 0, *why_none (may be NULL) says why in a few words of static storage. */
int device_cuda_count(const char **why_none);

/* Whether there is none for another reason than that this build has no CUDA, or the machine no driver or no device: the driver
 * is too old, or the CUDA runtime reports an error. */
int device_cuda_fault(void);

/* Frees all that the device holds, apart from the caller's buffers. Safe on a zeroed or failed device. */
void device_close(struct device *device);

/* Allocates `count` values (0 is allowed); contents undefined, 64-byte aligned. On failure `.at` is NULL and the error
 * is recorded. The caller frees with device_free. */
dev_real device_alloc_reals(struct device *device, int64_t count);
dev_int device_alloc_ints(struct device *device, int64_t count);
dev_half device_alloc_halves(struct device *device, int64_t count);
void device_free_reals(struct device *device, dev_real buffer);
void device_free_ints(struct device *device, dev_int buffer);
void device_free_halves(struct device *device, dev_half buffer);

/* Copies `count` values between host and device memory. Upload may return before the copy ends only if the host memory
 * may be reused at once; download waits. */
void device_upload_reals(struct device *device, dev_real to, const real *from, int64_t count);
void device_upload_ints(struct device *device, dev_int to, const int32_t *from, int64_t count);
void device_upload_halves(struct device *device, dev_half to, const uint16_t *from, int64_t count);
void device_download_reals(struct device *device, real *to, dev_real from, int64_t count);
void device_download_ints(struct device *device, int32_t *to, dev_int from, int64_t count);

/* Host memory from which prefetches run beside the computation (pinned, with CUDA). NULL, and the error recorded, if
 * memory is out. */
real *device_host_alloc_reals(struct device *device, int64_t count);
void device_host_free_reals(struct device *device, real *buffer);

/* Copies `count` values to the device beside the computation: it may begin when the work queued before the last
 * device_prefetch_wait is done, so no work queued since may use `to`, unless the host has waited for it.
 * device_prefetch_wait lets the work that is queued from then on wait for all prefetches before it.
 * `from` is of device_host_alloc_reals and must stay as it is until device_prefetch_finish, which waits on the host
 * until the prefetches have left their host memory, or until a download after device_prefetch_wait. On the CPU a prefetch
 * copies at once. */
void device_prefetch_reals(struct device *device, dev_real to, const real *from, int64_t count);
void device_prefetch_wait(struct device *device);
void device_prefetch_finish(struct device *device);

/* The other way: copies `count` values into memory of device_host_alloc_reals beside the computation, behind the work that was queued
 * before; `from` must stay as it is until device_fetch_wait, which waits on the host for all fetches, and not for work queued since. On the
 * CPU a fetch copies at once. */
void device_fetch_reals(struct device *device, real *to, dev_real from, int64_t count);
void device_fetch_wait(struct device *device);

/* ---- sums over the devices of several processes that the host's memory does not see: NCCL ---- */

/* With what CUDA devices sum, such as "NCCL 2.28.9"; NULL: there is nothing, and *why_none (may be NULL) says why. Static storage. */
const char *device_sums_library(const char **why_none);

/* Where the device sits in its node ("0000:3b:00.0"): devices of one address are one. "" where that cannot be said (the CPU). */
enum { DEVICE_ADDRESS_BYTES = 32 };
void device_address(struct device *device, char address[DEVICE_ADDRESS_BYTES]);

/* What the processes of a group know it by: made by one of them, which must live until all have joined, and handed to the others as
 * bytes. Returns 0, or -1 and *why (storage of the device). */
struct device_group_id {
    char bytes[128];
};
int device_group_id(struct device *device, struct device_group_id *id, const char **why);

/* Begins to join a group of `size` processes, each with a device of its own, as the rank'th; does not wait for the others. Ask
 * device_group_state until it is no longer GROUP_JOINING; then device->group_size is `size`, or joining failed, which is no error of the
 * device, and *why (storage of the device) says why. A device is in one group; device_close leaves it, device_group_leave before. What is
 * still under way then is given up. */
enum device_group_state { GROUP_NONE, GROUP_JOINING, GROUP_JOINED, GROUP_FAILED };
void device_group_join(struct device *device, const struct device_group_id *id, int rank, int size);
enum device_group_state device_group_state(struct device *device, const char **why);
void device_group_leave(struct device *device);

/* Sums `count` values over the group, in place: begins behind the work that was queued before, and goes on beside what is queued since, which
 * must not use the values until device_sum_finish: it lets the work that is queued from then on wait for all sums before it. The host does not
 * wait. All processes start the same sums in one order. A failure, one of another process too where the library can tell, is an
 * error of the device, found where the host waits; a process whose device has an error does not take part, so that it must end the others. */
void device_sum_start(struct device *device, dev_real values, int64_t count);
void device_sum_finish(struct device *device);

/* Waits for all queued work. Errors of queued work are found here and in downloads. */
void device_synchronize(struct device *device);

/* Work that is recorded once and then run again and again, a CUDA graph; on the CPU, plain calls. It is the same each time: the
 * same calls of device->run with the same arguments, and no copies, waits or allocations among them (an error). What changes from
 * time to time is read from device memory. Zero before the first use. */
struct recorded_work {
    int warm;         /* it was run once */
    struct work work; /* of one time */
    void *recording;  /* the backend's, a graph on CUDA; NULL: none */
};

/* Queues what queue(context) queues. CUDA calls it the first time, records its launches into a graph the second time, and from
 * then on queues the graph, in one call; it records anew when the backend's own memory has moved. The CPU calls it each
 * time. device_forget_recording frees the recording. */
void device_run_recorded(struct device *device, struct recorded_work *recorded, void (*queue)(void *context),
                         void *context);
void device_forget_recording(struct device *device, struct recorded_work *recorded);

/* Bytes free and in all on the device; 0 and 0: not known (the CPU). */
void device_memory(struct device *device, int64_t *free_bytes, int64_t *total_bytes);

/* The first error since the device was opened, or NULL. */
const char *device_error(const struct device *device);

/* What a backend does with memory, and its end; sizes in bytes, each with the meaning of the function of device.c named
 * alike. Copies are of at least one byte; only `free`, `host_free`, `recorded`, `forget` and `close` are called after an
 * error. */
struct device_backend {
    void *(*alloc)(struct device *, size_t bytes); /* NULL: the error is recorded */
    void (*free)(struct device *, void *);
    void *(*host_alloc)(struct device *, size_t bytes);
    void (*host_free)(struct device *, void *);
    void (*upload)(struct device *, void *to, const void *from, size_t bytes);
    void (*download)(struct device *, void *to, const void *from, size_t bytes);
    void (*prefetch)(struct device *, void *to, const void *from, size_t bytes);
    void (*prefetch_wait)(struct device *);
    void (*prefetch_finish)(struct device *);
    void (*fetch)(struct device *, void *to, const void *from, size_t bytes);
    void (*fetch_wait)(struct device *);
    void (*synchronize)(struct device *);
    void (*size)(struct device *, int64_t *free_bytes, int64_t *total_bytes);
    void (*close)(struct device *);
    /* Recordings; all four NULL where there are none. */
    void (*record)(struct device *);               /* what is queued from here is recorded, not done */
    void *(*recorded)(struct device *);            /* ends that; NULL: the error is recorded */
    int (*play)(struct device *, void *recording); /* queues it; 0: it no longer holds, nothing was queued */
    void (*forget)(struct device *, void *recording);
};

/* Sums over devices, each with the meaning of the function of device.c named alike; `address` and `id` may be called in no group. */
struct device_sums {
    void (*address)(struct device *, char address[DEVICE_ADDRESS_BYTES]);
    int (*id)(struct device *, struct device_group_id *, const char **why);
    void (*join)(struct device *, const struct device_group_id *, int rank, int size);
    enum device_group_state (*state)(struct device *, const char **why);
    void (*leave)(struct device *);
    void (*start)(struct device *, void *values, int64_t count);
    void (*finish)(struct device *);
};

#ifdef __cplusplus
}
#endif

/* Pointer arithmetic: `n` values further. */
static inline dev_real dev_real_at(dev_real p, int64_t n) { return (dev_real){p.at + n}; }
static inline dev_int dev_int_at(dev_int p, int64_t n) { return (dev_int){p.at + n}; }

#endif
