/* Sums over the GPUs of several processes by NCCL, on the stream `exchange`. The communicator does not block: joining goes on beside the
 * caller, so that a process that cannot join keeps nobody waiting, and a sum can be given up. */
#include <nccl.h>
#include <sched.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "cuda/cuda.cuh"
#include "cuda/nccl_library.h"

static_assert(sizeof(ncclUniqueId) == sizeof(struct device_group_id), "ids are handed on as they are");

/* To connect in a sum; what takes longer does not come. Tests of the emulation do not wait that long. */
#ifndef CUDA_SUMS_CONNECT_SECONDS
#define CUDA_SUMS_CONNECT_SECONDS 120
#endif

struct group {
    ncclComm_t comm; /* NULL: none */
    enum device_group_state state;
    int size;
    int is_summing, is_awaited; /* sums were started that may not have ended; `exchanged` is behind all of them */
    char why[512];
};

static const ncclDataType_t TYPE = sizeof(real) == sizeof(double) ? ncclDouble : ncclFloat;

static struct group *group_of(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    if (!cuda->group) cuda->group = (struct group *)calloc(1, sizeof *cuda->group);
    if (!cuda->group) cuda_set_error(device, "out of memory");
    return cuda->group;
}

static void say_why(struct group *group, ncclResult_t code, const char *call) {
    const char *last = ncclGetLastError(group->comm);
    int has_last = last && last[0];
    snprintf(group->why, sizeof group->why, "NCCL: %s: %s%s%s (NCCL_DEBUG=INFO in the environment says more)", call,
             ncclGetErrorString(code), has_last ? ": " : "", has_last ? last : "");
}

/* What has come of calls that go on in the background. */
static ncclResult_t state_of(struct group *group) {
    ncclResult_t state = ncclSuccess, code = ncclCommGetAsyncError(group->comm, &state);
    return code == ncclSuccess ? state : code;
}

static void give_up(struct group *group) {
    if (group->comm) ncclCommAbort(group->comm);
    group->comm = NULL;
    group->state = GROUP_FAILED;
}

/* ---- joining ---- */
static void address(struct device *device, char text[DEVICE_ADDRESS_BYTES]) {
    if (!cuda_check(device, cudaDeviceGetPCIBusId(text, DEVICE_ADDRESS_BYTES, cuda_of(device)->ordinal),
                    "asking for the device's address"))
        text[0] = 0;
}

static int make_id(struct device *device, struct device_group_id *id, const char **why) {
    struct group *group = group_of(device);
    ncclUniqueId unique = {};
    *why = device->error;
    if (!group) return -1;
    ncclResult_t code = ncclGetUniqueId(&unique);
    memcpy(id->bytes, &unique, sizeof unique);
    if (code != ncclSuccess) say_why(group, code, "ncclGetUniqueId");
    *why = group->why;
    return code == ncclSuccess ? 0 : -1;
}

static void join(struct device *device, const struct device_group_id *id, int rank, int size) {
    struct group *group = group_of(device);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId unique;
    if (!group) return;
    memcpy(&unique, id->bytes, sizeof unique);
    config.blocking = 0;
    /* All connect when they join, and none waits in its first sum for another that has failed before its own; who wants that has set it. */
    setenv("NCCL_RUNTIME_CONNECT", "0", 0);
    ncclResult_t code = ncclCommInitRankConfig(&group->comm, size, unique, rank, &config);
    group->size = size;
    group->state = GROUP_JOINING;
    if (code == ncclSuccess || code == ncclInProgress) return;
    say_why(group, code, "ncclCommInitRankConfig");
    give_up(group);
}

static enum device_group_state state(struct device *device, const char **why) {
    struct group *group = cuda_of(device)->group;
    if (!group) return GROUP_NONE;
    *why = group->why;
    if (group->state != GROUP_JOINING) return group->state;
    ncclResult_t code = state_of(group);
    if (code == ncclSuccess) {
        group->state = GROUP_JOINED;
        device->group_size = group->size;
    } else if (code != ncclInProgress) {
        say_why(group, code, "ncclCommInitRankConfig");
        give_up(group);
    }
    return group->state;
}

