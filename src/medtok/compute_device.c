#include "medtok/compute_device.h"

#include <stdlib.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"

_Static_assert((int)COMPUTE_FP32 == (int)PRODUCTS_F32 && (int)COMPUTE_TF32 == (int)PRODUCTS_TF32 &&
                   (int)COMPUTE_BF16 == (int)PRODUCTS_BF16,
               "settings are handed on as they are");

static int open_cores(const struct config *config, struct device *device, int threads) {
    if (config->run.compute != COMPUTE_FP32)
        return status_set(STATUS_USAGE, "run.compute: %s is for GPUs; on CPU cores training and tokenizing are fp32",
                          config->run.compute == COMPUTE_TF32 ? "tf32" : "bf16");
    return device_open_cpu(device, threads) ? status_set(STATUS_FAILED, "%s", device->error) : STATUS_OK;
}

static int open_gpu(const struct comm *comm, const struct config *config, struct device *device, int count,
                    int threads) {
    /* A scheduler that gives each rank GPUs of its own says so in this variable. */
    if (comm->local_rank == count && comm->rank == comm->local_rank && !getenv("CUDA_VISIBLE_DEVICES"))
        log_warn("%d ranks share %d GPU(s) on this node: one rank a GPU is faster", comm->local_size, count);
    if (device_open_cuda(device, comm->local_rank % count, (enum precision_of_products)config->run.compute, 0))
        return status_set(STATUS_FAILED, "%s", device->error);
    device->host_threads = threads;
    return STATUS_OK;
}

/* Before the device's first work, which may already run generated code. */
static void give_stacks(int threads) {
#pragma omp parallel num_threads(threads)
    interrupt_give_stack();
}

int compute_device_open(const struct comm *comm, const struct config *config, struct device *device, int *threads) {
    const char *why_none = "";
    int status, count = config->run.device == DEVICE_CPU ? 0 : device_cuda_count(&why_none);
    *threads = comm_threads(comm, (int)config->run.threads);
    give_stacks(*threads);
    if (count > 0)
        status = open_gpu(comm, config, device, count, *threads);
    else if (config->run.device == DEVICE_CUDA)
        status = status_set(STATUS_FAILED, "run.device is cuda, but there is none: %s", why_none);
    else
        status = open_cores(config, device, *threads);
    return comm_agree(comm, status);
}
