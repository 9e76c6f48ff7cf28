/* Opening a CUDA device, and its memory: uploads through a ring of pinned memory, prefetches on a stream of their own,
 * scratch that grows; and recordings of work as CUDA graphs. */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cuda.cuh"
#include "cuda/primitives.h"

enum {
    PART_BYTES = 4 << 20,
    BLAS_WORKSPACE_BYTES = 32 << 20
}; /* cuBLAS's manual names 32 MiB for compute capability 9.0 */

static const double GIGA = 1e-9;

void cuda_set_error(struct device *device, const char *format, ...) {
    if (device->error[0]) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(device->error, sizeof device->error, format, arguments);
    va_end(arguments);
}

int cuda_check(struct device *device, cudaError_t code, const char *what) {
    if (code != cudaSuccess) cuda_set_error(device, "cuda: %s: %s", what, cudaGetErrorString(code));
    return code == cudaSuccess;
}

int cuda_check_blas(struct device *device, cublasStatus_t code, const char *what) {
    if (code != CUBLAS_STATUS_SUCCESS) cuda_set_error(device, "cuda: %s: %s", what, cublasGetStatusString(code));
    return code == CUBLAS_STATUS_SUCCESS;
}

/* ---- memory ---- */

/* Device memory, or NULL and an error that says what helps. */
static void *alloc_on_device(struct device *device, size_t bytes, const char *what) {
    void *p = NULL;
    if (bytes == 0) bytes = 1;
    cudaError_t code = cuda_of(device)->host_visible ? cudaMallocManaged(&p, bytes) : cudaMalloc(&p, bytes);
    if (code == cudaSuccess) return p;
    cudaGetLastError(); /* this failure leaves the device usable, and must not be found by who asks for the last one */
    size_t free_bytes = 0, total_bytes = 0;
    if (code == cudaErrorMemoryAllocation && cudaMemGetInfo(&free_bytes, &total_bytes) == cudaSuccess)
        cuda_set_error(device,
                  "out of memory on CUDA device %d: %.3f GB were asked for (%s), %.3f of %.3f GB are free%s%s",
                  cuda_of(device)->ordinal, (double)bytes * GIGA, what, (double)free_bytes * GIGA,
                  (double)total_bytes * GIGA, device->needs_less ? "; less is needed with " : "",
                  device->needs_less ? device->needs_less : "");
    cuda_check(device, code, what);
    return NULL;
}

static void *cuda_alloc(struct device *device, size_t bytes) { return alloc_on_device(device, bytes, "a buffer"); }

static void cuda_free(struct device *device, void *buffer) { cuda_check(device, cudaFree(buffer), "freeing a buffer"); }

static void *cuda_host_alloc(struct device *device, size_t bytes) {
    void *p = NULL;
    cudaError_t code = cudaMallocHost(&p, bytes ? bytes : 1);
    if (code == cudaSuccess) return p;
    cudaGetLastError();
    cuda_set_error(device, "out of memory: %.3f GB of pinned host memory were asked for: %s", (double)bytes * GIGA,
              cudaGetErrorString(code));
    return NULL;
}

static void cuda_host_free(struct device *device, void *buffer) {
    cuda_check(device, cudaFreeHost(buffer), "freeing pinned memory");
}

/* Waits for `event`, or where it is NULL for all that `stream` has. A sum over devices whose other side is gone would never end: so while there
 * are any, the host asks. */
static int wait_for(struct device *device, cudaStream_t stream, cudaEvent_t event, const char *what) {
    cudaError_t code = cudaErrorNotReady;
    while (code == cudaErrorNotReady && cuda_sums_go_on(device)) {
        code = event ? cudaEventQuery(event) : cudaStreamQuery(stream);
        if (code == cudaErrorNotReady) cudaGetLastError(); /* it is none, and must not be found by who asks for the last one */
        if (code == cudaErrorNotReady) sched_yield();
    }
    if (code == cudaErrorNotReady) code = event ? cudaEventSynchronize(event) : cudaStreamSynchronize(stream);
    if (cuda_check(device, code, what)) cuda_sums_go_on(device);
    return !device->error[0];
}

