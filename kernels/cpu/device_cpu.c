/* Opening the CPU: one OpenMP team, BLAS on one thread, scratch memory that grows. */
#define _DEFAULT_SOURCE /* madvise */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <string.h>

#include "cpu/cpu.h"

void openblas_set_num_threads(int n) __attribute__((weak)); /* OpenBLAS only; other libraries are set by environment */

/* A primitive that this backend lacks is said to be NULL here: #define cpu_NAME NULL */
static const struct kernels CPU_KERNELS = {
#define PRIMITIVE(name, cost, arguments) .name = cpu_##name,
#define ENTRY(result, name, parameters)  .name = cpu_##name,
#include "list.h"
};

/* ---- memory: the host's own; what is queued elsewhere is done at once ---- */
enum { ALIGNMENT = 64, LARGE_PAGE = 2 << 20 };

/* Large buffers ask for large pages: a step walks through hundreds of MB, and small ones would be looked up at each 4 KB. */
static void *host_memory(size_t bytes) {
    size_t alignment = bytes >= 2 * LARGE_PAGE ? LARGE_PAGE : ALIGNMENT;
    size_t whole = ((bytes ? bytes : 1) + alignment - 1) / alignment * alignment;
    void *p = aligned_alloc(alignment, whole);
#ifdef MADV_HUGEPAGE
    if (p && alignment == LARGE_PAGE) madvise(p, whole, MADV_HUGEPAGE); /* may be refused: then pages are small */
#endif
    return p;
}

static void *cpu_alloc(struct device *device, size_t bytes) {
    void *p = host_memory(bytes);
    if (!p)
        snprintf(device->error, sizeof device->error, "out of memory: a buffer of %.3f GB was asked for%s%s",
                 (double)bytes * 1e-9, device->needs_less ? "; less is needed with " : "",
                 device->needs_less ? device->needs_less : "");
    return p;
}

static void cpu_free(struct device *device, void *buffer) {
    (void)device;
    free(buffer);
}

static void cpu_copy(struct device *device, void *to, const void *from, size_t bytes) {
    (void)device;
    memcpy(to, from, bytes);
}

static void cpu_nothing(struct device *device) { (void)device; }

static void cpu_memory_size(struct device *device, int64_t *free_bytes, int64_t *total_bytes) {
    (void)device;
    *free_bytes = *total_bytes = 0; /* shared with everything else on the machine */
}

static void cpu_close(struct device *device) {
    struct cpu *cpu = device->backend;
    free(cpu->scratch);
    free(cpu);
}

static const struct device_backend CPU_MEMORY = {
    .alloc = cpu_alloc,
    .free = cpu_free,
    .host_alloc = cpu_alloc,
    .host_free = cpu_free,
    .upload = cpu_copy,
    .download = cpu_copy,
    .prefetch = cpu_copy,
    .prefetch_wait = cpu_nothing,
    .prefetch_finish = cpu_nothing,
    .fetch = cpu_copy,
    .fetch_wait = cpu_nothing,
    .synchronize = cpu_nothing,
    .size = cpu_memory_size,
    .close = cpu_close,
};

/* What the processor has, or less if MEDTOK_CPU_VECTORS says so (plain, avx2, avx512: for tests and comparisons). */
static enum cpu_vectors choose_vectors(void) {
    enum cpu_vectors best = CPU_PLAIN;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = CPU_AVX2;
    if (__builtin_cpu_supports("avx512f")) best = CPU_AVX512;
#endif
    const char *name = getenv("MEDTOK_CPU_VECTORS");
    if (!name) return best;
    enum cpu_vectors wanted = strcmp(name, "plain") == 0 ? CPU_PLAIN : strcmp(name, "avx2") == 0 ? CPU_AVX2 : best;
    return wanted < best ? wanted : best;
}

int device_open_cpu(struct device *device, int n_threads) {
    *device = (struct device){.name = "cpu",
                              .run = &CPU_KERNELS,
                              .memory = &CPU_MEMORY,
                              .linear_rows = 2048, /* fill the cores, stay in the caches */
                              .host_threads = n_threads > 0 ? n_threads : 1};
    device_count_work(device);
    struct cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu) {
        snprintf(device->error, sizeof device->error, "out of memory");
        return -1;
    }
    cpu->vectors = choose_vectors();
    device->backend = cpu;
    if (openblas_set_num_threads) openblas_set_num_threads(1);
    omp_set_num_threads(1); /* for libraries; every parallel region of ours names its number */
    return 0;
}

real *cpu_scratch(struct device *device, int64_t count) {
    struct cpu *cpu = device->backend;
    size_t bytes = ((size_t)(count > 0 ? count : 1) * sizeof(real) + 63) / 64 * 64; /* NULL means failure alone */
    if (device->error[0]) return NULL;
    if (bytes > cpu->scratch_size) {
        free(cpu->scratch);
        cpu->scratch = host_memory(bytes);
        cpu->scratch_size = cpu->scratch ? bytes : 0;
        if (!cpu->scratch)
            snprintf(device->error, sizeof device->error, "out of memory: %.3f GB of scratch were asked for",
                     (double)bytes * 1e-9);
    }
    return cpu->scratch;
}
