/* That the emulation finds the mistakes that emulation.h names: each is made in a child process, which must end with the
 * message for it. */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda_runtime.h"

static cudaStream_t stream;
enum { THREADS = 64 };

static void run(const char *name, std::function<void()> kernel, dim3 threads = THREADS) {
    emulation_launch(name, 3, threads, 0, stream, kernel);
    cudaStreamSynchronize(stream);
}

static int *device_ints(int n) {
    int *p;
    cudaMalloc(&p, n * sizeof *p);
    return p;
}

static void barrier_in_a_branch(void) {
    run("branch", [] {
        if (threadIdx.x < 20) __syncthreads();
    });
}

static void two_barriers_at_once(void) {
    run("two", [] {
        if (threadIdx.x < 20)
            __syncthreads();
        else
            __syncthreads();
    });
}

static void lanes_that_left(void) {
    run("left", [] {
        if (threadIdx.x % 32 < 30) __shfl_xor_sync(0xffffffffu, 1, 1);
    });
}

static void lanes_that_never_were(void) {
    run(
        "half a warp", [] { __shfl_xor_sync(0xffffffffu, 1, 1); }, 48);
}

static void lane_outside_of_its_mask(void) {
    run("mask", [] { __ballot_sync(0xffffu, 1); });
}

static void copy_past_the_end(void) {
    int host[4] = {0}, *p = device_ints(3);
    cudaMemcpyAsync(p, host, sizeof host, cudaMemcpyHostToDevice, stream);
}

static void write_past_the_end(void) {
    int *p = device_ints(3);
    run("past", [p] { p[threadIdx.x == 0 ? 3 : 0] = 1; });
    cudaFree(p);
}

static const struct {
    void (*mistake)(void);
    const char *message; /* AddressSanitizer has its own for writes */
} MISTAKES[] = {
    {barrier_in_a_branch, "which only 20 of 64 threads reach"},
    {two_barriers_at_once, "threads wait at different barriers"},
    {lanes_that_left, "that never come"},
    {lanes_that_never_were, "names lanes beyond the 48 threads"},
    {lane_outside_of_its_mask, "is not in its own mask"},
    {copy_past_the_end, "is not inside device memory"},
#ifdef __SANITIZE_ADDRESS__
    {write_past_the_end, "heap-buffer-overflow"},
#else
    {write_past_the_end, "next to an allocation of 12 bytes was written"},
#endif
};

/* Whether the mistake ends a child with its message. */
static bool is_found(void (*mistake)(void), const char *message) {
    int ends[2], status = 0;
    char text[1 << 16];
    if (pipe(ends)) return false;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        mistake();
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], text + n, sizeof text - 1 - n)) > 0;) n += (size_t)got;
    text[n] = 0;
    close(ends[0]);
    waitpid(child, &status, 0);
    bool found = strstr(text, message) && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (!found) printf("not found: \"%s\"; the output was: %s\n", message, text);
    return found;
}

/* Each thread reads what another warp wrote, after no barrier: of three orders one must show it. */
static bool race_shows(void) {
    static int shared[THREADS];
    static const char *const ORDERS[] = {"forward", "reverse", "shuffle"};
    int n_wrong = 0, *p = device_ints(1);
    for (const char *order : ORDERS) {
        setenv("MEDTOK_EMULATION_ORDER", order, 1);
        *p = 0;
        run("race", [p] {
            int mine = (int)blockIdx.x + 1;
            shared[threadIdx.x] = mine;
            if (threadIdx.x == 0 && shared[32] != mine) *p = 1;
        });
        n_wrong += *p;
    }
    cudaFree(p);
    return n_wrong > 0 && n_wrong < 3;
}

int main(void) {
    int failed = 0;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    for (const auto &m : MISTAKES) failed += !is_found(m.mistake, m.message);
    emulation_launch("too many", 1, 1025, 0, stream, [] {});
    failed += cudaGetLastError() != cudaErrorInvalidConfiguration;
    emulation_launch("too high", dim3(1, 65536), 32, 0, stream, [] {});
    failed += cudaGetLastError() != cudaErrorInvalidConfiguration;
    failed += !race_shows();
    cudaStreamDestroy(stream);
    printf("%d of %d failed\n", failed, (int)(sizeof MISTAKES / sizeof *MISTAKES) + 3);
    return failed != 0;
}