static int wait_for_work(struct device *device, const char *what) {
    return wait_for(device, cuda_of(device)->stream, NULL, what);
}

/* Leaves the part of the ring that is full, and waits until the next one's copies are over. */
static int next_part(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    if (!cuda_check(device, cudaEventRecord(cuda->part_left[cuda->part], cuda->stream), "upload")) return 0;
    cuda->part = (cuda->part + 1) % STAGING_PARTS;
    cuda->part_used = 0;
    return wait_for(device, cuda->stream, cuda->part_left[cuda->part], "upload");
}

static void cuda_upload(struct device *device, void *to, const void *from, size_t bytes) {
    struct cuda *cuda = cuda_of(device);
    if (cuda->recording) { /* it would be recorded with what the ring happens to hold later */
        cuda_set_error(device, "cuda: an upload in the midst of recorded work");
        return;
    }
    for (size_t done = 0; done < bytes;) {
        if (cuda->part_used == PART_BYTES && !next_part(device)) return;
        size_t n = bytes - done, room = PART_BYTES - cuda->part_used;
        if (n > room) n = room;
        char *staged = cuda->staging + (size_t)cuda->part * PART_BYTES + cuda->part_used;
        memcpy(staged, (const char *)from + done, n);
        if (!cuda_check(device, cudaMemcpyAsync((char *)to + done, staged, n, cudaMemcpyHostToDevice, cuda->stream),
                        "upload"))
            return;
        done += n;
        cuda->part_used += n;
    }
}

static void cuda_download(struct device *device, void *to, const void *from, size_t bytes) {
    struct cuda *cuda = cuda_of(device);
    if (cuda_check(device, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, cuda->stream), "download"))
        wait_for_work(device, "work queued before a download");
}

static void cuda_prefetch(struct device *device, void *to, const void *from, size_t bytes) {
    struct cuda *cuda = cuda_of(device);
    if (cuda_check(device, cudaStreamWaitEvent(cuda->copies, cuda->before_wait, 0), "prefetch"))
        cuda_check(device, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, cuda->copies), "prefetch");
}

static void cuda_prefetch_wait(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    if (cuda_check(device, cudaEventRecord(cuda->before_wait, cuda->stream), "prefetch") &&
        cuda_check(device, cudaEventRecord(cuda->prefetched, cuda->copies), "prefetch"))
        cuda_check(device, cudaStreamWaitEvent(cuda->stream, cuda->prefetched, 0), "prefetch");
}

static void cuda_prefetch_finish(struct device *device) {
    wait_for(device, cuda_of(device)->copies, NULL, "prefetch");
}

int cuda_exchange_behind(struct device *device, const char *what) {
    struct cuda *cuda = cuda_of(device);
    if (cuda->recording) cuda_set_error(device, "cuda: a %s in the midst of recorded work", what);
    return !device->error[0] && cuda_check(device, cudaEventRecord(cuda->before_exchange, cuda->stream), what) &&
           cuda_check(device, cudaStreamWaitEvent(cuda->exchange, cuda->before_exchange, 0), what);
}

static void cuda_fetch(struct device *device, void *to, const void *from, size_t bytes) {
    if (cuda_exchange_behind(device, "fetch"))
        cuda_check(device, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, cuda_of(device)->exchange),
                   "fetch");
}

static void cuda_fetch_wait(struct device *device) {
    wait_for(device, cuda_of(device)->exchange, NULL, "work queued before a fetch");
}

static void cuda_synchronize(struct device *device) {
    if (wait_for(device, cuda_of(device)->copies, NULL, "queued copies"))
        wait_for_work(device, "queued work");
}

static void cuda_memory_size(struct device *device, int64_t *free_bytes, int64_t *total_bytes) {
    size_t left = 0, total = 0;
    if (!cuda_check(device, cudaMemGetInfo(&left, &total), "asking for the size of memory")) return;
    *free_bytes = (int64_t)left;
    *total_bytes = (int64_t)total;
}

