/* What a job writes, looked at before it computes: no output is an input, nothing is replaced that this job does not make, and
 * one run at a time writes a file. All from the table of settings, for every job alike. */
#ifndef MEDTOK_JOBS_OUTPUTS_H
#define MEDTOK_JOBS_OUTPUTS_H

#include "base/file_lock.h"
#include "dist/comm.h"
#include "settings.h"
#include "store/kinds.h"

struct outputs {
    struct file_lock *locks; /* [n], owned; on rank 0 */
    int n;
};

/* Checks all outputs of `job`; writes nothing. STATUS_USAGE, naming the setting: an output that is an input or another output
 * (paths.h), a folder, device or pipe, or a file that this job does not make. Rank 0 alone. */
int outputs_check(const struct config *config, enum job job);

/* Takes the locks of all outputs (base/file_lock.h). Collective. outputs_unlock gives back what was taken. */
int outputs_lock(struct outputs *outputs, const struct comm *comm, const struct config *config, enum job job);
void outputs_unlock(struct outputs *outputs);

/* Collective. Whether the output `path` is there, whole, with this provenance, and --force was not given: then the job has
 * nothing to do, and this is logged. */
int output_is_current(const struct comm *comm, const struct config *config, const char *path, enum file_kind kind,
                      const char *key, int *current);

#endif
