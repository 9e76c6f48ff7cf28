/* The primitives of kernels/kernels.h as items to measure, each at the sizes of a training step or of BERT. */
#ifndef MEDTOK_BENCH_PRIMITIVES_H
#define MEDTOK_BENCH_PRIMITIVES_H

#include "bench/workbench.h"

struct primitive_item {
    const char *name; /* the primitive's, or PRIMITIVE.VARIANT */
    void (*item)(struct workbench *);
};

/* Every primitive at least once, in the order of kernels.h; linear_pack and linear_free, which prepare and do not compute,
 * are left out. */
extern const struct primitive_item PRIMITIVE_ITEMS[];
extern const int N_PRIMITIVE_ITEMS;

#endif
