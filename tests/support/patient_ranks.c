/* Ranks that wait sleep. Open MPI has no waiting but asking again, with OMPI_MCA_mpi_yield_when_idle and a sched_yield in between:
 * where ranks and tests are more than cores, that takes a third of the processor time, and the rank that is waited for gets its
 * core late. So sched_yield sleeps here, longer and longer, when it is called again and again. For LD_PRELOAD; linked into sanitized
 * builds, where the sanitizer must come first. */
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 10, DOUBLINGS = 5 };  /* so many true yields; then 50 us to 800 us */
static const long FIRST_SLEEP = 25000; /* ns */
static const long NEW_WAIT = 20000;    /* ns; so long between two calls means that something was done */
static _Thread_local long returned;    /* when the last call did */
static _Thread_local int n_calls;      /* of this wait, before this one */

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

int sched_yield(void) {
    n_calls = now() - returned < NEW_WAIT ? n_calls + 1 : 0;
    if (n_calls <= AT_ONCE) {
        syscall(SYS_sched_yield);
    } else {
        int doublings = n_calls - AT_ONCE < DOUBLINGS ? n_calls - AT_ONCE : DOUBLINGS;
        struct timespec sleep = {.tv_nsec = FIRST_SLEEP << doublings};
        nanosleep(&sleep, NULL);
    }
    returned = now();
    return 0;
}
