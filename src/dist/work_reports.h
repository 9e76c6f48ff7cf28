/* Ranks that work each for itself on pieces of work: rank 0 hears of each piece when it is finished, and a rank that fails, or is asked to stop, stops all,
 * with nobody waiting for anybody before the end. Messages are of a few bytes: one to rank 0 for each piece, and one from it to each rank
 * when it is time to stop, or all is done.
 */
#ifndef MEDTOK_DIST_WORK_REPORTS_H
#define MEDTOK_DIST_WORK_REPORTS_H

#include "dist/comm.h"

struct work_reports {
    const struct comm *comm; /* borrowed */
    /* What rank 0 does with a report, with `self`; a failure stops all. Called within the functions below. */
    int (*note)(void *self, int64_t piece, uint64_t value);
    void *self;
    /* private */
    int told, n_ended; /* whether rank 0 has spoken (has been heard); how many others have ended, on rank 0 */
};

/* Where MPI itself fails the functions return STATUS_ALONE: the others cannot be told, and may wait for ever. */

/* Not collective, between two pieces. *stop: no more are to be begun. On rank 0 it notes what has come. */
int work_reports_look(struct work_reports *reports, int *stop);

/* Not collective: this rank has finished a piece (0 or more), of which `value` is known. */
int work_reports_tell(struct work_reports *reports, int64_t piece, uint64_t value);

/* Collective, in any case: this rank begins no more, and if `status` is a failure, nobody does. When it returns, all reports are noted; a
 * failure is every rank's. But STATUS_ALONE is returned at once. */
int work_reports_end(struct work_reports *reports, int status);

#endif
