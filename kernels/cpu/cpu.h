/* What the files of the CPU backend share. All primitives run on the calling thread's OpenMP team. */
#ifndef MEDTOK_KERNELS_CPU_CPU_H
#define MEDTOK_KERNELS_CPU_CPU_H

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "kernels.h"

#ifdef MEDTOK_REAL_DOUBLE
#define cblas_rgemm cblas_dgemm
#define real_sqrt   sqrt
#else
#define cblas_rgemm cblas_sgemm
#define real_sqrt   sqrtf
#endif

/* Compiled twice, for AVX-512 and for the build's own architecture; the processor decides. For the few loops that count and
 * that compilers turn into vector code. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE_VECTORS __attribute__((target_clones("avx512f", "default")))
#else
#define WIDE_VECTORS
#endif

/* Compiled into its callers, so as each of the callers' versions. */
#define IN_PLACE static inline __attribute__((always_inline))

/* Which of the loops written for one kind of vectors are used. */
enum cpu_vectors { CPU_PLAIN, CPU_AVX2, CPU_AVX512 };

struct cpu {
    enum cpu_vectors vectors;
    void *scratch; /* grown on demand, kept */
    size_t scratch_size;
};

static inline int cpu_threads(const struct device *device) { return device->host_threads; }

/* Scratch for `count` values, valid until the next call; NULL (error recorded) if memory is out. */
real *cpu_scratch(struct device *device, int64_t count);

/* c[m,n] = alpha op(a) op(b) + beta c on the calling thread; k > 0. */
void cpu_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k, real alpha, const real *a,
                 int64_t lda, const real *b, int64_t ldb, real beta, real *c, int64_t ldc);

/* Below this many values of work a parallel region costs more than it gives. */
enum { PARALLEL_MIN = 1 << 15 };

/* Sums over rows are made in blocks of this many rows, whatever the number of threads, so that results do not depend on it. */
enum { REDUCTION_ROWS = 256 };

/* The CPU's functions; device_cpu.c has their table. */
#define PRIMITIVE(name, cost, arguments) void cpu_##name(struct device *PARAMETERS(arguments));
#define ENTRY(result, name, parameters)  result cpu_##name parameters;
#include "list.h"

#endif
