/* The table that callers see: each function adds what the call costs (costs.h) to device->work, names it to a profiler, and
 * calls the backend's own. */
#include <stdio.h>
#include <stdlib.h>

#include "costs.h"
#include "ranges.h"

/* Whether the backend lacks the primitive; then that is the error. */
static int lacks(struct device *device, int there, const char *name) {
    if (!there && !device->error[0])
        snprintf(device->error, sizeof device->error,
                 "the %s backend has no primitive \"%s\" (kernels/list.h): use the other backend, or write %s_%s",
                 device->name, name, device->name, name);
    return !there;
}

#define PRIMITIVE(name, cost, arguments)                                                                               \
    static void counted_##name(struct device *device PARAMETERS(arguments)) {                                          \
        if (lacks(device, device->primitives->name != NULL, #name)) return;                                            \
        work_add(&device->work, 1, cost);                                                                              \
        range_push(#name);                                                                                             \
        device->primitives->name(device ARGUMENTS(arguments));                                                         \
        range_pop();                                                                                                   \
    }
#include "list.h"

/* ---- packed weights: their sizes are kept beside the backend's own ---- */
struct linear {
    int64_t in, out;
    enum precision_of_products precision;
    const struct kernels *primitives;
    struct linear *packed;
};

static void counted_linear_free(struct linear *l) {
    if (!l) return;
    l->primitives->linear_free(l->packed);
    free(l);
}

static struct linear *counted_linear_pack(struct device *device, int64_t in, int64_t out, const real *weight,
                                          const real *bias, enum precision_of_products precision) {
    if (lacks(device, device->primitives->linear_pack != NULL, "linear_pack")) return NULL;
    struct linear *packed = device->primitives->linear_pack(device, in, out, weight, bias, precision);
    struct linear *l = packed ? malloc(sizeof *l) : NULL;
    if (l) {
        *l = (struct linear){in, out, precision, device->primitives, packed};
        return l;
    }
    if (packed) {
        snprintf(device->error, sizeof device->error, "out of memory");
        device->primitives->linear_free(packed);
    }
    return NULL;
}

static void counted_linear(struct device *device, const struct linear *l, int64_t rows, dev_real x, enum activation f,
                           dev_real y) {
    work_add(&device->work, 1, cost_linear(rows, l->in, l->out, f, l->precision));
    range_push("linear");
    device->primitives->linear(device, l->packed, rows, x, f, y);
    range_pop();
}

static const struct kernels COUNTED_KERNELS = {
#define PRIMITIVE(name, cost, arguments) .name = counted_##name,
#define ENTRY(result, name, parameters)  .name = counted_##name,
#include "list.h"
};

const char *const PRIMITIVE_NAMES[] = {
#define PRIMITIVE(name, cost, arguments) #name,
#include "list.h"
    "linear",
};
const int N_PRIMITIVES = sizeof PRIMITIVE_NAMES / sizeof *PRIMITIVE_NAMES;

void device_count_work(struct device *device) {
    device->primitives = device->run;
    device->run = &COUNTED_KERNELS;
    device->work = (struct work){0};
}
