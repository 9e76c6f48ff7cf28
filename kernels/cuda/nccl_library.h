/* NCCL under its own names (nccl.h), loaded when it is first asked for: nccl_library.c, and in tests tests/emulation/nccl.cpp. */
#ifndef MEDTOK_KERNELS_CUDA_NCCL_LIBRARY_H
#define MEDTOK_KERNELS_CUDA_NCCL_LIBRARY_H

#ifdef __cplusplus
extern "C" {
#endif

/* NULL if NCCL is there, and its functions can be called; else why it is not, in static storage. */
const char *nccl_why_missing(void);

#ifdef __cplusplus
}
#endif

#endif