real *cuda_scratch(struct device *device, int64_t count) {
    struct cuda *cuda = cuda_of(device);
    size_t bytes = (size_t)(count > 0 ? count : 1) * sizeof(real);
    if (device->error[0]) return NULL;
    if (bytes > cuda->scratch_size) {
        if (!wait_for_work(device, "work queued before scratch grows") ||
            !cuda_check(device, cudaFree(cuda->scratch), "freeing scratch"))
            return NULL;
        cuda->scratch_size = 0;
        cuda->scratch = NULL;
        bytes += bytes / 4; /* batches differ in size: not anew for each that is a little larger */
        cuda->scratch = alloc_on_device(device, bytes, "scratch");
        if (cuda->scratch) cuda->scratch_size = bytes;
        cuda->scratch_number++;
    }
    return (real *)cuda->scratch;
}

/* Frees what there is; nothing is reported, since after a failure each of these calls fails too. */
static void cuda_close(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    device_group_leave(device); /* first: a sum that never ends would be waited for */
    cudaStream_t *streams[] = {&cuda->stream, &cuda->copies, &cuda->exchange};
    for (cudaStream_t *stream : streams)
        if (*stream) cudaStreamSynchronize(*stream);
    if (cuda->blas) cublasDestroy(cuda->blas);
    cudaFree(cuda->blas_workspace);
    cudaFree(cuda->scratch);
    cudaFree(cuda->arrivals);
    cudaFreeHost(cuda->staging);
    for (int i = 0; i < STAGING_PARTS; i++)
        if (cuda->part_left[i]) cudaEventDestroy(cuda->part_left[i]);
    for (cudaEvent_t event : {cuda->before_wait, cuda->prefetched, cuda->before_exchange, cuda->exchanged})
        if (event) cudaEventDestroy(event);
    for (cudaStream_t *stream : streams)
        if (*stream) cudaStreamDestroy(*stream);
    free(cuda);
}

/* ---- recordings ---- */
struct recording {
    cudaGraphExec_t graph;
    int scratch_number; /* of the scratch that its kernels use */
};

static void cuda_record(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    cuda->recording = cuda_check(device, cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeThreadLocal),
                                 "beginning to record work");
}

static void *cuda_recorded(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    cudaGraph_t graph = NULL;
    if (!cuda->recording) return NULL;
    cuda->recording = 0;
    struct recording *recording = (struct recording *)calloc(1, sizeof *recording);
    if (!recording) cuda_set_error(device, "out of memory");
    int ok = cuda_check(device, cudaStreamEndCapture(cuda->stream, &graph), "recording work") &&
             !device->error[0] &&
             cuda_check(device, cudaGraphInstantiateWithFlags(&recording->graph, graph, 0), "making a graph");
    if (graph) cudaGraphDestroy(graph);
    if (ok) {
        recording->scratch_number = cuda->scratch_number;
        return recording;
    }
    cudaGetLastError(); /* as in alloc_on_device */
    free(recording);
    return NULL;
}

static int cuda_play(struct device *device, void *opaque) {
    struct recording *recording = (struct recording *)opaque;
    if (recording->scratch_number != cuda_of(device)->scratch_number) return 0;
    cuda_check(device, cudaGraphLaunch(recording->graph, cuda_of(device)->stream), "recorded work");
    return 1;
}

static void cuda_forget(struct device *device, void *opaque) {
    struct recording *recording = (struct recording *)opaque;
    wait_for_work(device, "work queued before a graph is freed");
    cuda_check(device, cudaGraphExecDestroy(recording->graph), "freeing a graph");
    free(recording);
}

static const struct device_backend CUDA_MEMORY = {
    cuda_alloc,           cuda_free,        cuda_host_alloc,  cuda_host_free,
    cuda_upload,          cuda_download,    cuda_prefetch,    cuda_prefetch_wait,
    cuda_prefetch_finish, cuda_fetch,       cuda_fetch_wait,  cuda_synchronize,
    cuda_memory_size,     cuda_close,       cuda_record,      cuda_recorded,
    cuda_play,            cuda_forget,
};

