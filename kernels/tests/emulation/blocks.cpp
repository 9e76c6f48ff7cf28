/* The threads of a block as coroutines. Each has its stack and stays alive from block to block: a pool. A thread is
 * entered the first time by swapcontext; later changes are _setjmp and _longjmp, which make no system calls. */
#include <algorithm>
#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

#include "emulation.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

/* All __shared__ variables of all kernels (cuda_runtime.h puts them there); absent if there are none. */
extern "C" char __start_emulated_shared[] __attribute__((weak));
extern "C" char __stop_emulated_shared[] __attribute__((weak));

namespace {

enum { MOST_THREADS = 1024, STACK = 256 << 10, WARP_LANES = 32 };
enum state { READY, AT_BARRIER, AT_EXCHANGE, DONE };

struct thread {
    state now;
    bool entered;
    unsigned mask;       /* of the exchange that it waits for */
    emulation_site site; /* where it waits */
    int condition;       /* brought to the barrier */
    ucontext_t first;    /* until entered */
    jmp_buf resume;
    char *stack;
    void *fake_stack; /* of AddressSanitizer */
    uint64_t brought;
    const uint64_t *got; /* of its exchange */
};

/* What lanes brought to the exchanges of a warp: a few past ones are kept until their last lane has been resumed. */
struct warp {
    unsigned n_waiting, turn;
    uint64_t brought[16][WARP_LANES];
};

thread threads[MOST_THREADS];
warp warps[MOST_THREADS / WARP_LANES];
unsigned n_threads, n_at_barrier, current;
int barrier_count; /* of conditions, at the barrier that was passed last */
jmp_buf scheduler;
const std::function<void()> *body;
const char *kernel_name;
std::vector<char> dynamic_shared;

#ifdef __SANITIZE_ADDRESS__
const void *scheduler_stack;
size_t scheduler_stack_size;
void *scheduler_fake_stack;
void leave_to(void **save, const void *stack, size_t size) { __sanitizer_start_switch_fiber(save, stack, size); }
void arrive(void *saved, const void **from, size_t *size) { __sanitizer_finish_switch_fiber(saved, from, size); }
#endif

bool same_site(emulation_site a, emulation_site b) {
    return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0);
}

/* Back to the scheduler, until it chooses this thread again. */
void leave(thread *t) {
#ifdef __SANITIZE_ADDRESS__
    leave_to(&t->fake_stack, scheduler_stack, scheduler_stack_size);
#endif
    if (!_setjmp(t->resume)) _longjmp(scheduler, 1);
#ifdef __SANITIZE_ADDRESS__
    arrive(t->fake_stack, &scheduler_stack, &scheduler_stack_size);
#endif
}

/* What a coroutine does: one kernel after another, for ever. */
void coroutine(void) {
    thread *t = &threads[current];
#ifdef __SANITIZE_ADDRESS__
    arrive(nullptr, &scheduler_stack, &scheduler_stack_size);
#endif
    for (;;) {
        (*body)();
        t->now = DONE;
        leave(t);
    }
}

void enter(unsigned number) {
    thread *t = &threads[number];
    current = number;
    threadIdx = {number % blockDim.x, number / blockDim.x % blockDim.y, number / blockDim.x / blockDim.y};
#ifdef __SANITIZE_ADDRESS__
    leave_to(&scheduler_fake_stack, t->stack, STACK);
#endif
    if (!_setjmp(scheduler)) {
        if (t->entered) _longjmp(t->resume, 1);
        t->entered = true;
        setcontext(&t->first);
    }
#ifdef __SANITIZE_ADDRESS__
    arrive(scheduler_fake_stack, nullptr, nullptr);
#endif
}

void make_coroutine(thread *t) {
    t->stack = static_cast<char *>(
        mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0));
    if (t->stack == MAP_FAILED) emulation_fail("no memory for a stack");
    mprotect(t->stack, 4096, PROT_NONE); /* an overflow ends there */
    getcontext(&t->first);
    t->first.uc_stack.ss_sp = t->stack;
    t->first.uc_stack.ss_size = STACK;
    t->first.uc_link = nullptr;
    makecontext(&t->first, coroutine, 0);
}