/* Does not wait for the others, of which some may have joined and some not. */
static void leave(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    if (!cuda->group) return;
    give_up(cuda->group);
    free(cuda->group);
    cuda->group = NULL;
}

/* Destroying a communicator waits for the others, who do the same at their end; one that still works, or whose other side is gone, would have us
 * wait for ever. */
extern "C" void cuda_sums_close(struct device *device) {
    struct group *group = cuda_of(device)->group;
    if (!group) return;
    cuda_sums_go_on(device);
    if (group->comm && group->state == GROUP_JOINED && !group->is_summing && !device->error[0]) {
        ncclCommDestroy(group->comm);
        group->comm = NULL;
    }
    leave(device);
}

/* ---- sums ---- */
static int fail_sum(struct device *device, ncclResult_t code) {
    struct group *group = cuda_of(device)->group;
    say_why(group, code, "ncclAllReduce");
    cuda_set_error(device, "cuda: %s; run.sums=mpi sums without it", group->why);
    give_up(group);
    group->is_summing = 0;
    return 0;
}

/* What has come of a call that may go on in the background; ncclInProgress: it took too long. */
static ncclResult_t wait_for_call(struct group *group, ncclResult_t code) {
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (now = began; code == ncclInProgress && now.tv_sec - began.tv_sec <= CUDA_SUMS_CONNECT_SECONDS;) {
        sched_yield();
        code = state_of(group);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    return code;
}

/* The first sum may connect the devices, for which NCCL waits until all have begun it. */
static void start(struct device *device, void *values, int64_t count) {
    struct cuda *cuda = cuda_of(device);
    struct group *group = cuda->group;
    if (!group || group->state != GROUP_JOINED) {
        cuda_set_error(device, "cuda: a sum over devices that have not joined");
        return;
    }
    if (!cuda_exchange_behind(device, "sum over devices")) return;
    group->is_summing = 1;
    group->is_awaited = 0;
    ncclResult_t code = ncclAllReduce(values, values, (size_t)count, TYPE, ncclSum, group->comm, cuda->exchange);
    code = wait_for_call(group, code);
    if (code == ncclInProgress)
        cuda_set_error(device,
                       "cuda: NCCL: ncclAllReduce has not connected the GPUs in %d s: another rank has failed, or cannot be reached "
                       "(NCCL_DEBUG=INFO in the environment says more); run.sums=mpi sums without it",
                       CUDA_SUMS_CONNECT_SECONDS);
    if (code != ncclSuccess) fail_sum(device, code);
}

static void finish(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    if (!cuda->group || !cuda->group->is_summing) return;
    cuda->group->is_awaited =
        cuda_check(device, cudaEventRecord(cuda->exchanged, cuda->exchange), "a sum over devices") &&
        cuda_check(device, cudaStreamWaitEvent(cuda->stream, cuda->exchanged, 0), "a sum over devices");
}

extern "C" int cuda_sums_go_on(struct device *device) {
    struct cuda *cuda = cuda_of(device);
    struct group *group = cuda->group;
    if (!group || !group->is_summing) return 0;
    ncclResult_t code = state_of(group);
    if (code != ncclSuccess && code != ncclInProgress) return fail_sum(device, code);
    if (!group->is_awaited) return 1;
    cudaError_t ended = cudaEventQuery(cuda->exchanged);
    if (ended == cudaErrorNotReady) cudaGetLastError(); /* as in device_cuda.cu */
    group->is_summing = ended == cudaErrorNotReady;
    return group->is_summing;
}

static const struct device_sums SUMS = {address, make_id, join, state, leave, start, finish};
extern "C" const struct device_sums *const CUDA_SUMS = &SUMS;

const char *device_sums_library(const char **why_none) {
    static char name[32];
    int version = 0;
    const char *why = nccl_why_missing();
    if (why_none) *why_none = why;
    if (why || ncclGetVersion(&version) != ncclSuccess) return NULL;
    snprintf(name, sizeof name, "NCCL %d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    return name;
}