/* ---- opening ---- */
/* Why the driver is not sufficient. CUDA 12.2 is 12020. */
static const char *why_no_driver(int *fault) {
    static char why[256];
    int driver = 0, runtime = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "no CUDA driver";
    cudaRuntimeGetVersion(&runtime);
    *fault = 1;
    snprintf(why, sizeof why,
             "the driver is made for CUDA %d.%d, too old for this build's CUDA %d.%d: build with a toolkit no newer than "
             "the \"CUDA Version\" of nvidia-smi, or update the driver",
             driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    return why;
}

/* The number of devices; 0: *why_none, and whether that is a fault. */
static int find_devices(const char **why_none, int *fault) {
    int n = 0;
    cudaError_t code = cudaGetDeviceCount(&n);
    *why_none = NULL;
    *fault = 0;
    if (code == cudaSuccess && n > 0) return n;
    cudaGetLastError();
    if (code == cudaErrorInsufficientDriver) {
        *why_none = why_no_driver(fault);
    } else if (code == cudaErrorNoDevice || code == cudaSuccess) {
        *why_none = "no CUDA device";
    } else {
        *why_none = cudaGetErrorString(code);
        *fault = 1;
    }
    return 0;
}

int device_cuda_count(const char **why_none) {
    const char *why;
    int fault, n = find_devices(&why, &fault);
    if (why_none) *why_none = why;
    return n;
}

int device_cuda_fault(void) {
    const char *why;
    int fault;
    find_devices(&why, &fault);
    return fault;
}

int cuda_check_products(struct device *device, enum precision_of_products products) {
    int capability = cuda_of(device)->capability;
    if (products == PRODUCTS_F32 || capability >= 80) return 1;
    cuda_set_error(device, "cuda: %s needs a GPU of compute capability 8.0 (Ampere) or newer, and this one has %d.%d: set fp32 (run.compute, text.compute)",
              products == PRODUCTS_TF32 ? "tf32" : "bf16", capability / 10, capability % 10);
    return 0;
}

/* Never launched: whether the device has code for it says whether it has code for the others. */
static __global__ void probe(void) {}

/* `exchange` is put before the others where they compete: another device may be waiting. */
static int create_streams(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    int ok = cuda_check(device, cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking), "creating a stream") &&
             cuda_check(device, cudaStreamCreateWithFlags(&cuda->copies, cudaStreamNonBlocking), "creating a stream") &&
             cuda_check(device, cudaStreamCreateWithPriority(&cuda->exchange, cudaStreamNonBlocking, -1), "creating a stream");
    cudaEvent_t *single[] = {&cuda->before_wait, &cuda->prefetched, &cuda->before_exchange, &cuda->exchanged};
    enum { N_SINGLE = sizeof single / sizeof *single };
    for (int i = 0; ok && i < STAGING_PARTS + N_SINGLE; i++)
        ok = cuda_check(device,
                        cudaEventCreateWithFlags(i < STAGING_PARTS ? &cuda->part_left[i] : single[i - STAGING_PARTS],
                                                 cudaEventDisableTiming),
                        "creating an event");
    return ok;
}

/* The workspace is ours, so that no product allocates; cublasSetStream forgets it, and so comes first. */
static int create_blas(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    if (!cuda_check_blas(device, cublasCreate(&cuda->blas), "opening cuBLAS") ||
        !cuda_check_blas(device, cublasSetStream(cuda->blas, cuda->stream), "opening cuBLAS"))
        return 0;
    cuda->blas_workspace = alloc_on_device(device, BLAS_WORKSPACE_BYTES, "the workspace of cuBLAS");
    return cuda->blas_workspace &&
           cuda_check_blas(device, cublasSetWorkspace(cuda->blas, cuda->blas_workspace, BLAS_WORKSPACE_BYTES),
                           "giving cuBLAS its workspace");
}

