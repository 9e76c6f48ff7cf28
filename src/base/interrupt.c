#include "base/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"

/* A mask as the kernel has it: bit n - 1 is signal n. */
typedef uint64_t kernel_mask;
#define BIT(signal_number) ((kernel_mask)1 << ((signal_number)-1))

/* What stays as it is: signals that the thread's own instruction or system call causes, those that profilers sample with,
 * those that stop and go on, and the two that the C library keeps for itself. */
static const kernel_mask NOT_BLOCKED = BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) |
                                       BIT(SIGABRT) | BIT(SIGSYS) | BIT(SIGPIPE) | BIT(SIGXFSZ) | BIT(SIGPROF) |
                                       BIT(SIGVTALRM) | BIT(SIGTSTP) | BIT(SIGCONT) | BIT(SIGSTOP) | BIT(SIGTTIN) |
                                       BIT(SIGTTOU) | BIT(SIGKILL) | BIT(32) | BIT(33);

enum { SIGNAL_THREAD_STACK = 1 << 18, ALTERNATE_STACK = 1 << 16 };

enum decision { UNDECIDED, JOB_LOOKS, SIGNAL_ENDS };

static kernel_mask mask_at_start;
static kernel_mask taken = BIT(SIGTERM) | BIT(SIGUSR1); /* by the signal thread */
static int blocked;
static atomic_int decision, first_signal;

/* ---- the mask ---- */
/* The system call itself: sanitizers wrap the functions of the C library, and are not ready this early. */
__attribute__((no_sanitize_address)) void interrupt_block(void) {
    kernel_mask mask = ~NOT_BLOCKED;
    if (blocked) return;
    blocked = syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, &mask_at_start, sizeof mask) == 0;
}

static void set_mask(kernel_mask mask) { syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask); }

static void restore_mask(void) { set_mask(mask_at_start); }

/* ---- the signal thread ---- */
static void end_by(int signal_number) {
    sigset_t one;
    signal(signal_number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(signal_number);
    _exit(128 + signal_number);
}

/* Signals that are blocked everywhere else but not taken by sigwait() reach their handlers, or have their default action,
 * on this thread. */
static void *take_signals(void *unused) {
    int signal_number, interrupted = 0;
    sigset_t set;
    sigemptyset(&set);
    pthread_setname_np(pthread_self(), "signals");
    /* In one step: one that is waiting already must not find a gap. */
    set_mask(mask_at_start | taken);
    for (int n = 1; n < NSIG; n++)
        if (taken & BIT(n)) sigaddset(&set, n);
    for (;;) {
        if (sigwait(&set, &signal_number) != 0) continue;
        if (interrupted && signal_number == SIGINT) end_by(SIGINT);
        interrupted |= signal_number == SIGINT;
        int none = 0;
        atomic_compare_exchange_strong(&first_signal, &none, signal_number);
        if (atomic_load(&decision) == SIGNAL_ENDS) end_by(signal_number);
    }
    return unused;
}

static int start_thread(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    int code = pthread_attr_init(&attributes);
    if (code == 0) {
        pthread_attr_setstacksize(&attributes, SIGNAL_THREAD_STACK);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        code = pthread_create(&thread, &attributes, take_signals, NULL);
        pthread_attr_destroy(&attributes);
    }
    return code;
}

int interrupt_start(void) {
    static const int MAY_BE_IGNORED[] = {SIGINT, SIGHUP}; /* background jobs of shells, nohup */
    struct sigaction at_start;
    interrupt_block(); /* where the C library knows no .preinit_array */
    for (size_t i = 0; i < sizeof MAY_BE_IGNORED / sizeof *MAY_BE_IGNORED; i++)
        if (sigaction(MAY_BE_IGNORED[i], NULL, &at_start) == 0 && at_start.sa_handler != SIG_IGN)
            taken |= BIT(MAY_BE_IGNORED[i]);
    int code = pthread_atfork(NULL, NULL, restore_mask);
    if (code == 0) code = start_thread();
    if (code == 0) return STATUS_OK;
    restore_mask();
    return status_set(STATUS_FAILED,
                      "cannot start the thread that takes signals: %s; is there a limit on processes "
                      "(ulimit -u)?",
                      strerror(code));
}

/* ---- the job's side ---- */
void interrupt_decide(int job_looks) {
    atomic_store(&decision, job_looks ? JOB_LOOKS : SIGNAL_ENDS);
    int signal_number = atomic_load(&first_signal);
    if (!job_looks && signal_number != 0) end_by(signal_number);
}

int interrupt_asked(void) { return atomic_load_explicit(&first_signal, memory_order_relaxed) != 0; }

int interrupt_poll(void) {
    return interrupt_asked()
               ? status_set(STATUS_INTERRUPTED, "stopped by a signal; nothing was written: run the same command again")
               : STATUS_OK;
}

/* ---- stacks for handlers ---- */
void interrupt_give_stack(void) {
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE)) return;
    long least = sysconf(_SC_SIGSTKSZ); /* with the vector registers of this processor */
    stack = (stack_t){.ss_size = least > ALTERNATE_STACK ? (size_t)least : ALTERNATE_STACK};
    stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp != MAP_FAILED && sigaltstack(&stack, NULL) != 0) munmap(stack.ss_sp, stack.ss_size);
}

void interrupt_guard_handlers(void) {
    interrupt_give_stack();
    for (int n = 1; n < NSIG; n++) {
        struct sigaction action;
        if (sigaction(n, NULL, &action) != 0 || action.sa_flags & SA_ONSTACK) continue;
        if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) continue;
        action.sa_flags |= SA_ONSTACK;
        sigaction(n, &action, NULL);
    }
}
