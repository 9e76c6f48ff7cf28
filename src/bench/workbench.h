/* Operands for measuring primitives: those of kernels/cases, at the sizes of a training step.
 *
 * There are so many sets of operands, taken in turn, that together they do not fit the caches: each call reads from memory, as
 * in a step whose other tensors have gone through the caches since.
 */
#ifndef MEDTOK_BENCH_WORKBENCH_H
#define MEDTOK_BENCH_WORKBENCH_H

#include "cases/cases.h"

/* Edges of a graph of n nodes. */
int64_t bench_edge_count(const struct step_sizes *sizes, int64_t n);

struct workbench {
    struct device *device;
    struct step_sizes sizes;
    int64_t ring_bytes; /* of all sets of a case together */
    struct call call;   /* being measured; call.shape says its sizes */
};

/* Totals of the batch, and what is the device's, are added to the sizes. megabytes: of the sets of a case; 0: what the caches do not hold. */
void workbench_make(struct workbench *workbench, struct device *device, const struct step_sizes *sizes,
                    int64_t megabytes);
/* Also frees a zeroed workbench. */
void workbench_free(struct workbench *workbench);

/* Lays out the operands of a case and fills them, over those of the last one. workbench_run calls it once, on the next
 * set. */
int workbench_prepare(struct workbench *workbench, const struct kernel_case *what);
void workbench_run(struct workbench *workbench);

#endif
