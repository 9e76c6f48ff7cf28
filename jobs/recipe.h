/* What all jobs have in common that make a file of ours: its provenance (settings and inputs), whether it is up to date
 * already, and only then the work. */
#ifndef MEDTOK_JOBS_RECIPE_H
#define MEDTOK_JOBS_RECIPE_H

#include "jobs.h"
#include "store/h5file.h"

struct recipe {
    const struct job_entry *job;
    enum file_kind output;
    const char *path; /* of the output */
    /* Both are collective over comm and return the same status on all ranks; self is the caller's. */
    int (*add_inputs)(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self);
    int (*make)(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self);
};

/* Collective. */
int recipe_run(const struct recipe *recipe, const struct comm *comm, const struct config *config, void *self);

#endif
