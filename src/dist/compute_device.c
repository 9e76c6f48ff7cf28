#include "dist/compute_device.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"

_Static_assert((int)COMPUTE_FP32 == (int)PRODUCTS_F32 && (int)COMPUTE_TF32 == (int)PRODUCTS_TF32 &&
                   (int)COMPUTE_BF16 == (int)PRODUCTS_BF16,
               "settings are handed on as they are");

static int open_cores(const struct run_options *run, struct device *device, int threads) {
    if (run->compute != COMPUTE_FP32)
        return status_set(STATUS_USAGE, "run.compute: %s is for GPUs; on CPU cores training and tokenizing are fp32",
                          run->compute == COMPUTE_TF32 ? "tf32" : "bf16");
    return device_open_cpu(device, threads) ? status_set(STATUS_FAILED, "%s", device->error) : STATUS_OK;
}

static int open_gpu(const struct comm *comm, const struct run_options *run, struct device *device, int count,
                    int threads) {
    /* A scheduler that gives each rank GPUs of its own says so in this variable. */
    if (comm->local_rank == count && comm->rank == comm->local_rank && !getenv("CUDA_VISIBLE_DEVICES"))
        log_warn("%d ranks share %d GPU(s) on this node: one rank a GPU is faster, but for grids of small models",
                 comm->local_size, count);
    if (device_open_cuda(device, comm->local_rank % count, (enum precision_of_products)run->compute, 0))
        return status_set(STATUS_FAILED, "%s", device->error);
    device->host_threads = threads;
    return STATUS_OK;
}

/* ---- run.device auto without a GPU ---- */
/* What tells of a GPU of this rank, in words; NULL: nothing does, or CUDA_VISIBLE_DEVICES hides it on purpose. */
static const char *sign_of_gpu(void) {
    static const char *const SIGNS[][2] = {{"CUDA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES is set"},
                                           {"SLURM_STEP_GPUS", "SLURM_STEP_GPUS is set"},
                                           {"SLURM_JOB_GPUS", "SLURM_JOB_GPUS is set"},
                                           {"SLURM_GPUS_ON_NODE", "SLURM_GPUS_ON_NODE is set"}};
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible && (visible[0] == 0 || visible[0] == '-' || strcmp(visible, "NoDevFiles") == 0)) return NULL;
    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++) {
        const char *value = getenv(SIGNS[i][0]);
        if (value && value[0]) return SIGNS[i][1];
    }
    if (access("/dev/nvidiactl", F_OK) == 0 || access("/dev/nvidia0", F_OK) == 0) return "there is a device file";
    return device_cuda_fault() ? "there is a driver" : NULL;
}

/* Says why the cores are used: a warning by the first rank that should have a GPU, if there is one. */
static int say_why_none(const struct comm *comm, const char *why_none) {
    const char *sign = sign_of_gpu();
    int64_t first = sign ? -comm->rank : INT64_MIN;
    TRY(comm_max_int64(comm, &first, 1));
    if (first == INT64_MIN)
        log_info("no GPU is used: %s", why_none);
    else if (first == -comm->rank)
        log_warn("no GPU is used: %s; one was to be expected: %s (run.device=cpu says that none is wanted)", why_none,
                 sign);
    return STATUS_OK;
}

/* Collective: fails if some ranks have a GPU, and others none: these would hold up the others fifty times. */
static int check_all_alike(const struct comm *comm, int count, const char *why_none) {
    char node[HOST_NAME_MAX + 1] = "?";
    int64_t any = count > 0;
    TRY(comm_max_int64(comm, &any, 1));
    if (any == 0) return say_why_none(comm, why_none);
    gethostname(node, sizeof node - 1);
    return comm_agree(comm, count > 0
                                ? STATUS_OK
                                : status_set(STATUS_FAILED,
                                             "no GPU can be used on node %s (%s), but other ranks have one: ask for "
                                             "as many GPUs on each node, or set run.device=cpu",
                                             node, why_none));
}

/* Before the device's first work, which may already run generated code. */
static void give_stacks(int threads) {
#pragma omp parallel num_threads(threads)
    interrupt_give_stack();
}

int compute_device_open(const struct comm *comm, const struct run_options *run, const char *needs_less,
                        struct device *device, int *threads) {
    const char *why_none = "";
    int status, count = run->device == DEVICE_CPU ? 0 : device_cuda_count(&why_none);
    *threads = comm_threads(comm, (int)run->threads);
    give_stacks(*threads);
    if (run->device == DEVICE_AUTO) TRY(check_all_alike(comm, count, why_none));
    if (count > 0)
        status = open_gpu(comm, run, device, count, *threads);
    else if (run->device == DEVICE_CUDA)
        status = status_set(STATUS_FAILED, "run.device is cuda, but there is none: %s", why_none);
    else
        status = open_cores(run, device, *threads);
    device->needs_less = needs_less;
    return comm_agree(comm, status);
}
