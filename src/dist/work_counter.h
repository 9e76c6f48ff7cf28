/* Pieces of work 0, 1, 2, ... dealt to whoever is free: a number on rank 0 that every rank may take and raise, without rank 0's doing
 * (MPI one-sided; Gropp, Hoefler, Thakur, Lusk, "Using Advanced MPI", 2014, section 4.2).
 */
#ifndef MEDTOK_DIST_WORK_COUNTER_H
#define MEDTOK_DIST_WORK_COUNTER_H

#include "dist/comm.h"

struct work_counter {
    const struct comm *comm; /* borrowed */
    MPI_Win window;          /* of rank 0's number; where there are several ranks */
    int64_t own;             /* the number where there is one rank alone */
};

/* Collective, to begin with 0; a failure is every rank's. Close it (collective) in any case. */
int work_counter_open(struct work_counter *counter, const struct comm *comm);
void work_counter_close(struct work_counter *counter);

/* Not collective: the next piece, each number once over all ranks. */
int work_counter_take(struct work_counter *counter, int64_t *piece);

/* Not collective: what is taken from now on, by any rank, is WORK_STOPPED or more. work_counter_stopped asks. */
#define WORK_STOPPED (INT64_C(1) << 40)
int work_counter_stop(struct work_counter *counter);
int work_counter_stopped(struct work_counter *counter, int *stopped);

#endif
