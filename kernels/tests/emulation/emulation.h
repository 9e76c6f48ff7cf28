/* A CUDA for machines without a GPU, for tests only: what the .cu files use, run on the CPU. It is slow, and strict.
 *
 * The threads of a block are coroutines, which take turns at barriers and warp functions only. MEDTOK_EMULATION_ORDER
 * in the environment says how they and the blocks take turns: forward, reverse, or shuffle. A warp goes on as far as the
 * barriers let it, so that code whose result hangs on the order of warps between two barriers, or of lanes between two
 * warp functions, has wrong results in one of the orders. Shared memory at the start of a block, and fresh device
 * memory, are full of 0xff: NaN. The program stops with a message where a GPU would hang or compute nonsense:
 *
 *   - a barrier that not all threads of the block reach, or not at the same line of the source;
 *   - a warp function whose mask names lanes that never come or are gone, or whose caller is not in the mask;
 *   - copies and sets outside of what was allocated, frees of what was not, and writes just beside it (seen at its free).
 *
 * The environment makes it another device, or one that cannot be used: MEDTOK_EMULATION_MULTIPROCESSORS (3),
 * MEDTOK_EMULATION_CAPABILITY (80: compute capability 8.0), MEDTOK_EMULATION_DRIVER (13000: a driver for CUDA 13.0, which is the
 * toolkit's; an older one is not sufficient; 0: there is none), MEDTOK_EMULATION_OPENS (0; what cudaFuncGetAttributes returns),
 * MEDTOK_EMULATION_DEVICES (1: how many), MEDTOK_EMULATION_NCCL (none: its library is not there; refuse:R: rank R cannot join a group;
 * lose:R: it fails when the others have joined). NCCL_RUNTIME_CONNECT is NCCL's own: unless it is 0, devices connect in their first sum.
 *
 * Launches over the limits of the hardware fail with an error code, as on a GPU. Work queued on a stream waits as long
 * as it may: it runs when the host waits for it, so that the reuse of memory that a copy has not yet left shows.
 *
 * What it cannot show: conflicts of accesses at the same instant, memory ordering, and speed. */
#ifndef MEDTOK_KERNELS_TESTS_EMULATION_H
#define MEDTOK_KERNELS_TESTS_EMULATION_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

/* A line of the source, for messages; barriers are told apart by it. */
struct emulation_site {
    const char *file;
    int line;
};

/* Prints "emulated CUDA: ..." and aborts. */
[[noreturn]] void emulation_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits for all threads of the block; returns how many of them came with a condition that is not 0. */
int emulation_barrier(int condition, emulation_site site);

/* Waits for the lanes of `mask`, and returns what each of them brought: 32 values, valid until the caller's next
 * wait. */
const uint64_t *emulation_exchange(unsigned mask, uint64_t value, emulation_site site);

/* The dynamic shared memory of the running block. */
void *emulation_dynamic_shared(void);

/* Runs a grid now (runtime.cpp calls it when a stream's turn comes). */
void emulation_run_grid(const char *name, dim3 blocks, dim3 threads, size_t shared,
                        const std::function<void()> &kernel);

/* Whether a launch is within the hardware's limits. */
bool emulation_can_launch(dim3 blocks, dim3 threads, size_t shared);

#endif
