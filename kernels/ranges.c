/* NVTX is headers alone: they look for a profiler when the first range begins. */
#include "ranges.h"

#ifdef MEDTOK_NVTX
#include <nvtx3/nvToolsExt.h>

void range_push(const char *name) { nvtxRangePushA(name); }
void range_pop(void) { nvtxRangePop(); }
#else
void range_push(const char *name) { (void)name; }
void range_pop(void) {}
#endif