[[noreturn]] void stuck(void) {
    for (unsigned i = 0; i < n_threads; i++) {
        const thread *t = &threads[i];
        if (t->now == AT_BARRIER)
            emulation_fail(
                "%s, block %u,%u,%u: thread %u waits at the barrier of %s:%d, which only %u of %u threads reach",
                kernel_name, blockIdx.x, blockIdx.y, blockIdx.z, i, t->site.file, t->site.line, n_at_barrier,
                n_threads);
    }
    for (unsigned i = 0; i < n_threads; i++) {
        const thread *t = &threads[i];
        if (t->now == AT_EXCHANGE)
            emulation_fail("%s, block %u,%u,%u: thread %u waits at %s:%d for lanes of its mask %08x that never come",
                           kernel_name, blockIdx.x, blockIdx.y, blockIdx.z, i, t->site.file, t->site.line, t->mask);
    }
    emulation_fail("%s: no thread can go on", kernel_name);
}

/* How the warps of a block, and the lanes of a warp, take turns. A warp that has its turn goes on until it waits at a barrier,
 * or, shuffled, for a few steps only: so warps are as far apart as the barriers let them be. */
struct turns {
    std::vector<uint64_t> warps, lanes;
    bool in_bursts;
    uint64_t random;
};

/* Every lane of the warp that is ready, once; whether there was one. */
bool step_warp(const turns &turns, unsigned number, unsigned *n_done) {
    bool moved = false;
    for (uint64_t lane : turns.lanes) {
        unsigned i = number * WARP_LANES + (unsigned)lane;
        if (i >= n_threads || threads[i].now != READY) continue;
        enter(i);
        moved = true;
        *n_done += threads[i].now == DONE;
    }
    return moved;
}

/* One block, until every thread is done. */
void run_block(turns *turns) {
    if (__start_emulated_shared)
        memset(__start_emulated_shared, 0xff, (size_t)(__stop_emulated_shared - __start_emulated_shared));
    std::fill(dynamic_shared.begin(), dynamic_shared.end(), (char)0xff);
    for (unsigned i = 0; i < n_threads; i++) threads[i].now = READY;
    for (uint64_t number : turns->warps) warps[number].n_waiting = 0;
    n_at_barrier = 0;
    for (unsigned n_done = 0; n_done < n_threads;) {
        bool moved = false;
        for (uint64_t number : turns->warps) {
            turns->random = turns->random * 6364136223846793005u + 1442695040888963407u;
            unsigned most = turns->in_bursts ? (unsigned)(turns->random >> 60) : UINT32_MAX;
            for (unsigned k = 0; k <= most && step_warp(*turns, (unsigned)number, &n_done); k++) moved = true;
        }
        if (!moved) stuck();
    }
}

}  // namespace

