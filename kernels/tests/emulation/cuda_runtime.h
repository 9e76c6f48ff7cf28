/* Stands in for CUDA's header of this name: the language's words, vector types and functions, and the part of the
 * runtime's interface that the .cu files use. See emulation.h. */
#ifndef MEDTOK_KERNELS_TESTS_EMULATION_CUDA_RUNTIME_H
#define MEDTOK_KERNELS_TESTS_EMULATION_CUDA_RUNTIME_H

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "emulation.h"

/* ---- the language ---- */
#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __noinline__    __attribute__((noinline))
#define __align__(n)    alignas(n)
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("emulated_shared")))

static const int warpSize = 32;

#define EMULATED_VECTORS(type, name, align2, align4)                                                                   \
    struct alignas(align2) name##2 {                                                                                   \
        type x, y;                                                                                                     \
    };                                                                                                                 \
    struct name##3 {                                                                                                   \
        type x, y, z;                                                                                                  \
    };                                                                                                                 \
    struct alignas(align4) name##4 {                                                                                   \
        type x, y, z, w;                                                                                               \
    };                                                                                                                 \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                            \
    static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                                 \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

EMULATED_VECTORS(float, float, 8, 16)
EMULATED_VECTORS(int, int, 8, 16)
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) double2 {
    double x, y;
};
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static inline double2 make_double2(double x, double y) { return {x, y}; }

/* ---- waiting for each other. The default arguments are those of the caller's line. ---- */
#define EMULATED_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

static inline void __syncthreads(EMULATED_SITE) { emulation_barrier(0, {file, line}); }
static inline int __syncthreads_count(int c, EMULATED_SITE) { return emulation_barrier(c, {file, line}); }
static inline int __syncthreads_or(int c, EMULATED_SITE) { return emulation_barrier(c, {file, line}) > 0; }
static inline int __syncthreads_and(int c, EMULATED_SITE) {
    return emulation_barrier(c, {file, line}) == (int)(blockDim.x * blockDim.y * blockDim.z);
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATED_SITE) { emulation_exchange(mask, 0, {file, line}); }
static inline void __threadfence(void) {}
static inline void __threadfence_block(void) {}

static inline unsigned emulated_lane(void) {
    return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32;
}

template <typename T>
static inline T emulated_shuffle(unsigned mask, T x, unsigned from, const char *file, int line) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value, "shuffles move 4 or 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof x);
    if (!(mask >> from & 1))
        emulation_fail("%s:%d: a shuffle reads lane %u, not of its mask %08x", file, line, from, mask);
    const uint64_t *lanes = emulation_exchange(mask, bits, {file, line});
    memcpy(&x, &lanes[from], sizeof x);
    return x;
}

template <typename T>
static inline T __shfl_sync(unsigned mask, T x, int from, int width = 32, EMULATED_SITE) {
    unsigned lane = emulated_lane(), base = lane & ~(unsigned)(width - 1);
    return emulated_shuffle(mask, x, base + ((unsigned)from & (unsigned)(width - 1)), file, line);
}
template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T x, int change, int width = 32, EMULATED_SITE) {
    unsigned lane = emulated_lane(), from = lane ^ (unsigned)change, end = (lane & ~(unsigned)(width - 1)) + width;
    return emulated_shuffle(mask, x, from < end ? from : lane, file, line);
}
template <typename T>
static inline T __shfl_up_sync(unsigned mask, T x, unsigned step, int width = 32, EMULATED_SITE) {
    unsigned lane = emulated_lane(), base = lane & ~(unsigned)(width - 1);
    return emulated_shuffle(mask, x, lane - base >= step ? lane - step : lane, file, line);
}
template <typename T>
static inline T __shfl_down_sync(unsigned mask, T x, unsigned step, int width = 32, EMULATED_SITE) {
    unsigned lane = emulated_lane(), end = (lane & ~(unsigned)(width - 1)) + width;
    return emulated_shuffle(mask, x, lane + step < end ? lane + step : lane, file, line);
}
static inline unsigned __ballot_sync(unsigned mask, int condition, EMULATED_SITE) {
    const uint64_t *lanes = emulation_exchange(mask, condition != 0, {file, line});
    unsigned votes = 0;
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1) votes |= (unsigned)lanes[lane] << lane;
    return votes;
}
static inline int __any_sync(unsigned mask, int condition, EMULATED_SITE) {
    return __ballot_sync(mask, condition, file, line) != 0;
}
static inline int __all_sync(unsigned mask, int condition, EMULATED_SITE) {
    return __ballot_sync(mask, condition, file, line) == mask;
}

