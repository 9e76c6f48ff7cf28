/* Signals that ask the process to stop: SIGTERM, SIGINT, SIGHUP (a terminal that is gone), and SIGUSR1 (SLURM's warning before
 * the time limit).
 *
 * No handler of a signal may run on a thread that computes: oneDNN's generated kernels keep a pointer into the heap in the
 * stack register while they run (uxlfoundation/oneDNN issue 4845), and a handler's frame would be written there. So every
 * thread has the asynchronous signals blocked from before it exists, and one thread, which does nothing else, takes them.
 *
 * A job that can stop looks at interrupt_asked() or interrupt_poll() between two pieces of work, cleans up, and ends with
 * STATUS_INTERRUPTED. Any other job is ended by the signal, as if this file were not here. */
#ifndef MEDTOK_BASE_INTERRUPT_H
#define MEDTOK_BASE_INTERRUPT_H

/* Blocks the signals in this thread and all that it will make. For the .preinit_array of the program: constructors of
 * libraries make threads (OpenBLAS does). Needs nothing that a constructor would have to make. */
void interrupt_block(void);

/* Starts the thread that takes the signals; first thing in `main`. A signal that came before is remembered. Processes made
 * with fork() get the mask that this process was started with. SIGINT and SIGHUP stay ignored where they were ignored at
 * the start (a background process of a shell script, nohup). Fails if there can be no thread; then signals end the process as usual. */
int interrupt_start(void);

/* Whether the job of this run looks for signals. If not, one that has come or will come ends the process by its default
 * action. Until this is said they are remembered. A second SIGINT ends the process in any case; a second SIGTERM or SIGUSR1
 * does not: launchers and schedulers send several while the first is still being obeyed. */
void interrupt_decide(int job_looks);

/* Whether a signal has come to this process. */
int interrupt_asked(void);

/* STATUS_OK, or STATUS_INTERRUPTED with a message if a signal has come, for a job of which nothing is kept then. Says
 * nothing about other ranks: the caller agrees with them. */
int interrupt_poll(void);

/* A second wall, for signals that must reach the threads that compute, from profilers (SIGPROF) or faults: handlers run on a
 * stack of their own. The first function gives this thread one, which it keeps to the end, unless it has one. The second
 * does so too, and makes all handlers that are installed by now use such stacks. */
void interrupt_give_stack(void);
void interrupt_guard_handlers(void);

#endif
