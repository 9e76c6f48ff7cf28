/* Named ranges of time for profilers: what nsys and ncu show above the kernels. They nest. Without NVTX in the build they do
 * nothing; without a profiler they cost a few nanoseconds.
 */
#ifndef MEDTOK_KERNELS_RANGES_H
#define MEDTOK_KERNELS_RANGES_H

void range_push(const char *name);
void range_pop(void); /* ends the range begun last */

#endif
