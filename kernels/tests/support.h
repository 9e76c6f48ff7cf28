/* What tests of the device, and of primitives that have no case in kernels/cases, share: comparison with plain double-precision
 * loops, and of backward with central differences of forward (in the double build, where rounding does not stand in the
 * way).
 *
 * The tests read and write device memory directly: it is the host's own (CPU), managed (CUDA, host_visible) or
 * emulated. So RUN waits after each primitive. */
#ifndef MEDTOK_KERNELS_TESTS_SUPPORT_H
#define MEDTOK_KERNELS_TESTS_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels.h"

/* The device under test, opened by main. */
extern struct device device;

#define RUN(name, ...) (device.run->name(&device, __VA_ARGS__), primitive_ended(#name))

/* Waits for the primitive, and fails if the device has an error. */
void primitive_ended(const char *name);

/* Whether the device is the CPU: what only it promises is tested only there. */
int on_cpu(void);

/* Whether this program has the CUDA of emulation/, which is slow. */
int device_is_emulated(void);

/* Relative to the size of what is compared, and to 1: see support.c. */
extern const double TOLERANCE;

/* ---- data: numbers of a fixed sequence, uniform in -1 .. 1 ---- */
double uniform(void);
dev_real zeros(int64_t n);
dev_real values(int64_t n);
dev_int ints(const int32_t *from, int64_t n);
struct ragged segments(const int32_t *offsets, int64_t n); /* n segments */
void release(int n, ...);                                  /* n dev_real */

extern const int64_t SHAPES[][2]; /* rows, columns */
extern const int N_SHAPES;

/* ---- checks ---- */
void close_to(double found, double wanted, const char *what, int64_t i);

/* That x, which was overwritten, has the values of `added`, which were added to zeros; frees x. */
void overwritten(const char *what, dev_real x, int64_t n, dev_real added);

/* d(sum_i r_i out_i)/dx against `gradient`, by moving each x. `forward` fills out[n_out] from x. Single precision: only
 * whether the gradient is finite. */
void check_gradient(const char *what, dev_real x, int64_t n, dev_real gradient, const real *r, dev_real out,
                    int64_t n_out, void (*forward)(void *), void *context);

/* ---- the groups of tests; each returns how many failed ---- */
int test_vectors_and_matrices(void);
int test_rows(void);
int test_attention(void);
int test_activation(void);
int test_linear(void);
int test_losses(void);
int test_tables(void);
int test_memory(void); /* buffers, copies, errors */
int test_sums(void);   /* values on their way to other processes */
int test_cases(void);  /* of kernels/cases */

#endif