static int create_arrivals(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    size_t bytes = ARRIVALS * sizeof *cuda->arrivals;
    cuda->arrivals = (unsigned *)alloc_on_device(device, bytes, "counters of blocks");
    return cuda->arrivals &&
           cuda_check(device, cudaMemsetAsync(cuda->arrivals, 0, bytes, cuda->stream), "clearing counters of blocks");
}

/* Rows of the products of `linear`: about 4,096 of them, and a whole number of waves. cuBLAS cuts a result into tiles of 128 x
 * 256, one for each multiprocessor at a time; a BERT of width 768 has results 3, 6 and 12 tiles wide. So 128 rows for each 3
 * multiprocessors are 1, 2 and 4 waves: 4,608 on an A100 (108), 5,632 on an H100 SXM (132), where 4,096 rows fill 0.79 of
 * their waves. It is a constant of a kind of device, and so are the results. */
static int64_t rows_in_whole_waves(int n_multiprocessors) {
    int64_t wave = 128 * (int64_t)(n_multiprocessors < 3 ? 1 : n_multiprocessors / 3);
    return (4096 + wave - 1) / wave * wave;
}

static int ask(struct device *device, enum cudaDeviceAttr attribute, int *value, const char *what) {
    return cuda_check(device, cudaDeviceGetAttribute(value, attribute, cuda_of(device)->ordinal), what);
}

static int ask_what_it_is(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    int major = 0, minor = 0;
    int ok = ask(device, cudaDevAttrMultiProcessorCount, &cuda->n_multiprocessors, "asking for the multiprocessors") &&
             ask(device, cudaDevAttrComputeCapabilityMajor, &major, "asking for the compute capability") &&
             ask(device, cudaDevAttrComputeCapabilityMinor, &minor, "asking for the compute capability");
    cuda->capability = 10 * major + minor;
    return ok;
}

/* Makes the context too, where cudaSetDevice does not (before CUDA 12). */
static int check_code(struct device *device) {
    struct cudaFuncAttributes attributes;
    cudaError_t code = cudaFuncGetAttributes(&attributes, probe);
    if (code == cudaErrorNoKernelImageForDevice || code == cudaErrorInvalidDeviceFunction) {
        int capability = cuda_of(device)->capability;
        cuda_set_error(device,
                  "cuda: this build has no code for the device, of compute capability %d.%d: build with "
                  "-DCMAKE_CUDA_ARCHITECTURES=%d",
                  capability / 10, capability % 10, capability);
    }
    return cuda_check(device, code, "opening the device");
}

int device_open_cuda(struct device *device, int ordinal, enum precision_of_products products, int host_visible) {
    const char *why = NULL;
    memset(device, 0, sizeof *device);
    int n_devices = device_cuda_count(&why);
    if (n_devices == 0) {
        cuda_set_error(device, "cuda: %s", why);
    } else if (ordinal < 0 || ordinal >= n_devices) {
        cuda_set_error(device, "cuda: device %d was asked for; the devices are 0 to %d", ordinal, n_devices - 1);
    }
    struct cuda *cuda = device->error[0] ? NULL : (struct cuda *)calloc(1, sizeof *cuda);
    if (!cuda) {
        cuda_set_error(device, "out of memory");
        return -1;
    }
    device->name = "cuda";
    device->run = &CUDA_KERNELS;
    device_count_work(device);
    device->memory = &CUDA_MEMORY;
    device->sums = CUDA_SUMS;
    device->host_threads = 1;
    device->backend = cuda;
    cuda->ordinal = ordinal;
    cuda->products = products;
    cuda->host_visible = host_visible;
    int ok = cuda_check(device, cudaSetDevice(ordinal), "opening the device") && ask_what_it_is(device) &&
             check_code(device) && cuda_check_products(device, products) && create_streams(device) &&
             create_blas(device) && create_arrivals(device);
    device->linear_rows = rows_in_whole_waves(cuda->n_multiprocessors);
    if (ok) {
        cuda->staging = (char *)cuda_host_alloc(device, (size_t)STAGING_PARTS * PART_BYTES);
        ok = cuda->staging != NULL;
    }
    return ok ? 0 : -1;
}
