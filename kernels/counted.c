/* The table that callers see: each function adds what the call costs (costs.h) to device->work, names it to a profiler, and
 * calls the backend's own. */
#include <stdio.h>

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

/* In a longer row of arguments two are easily exchanged; the members of a struct have names. */
enum { MOST_ARGUMENTS = 6 };

/* A string of a letter for each argument. */
#define LETTERS(sequence)        CLOSE(LETTER_A sequence)
#define LETTER_A(type, argument) "a" LETTER_B
#define LETTER_B(type, argument) "a" LETTER_A
#define LETTER_A_END
#define LETTER_B_END
#define PRIMITIVE(name, cost, arguments)                                                                               \
    _Static_assert(sizeof("" LETTERS(arguments)) - 1 <= MOST_ARGUMENTS, #name ": pass a struct (list.h)");
#include "list.h"

#define PRIMITIVE(name, cost, arguments)                                                                               \
    static void counted_##name(struct device *device PARAMETERS(arguments)) {                                          \
        if (lacks(device, device->primitives->name != NULL, #name)) return;                                            \
        work_add(&device->work, 1, cost);                                                                              \
        range_push(#name);                                                                                             \
        device->primitives->name(device ARGUMENTS(arguments));                                                         \
        range_pop();                                                                                                   \
    }
#include "list.h"

/* ---- preparation, which is not counted ---- */
static struct packed_weights *counted_linear_pack(struct device *device, int64_t in, int64_t out, const void *weight,
                                                  enum storage storage, enum precision_of_products precision) {
    if (lacks(device, device->primitives->linear_pack != NULL, "linear_pack")) return NULL;
    return device->primitives->linear_pack(device, in, out, weight, storage, precision);
}

static struct packed_weights *counted_linear_borrow(struct device *device, int64_t in, int64_t out, const void *weight,
                                                    enum storage storage, enum precision_of_products precision) {
    if (lacks(device, device->primitives->linear_borrow != NULL, "linear_borrow")) return NULL;
    return device->primitives->linear_borrow(device, in, out, weight, storage, precision);
}

static void counted_linear_free(struct device *device, struct packed_weights *packed) {
    if (packed) device->primitives->linear_free(device, packed);
}

static const struct kernels COUNTED_KERNELS = {
#define PRIMITIVE(name, cost, arguments) .name = counted_##name,
#define ENTRY(result, name, parameters)  .name = counted_##name,
#include "list.h"
};

const char *const PRIMITIVE_NAMES[] = {
#define PRIMITIVE(name, cost, arguments) #name,
#include "list.h"
};
const int N_PRIMITIVES = sizeof PRIMITIVE_NAMES / sizeof *PRIMITIVE_NAMES;

void device_count_work(struct device *device) {
    device->primitives = device->run;
    device->run = &COUNTED_KERNELS;
    device->work = (struct work){0};
}
