/* See support.h. */
#include "support.h"

#include <string.h>

#include "philox.h"

#ifdef MEDTOK_REAL_DOUBLE
/* Sums of a few hundred terms of size 1 in double. */
const double TOLERANCE = 1e-11;
#else
/* float32: 2^-24 relative for each of up to ~1000 terms of size 1 in a sum, which add up like a random walk. */
const double TOLERANCE = 2e-5;
#endif

/* Empty, one, odd, one column, just beyond a power of two, large. */
const int64_t SHAPES[][2] = {{0, 4}, {1, 1}, {3, 5}, {17, 64}, {300, 64}, {700, 33}, {1025, 1}, {33, 257}};
const int N_SHAPES = sizeof SHAPES / sizeof *SHAPES;

struct device device;

int on_cpu(void) { return strcmp(device.name, "cpu") == 0; }

int device_is_emulated(void) {
#ifdef MEDTOK_EMULATED
    return 1;
#else
    return 0;
#endif
}

void primitive_ended(const char *name) {
    device_synchronize(&device);
    if (device_error(&device)) fail_msg("%s: %s", name, device_error(&device));
}

/* ---- data ---- */
static uint64_t counter;

double uniform(void) {
    uint32_t w[4];
    philox4x32(99, 1, 0, counter++, 0, w);
    return w[0] * 0x1p-31 - 1;
}

dev_real zeros(int64_t n) {
    dev_real x = device_alloc_reals(&device, n);
    assert_non_null(x.at);
    for (int64_t i = 0; i < n; i++) x.at[i] = 0;
    return x;
}

dev_real values(int64_t n) {
    dev_real x = device_alloc_reals(&device, n);
    assert_non_null(x.at);
    for (int64_t i = 0; i < n; i++) x.at[i] = (real)uniform();
    return x;
}

dev_int ints(const int32_t *from, int64_t n) {
    dev_int x = device_alloc_ints(&device, n);
    for (int64_t i = 0; i < n; i++) x.at[i] = from[i];
    return x;
}

struct ragged segments(const int32_t *offsets, int64_t n) {
    return (struct ragged){n, offsets[n], ints(offsets, n + 1)};
}

void release(int n, ...) {
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++) device_free_reals(&device, va_arg(args, dev_real));
    va_end(args);
}

/* ---- checks ---- */
void close_to(double found, double wanted, const char *what, int64_t i) {
    if (!(fabs(found - wanted) <= TOLERANCE * (1 + fabs(wanted))))
        fail_msg("%s[%lld] is %.9g, not %.9g", what, (long long)i, found, wanted);
}

void overwritten(const char *what, dev_real x, int64_t n, dev_real added) {
    for (int64_t i = 0; i < n; i++)
        if (x.at[i] != added.at[i])
            fail_msg("%s[%lld] overwritten is %.9g, added to zero %.9g", what, (long long)i, x.at[i], added.at[i]);
    release(1, x);
}

void check_gradient(const char *what, dev_real x, int64_t n, dev_real gradient, const real *r, dev_real out,
                    int64_t n_out, void (*forward)(void *), void *context) {
#ifdef MEDTOK_REAL_DOUBLE
    for (int64_t i = 0; i < n; i++) {
        double old = x.at[i], step = 1e-6, sum[2] = {0, 0};
        for (int s = 0; s < 2; s++) {
            x.at[i] = old + (s ? step : -step);
            forward(context);
            for (int64_t k = 0; k < n_out; k++) sum[s] += r[k] * out.at[k];
        }
        x.at[i] = old;
        double slope = (sum[1] - sum[0]) / (2 * step);
        /* h^2 f''' / 6 and 1e-16 |f| / h are both below 1e-8 here. */
        if (!(fabs(slope - gradient.at[i]) < 1e-6 * (1 + fabs(slope))))
            fail_msg("gradient of %s[%lld] is %.9g, not %.9g", what, (long long)i, gradient.at[i], slope);
    }
#else
    (void)what, (void)x, (void)r, (void)out, (void)n_out, (void)forward, (void)context;
    for (int64_t i = 0; i < n; i++) assert_true(isfinite(gradient.at[i]));
#endif
}
