/* The activations on the GPU: what activation_math.h wants, from CUDA's library. */
#ifndef MEDTOK_KERNELS_CUDA_ACTIVATION_CUH
#define MEDTOK_KERNELS_CUDA_ACTIVATION_CUH

#include "cuda/cuda.cuh"

static __device__ inline real real_exp(real x) { return exp(x); }
static __device__ inline real real_tanh(real x) { return tanh(x); }
static __device__ inline real real_erf_root2(real x) { return erf(x * (real)0.70710678118654752440); }

#include "activation_math.h"

#endif
