/* Where the time of a job goes: a job names its stages, says when each begins, and at its end rank 0 may log a table over all
 * ranks: time, share, imbalance, operations and bytes a second, messages. Stages are ranges for profilers too (ranges.h), and regions for
 * those of MPI (MPI_Pcontrol).
 *
 * At each moment one stage runs; outside those that the job names it is "other", so that shares add up to 100 %. Times are
 * those of the host. A device that works on after a call returns (cuda) is waited for in the stage that reads a result, and
 * that stage gets the time; operations and bytes belong to the stage that asked for them.
 */
#ifndef MEDTOK_DIST_STAGES_H
#define MEDTOK_DIST_STAGES_H

#include <limits.h>

#include "dist/comm.h"
#include "kernels.h"

enum { MOST_STAGES = 15 };

/* What one rank spent in one stage. All double, so that ranks can be summed in one message. */
struct stage_totals {
    double seconds, own_seconds; /* own: without the time inside MPI calls (comm.h), which waits for other ranks */
    double flops, bytes;         /* of the primitives, by costs.h */
    double messages, sent;       /* comm_traffic() */
};

struct stages {
    const char *const *names; /* [n], borrowed */
    int n, running;           /* stage n is "other" */
    const struct device *device;
    struct stage_totals of[MOST_STAGES + 1];
    int64_t
        done; /* what the job went through, of all ranks: set by the job before stages_log, on rank 0; 0: not known */
    const char *unit; /* what that is: "codes"; borrowed */
    /* when the running stage began */
    double since;
    struct work work;
    struct traffic traffic;
};

/* Begins "other". names[n]: the same on all ranks, n <= MOST_STAGES. `device` (borrowed): whose work is counted, NULL: none. It
 * may be opened later, but is not closed before stages_log. */
void stages_begin(struct stages *stages, const struct device *device, const char *const *names, int n);

/* Begins a stage, 0 .. n-1; the one that ran ends. stage_end: goes on with "other". */
void stage_begin(struct stages *stages, int stage);
void stage_end(struct stages *stages);

/* One line of the table. */
struct stage_row {
    double seconds;              /* most of any rank */
    double share;                /* of all ranks' time in all stages, 0 .. 1 */
    double imbalance;            /* of the ranks' own seconds: the most by the mean; 1: all alike */
    double in_mpi;               /* share of the stage's time inside MPI calls, 0 .. 1 */
    double flop_rate, byte_rate; /* all ranks' operations and bytes by `seconds` */
    double messages, sent;       /* of all ranks */
};

/* rows[n] from the sums and the largest values over n_ranks ranks. */
void stages_summarize(const struct stage_totals *sum, const struct stage_totals *most, int n, int n_ranks,
                      struct stage_row *rows);

/* When the table is shown at level info; where it is not, level debug has it, but for STAGES_NEVER. */
enum stages_shown { STAGES_WITH_RANKS /* if there are several */, STAGES_ALWAYS, STAGES_NEVER };

/* Where the table lies as JSON, beside the output `output` of the job: table.h5 -> table.stages.json; of table.quality.json,
 * table.quality.stages.json. */
void stages_path(const char *output, char path[PATH_MAX]);

/* Collective, at the end of a job with the status that all ranks have. If that is STATUS_OK or STATUS_INTERRUPTED, ends the
 * running stage and logs the table of the job `job`; stages without time are left out. With STATUS_OK it is written beside the output too
 * (stages_path; NULL: nowhere); if that fails there is a warning: the output is good without it. Returns `status`, or what failed. */
int stages_log(struct stages *stages, const struct comm *comm, const char *job, const char *output,
               enum stages_shown shown, int status);

#endif