/* ---- functions of one thread ---- */
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
template <typename T>
static inline T __ldg(const T *p) {
    return *p;
}
template <typename T>
static inline T __ldcs(const T *p) {
    return *p;
}
template <typename T>
static inline void __stcs(T *p, T x) {
    *p = x;
}

template <typename A, typename B>
static inline std::common_type_t<A, B> min(A a, B b) {
    std::common_type_t<A, B> x = a, y = b;
    return y < x ? y : x;
}
template <typename A, typename B>
static inline std::common_type_t<A, B> max(A a, B b) {
    std::common_type_t<A, B> x = a, y = b;
    return x < y ? y : x;
}
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
#define __expf(x) expf(x) /* glibc has functions of these names */
#define __logf(x) logf(x)
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }

template <typename To, typename From>
static inline To emulated_bits(From x) {
    To y;
    static_assert(sizeof x == sizeof y, "");
    memcpy(&y, &x, sizeof y);
    return y;
}
static inline int __float_as_int(float x) { return emulated_bits<int>(x); }
static inline unsigned __float_as_uint(float x) { return emulated_bits<unsigned>(x); }
static inline float __int_as_float(int x) { return emulated_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return emulated_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return emulated_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return emulated_bits<double>(x); }

/* Threads take turns at waits only, so a plain update is atomic. */
template <typename T>
static inline T atomicAdd(T *p, std::common_type_t<T> x) {
    T old = *p;
    *p = old + x;
    return old;
}
template <typename T>
static inline T atomicMax(T *p, std::common_type_t<T> x) {
    static_assert(std::is_integral<T>::value, "atomicMax is of integers");
    T old = *p;
    if (x > old) *p = x;
    return old;
}
template <typename T>
static inline T atomicMin(T *p, std::common_type_t<T> x) {
    static_assert(std::is_integral<T>::value, "atomicMin is of integers");
    T old = *p;
    if (x < old) *p = x;
    return old;
}
template <typename T>
static inline T atomicExch(T *p, std::common_type_t<T> x) {
    T old = *p;
    *p = x;
    return old;
}
template <typename T>
static inline T atomicCAS(T *p, std::common_type_t<T> expected, std::common_type_t<T> x) {
    static_assert(std::is_integral<T>::value, "atomicCAS is of integers");
    T old = *p;
    if (old == expected) *p = x;
    return old;
}

/* ---- the runtime's interface ---- */
enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorDevicesUnavailable = 46,
    cudaErrorInvalidDeviceFunction = 98,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorNoKernelImageForDevice = 209,
    cudaErrorNotReady = 600,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76
};
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocDefault = 0, cudaMemAttachGlobal = 1 };

enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };

struct emulated_stream;
struct emulated_event;
struct emulated_graph;
typedef emulated_stream *cudaStream_t;
typedef emulated_event *cudaEvent_t;
typedef emulated_graph *cudaGraph_t, *cudaGraphExec_t;

struct cudaFuncAttributes {
    size_t sharedSizeBytes;
};

const char *cudaGetErrorString(cudaError_t code);
cudaError_t cudaGetLastError(void);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaSetDevice(int ordinal);
cudaError_t cudaDeviceGetPCIBusId(char *text, int bytes, int ordinal);
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int ordinal);
cudaError_t cudaDeviceSynchronize(void);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes);
cudaError_t emulated_attributes(void);
template <typename F>
static inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *a, F *) {
    *a = {0};
    return emulated_attributes();
}

cudaError_t emulated_malloc(void **p, size_t bytes, int on_device);
template <typename T>
static inline cudaError_t cudaMalloc(T **p, size_t bytes) {
    return emulated_malloc(reinterpret_cast<void **>(p), bytes, 1);
}
template <typename T>
static inline cudaError_t cudaMallocManaged(T **p, size_t bytes, unsigned = cudaMemAttachGlobal) {
    return emulated_malloc(reinterpret_cast<void **>(p), bytes, 1);
}
template <typename T>
static inline cudaError_t cudaMallocHost(T **p, size_t bytes, unsigned = cudaHostAllocDefault) {
    return emulated_malloc(reinterpret_cast<void **>(p), bytes, 0);
}
cudaError_t cudaFree(void *p);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

/* What cudaLaunchKernel does: checks the limits and queues. */
cudaError_t emulation_launch(const char *name, dim3 blocks, dim3 threads, size_t shared, cudaStream_t stream,
                             std::function<void()> kernel);
/* Queues anything else in a stream's order. */
void emulation_queue(cudaStream_t stream, std::function<void()> work);
/* Calls look() as soon as the event has come that work on this stream waits for: at once, if it has or there is none. */
void emulation_when_awaited(cudaStream_t stream, std::function<void()> look);
/* Stops the program if `bytes` from p on are not inside device memory. */
void emulation_need_on_device(const void *p, size_t bytes, const char *what);

#endif