void emulation_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("emulated CUDA: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* Numbers 0 .. n-1 in the order of MEDTOK_EMULATION_ORDER; returns whether that is shuffled. */
static bool fill_order(uint64_t n, uint64_t salt, std::vector<uint64_t> *order) {
    const char *how = getenv("MEDTOK_EMULATION_ORDER");
    if (!how) how = "forward";
    bool reverse = strcmp(how, "reverse") == 0, shuffle = strcmp(how, "shuffle") == 0;
    if (!reverse && !shuffle && strcmp(how, "forward") != 0)
        emulation_fail("MEDTOK_EMULATION_ORDER is %s: forward, reverse or shuffle is wanted", how);
    order->resize(n);
    for (uint64_t i = 0; i < n; i++) (*order)[i] = reverse ? n - 1 - i : i;
    uint64_t random = salt * 2 + 1;
    for (uint64_t i = n; shuffle && i > 1; i--) {
        random = random * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
        std::swap((*order)[i - 1], (*order)[(random >> 33) % i]);
    }
    return shuffle;
}

void *emulation_dynamic_shared(void) {
    if (dynamic_shared.empty())
        emulation_fail("%s uses dynamic shared memory, but was launched with none", kernel_name);
    return dynamic_shared.data();
}

int emulation_barrier(int condition, emulation_site site) {
    thread *t = &threads[current];
    t->now = AT_BARRIER;
    t->site = site;
    t->condition = condition;
    if (++n_at_barrier == n_threads) {
        barrier_count = 0;
        for (unsigned i = 0; i < n_threads; i++) {
            const emulation_site other = threads[i].site;
            if (!same_site(other, site))
                emulation_fail("%s: threads wait at different barriers, %s:%d and %s:%d", kernel_name, site.file,
                               site.line, other.file, other.line);
            barrier_count += threads[i].condition != 0;
            threads[i].now = READY;
        }
        n_at_barrier = 0;
    }
    leave(t);
    return barrier_count;
}

const uint64_t *emulation_exchange(unsigned mask, uint64_t value, emulation_site site) {
    thread *t = &threads[current], *lanes = &threads[current / WARP_LANES * WARP_LANES];
    warp *w = &warps[current / WARP_LANES];
    unsigned lane = current % WARP_LANES, n_lanes = n_threads - (current - lane);
    if (!(mask >> lane & 1))
        emulation_fail("%s, %s:%d: lane %u is not in its own mask %08x", kernel_name, site.file, site.line, lane, mask);
    if (n_lanes < WARP_LANES && mask >> n_lanes)
        emulation_fail("%s, %s:%d: the mask %08x names lanes beyond the %u threads of the block", kernel_name,
                       site.file, site.line, mask, n_threads);
    t->now = AT_EXCHANGE;
    t->mask = mask;
    t->site = site;
    t->brought = value;
    w->n_waiting++;
    unsigned n_here = 0, n_wanted = (unsigned)__builtin_popcount(mask);
    for (unsigned i = 0; w->n_waiting >= n_wanted && i < WARP_LANES; i++)
        n_here += mask >> i & 1 && lanes[i].now == AT_EXCHANGE && lanes[i].mask == mask;
    if (n_here == n_wanted) {
        uint64_t *brought = w->brought[w->turn++ % 16];
        for (unsigned i = 0; i < WARP_LANES; i++) {
            if (!(mask >> i & 1)) continue;
            if (!same_site(lanes[i].site, site))
                emulation_fail("%s: lanes of one mask meet at different lines, %s:%d and %s:%d", kernel_name,
                               site.file, site.line, lanes[i].site.file, lanes[i].site.line);
            brought[i] = lanes[i].brought;
            lanes[i].got = brought;
            lanes[i].now = READY;
        }
        w->n_waiting -= n_wanted;
    }
    leave(t);
    return t->got;
}

bool emulation_can_launch(dim3 blocks, dim3 size, size_t shared) {
    return size.x > 0 && size.y > 0 && size.z > 0 && size.z <= 64 &&
           (uint64_t)size.x * size.y * size.z <= MOST_THREADS && blocks.x > 0 && blocks.y > 0 && blocks.z > 0 &&
           blocks.x <= INT32_MAX && blocks.y <= 65535 && blocks.z <= 65535 && shared <= 48 << 10;
}

void emulation_run_grid(const char *name, dim3 blocks, dim3 size, size_t shared, const std::function<void()> &kernel) {
    uint64_t n_blocks = (uint64_t)blocks.x * blocks.y * blocks.z;
    std::vector<uint64_t> block_order;
    turns turns;
    kernel_name = name;
    body = &kernel;
    n_threads = size.x * size.y * size.z;
    blockDim = size;
    gridDim = blocks;
    dynamic_shared.resize(shared);
    dynamic_shared.shrink_to_fit(); /* so that AddressSanitizer knows its end */
    for (unsigned i = 0; i < n_threads; i++)
        if (!threads[i].stack) make_coroutine(&threads[i]);
    turns.in_bursts = fill_order(n_blocks, n_blocks, &block_order);
    turns.random = n_blocks;
    for (uint64_t k = 0; k < n_blocks; k++) {
        uint64_t b = block_order[k];
        blockIdx = {(unsigned)(b % blocks.x), (unsigned)(b / blocks.x % blocks.y), (unsigned)(b / blocks.x / blocks.y)};
        if (k % 16 == 0) {
            fill_order((n_threads + WARP_LANES - 1) / WARP_LANES, k, &turns.warps);
            fill_order(WARP_LANES, k, &turns.lanes);
        }
        run_block(&turns);
    }
}
