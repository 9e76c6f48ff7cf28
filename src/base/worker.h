/* A thread that does one piece of work at a time beside the thread that gives it: kept, since OpenMP makes a team for each
 * thread that asks for one, and would make it anew for a new thread. */
#ifndef MEDTOK_BASE_WORKER_H
#define MEDTOK_BASE_WORKER_H

struct worker; /* opaque */

/* NULL, with the status set, if there can be no thread. */
struct worker *worker_make(void);

/* Begins work(context), which must not call MPI or a device: these belong to the caller's thread. Nothing else is under way. */
void worker_begin(struct worker *worker, int (*work)(void *context), void *context);

/* Waits for the work that was begun and returns its status, with its message as this thread's. */
int worker_finish(struct worker *worker);

/* Whether the work that was begun is done, so that worker_finish would not wait. */
int worker_is_done(struct worker *worker);

void worker_free(struct worker *worker); /* finishes what is under way; NULL is allowed */

#endif
