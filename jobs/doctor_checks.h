/* What doctor looks at, one check a function. Each is called on all ranks at once and says what it found: STATUS_OK, with what is so in
 * `fine`, or STATUS_FAILED with the fault and its usual cure as the message. A check may be collective; the ranks agree on its status
 * behind it. */
#ifndef MEDTOK_JOBS_DOCTOR_CHECKS_H
#define MEDTOK_JOBS_DOCTOR_CHECKS_H

#include "dist/comm.h"
#include "settings.h"

struct examination {
    const struct comm *comm;
    const struct config *config;
    const char *folder; /* to write in */
    int threads;        /* of this rank */
    char fine[512];     /* rank 0's is shown */
};

/* doctor_machine.c: how ranks were started, their cores, memory, limits, locale, Python, METIS */
int examine_launch(struct examination *x);
int examine_one_sided(struct examination *x);
int examine_cores(struct examination *x);
int examine_memory(struct examination *x);
int examine_limits(struct examination *x);
int examine_locale(struct examination *x);
int examine_python(struct examination *x);
int examine_metis(struct examination *x);

/* doctor_devices.c: GPUs, HDF5, and a file written and read by all ranks */
int examine_gpus(struct examination *x);
int examine_hdf5(struct examination *x);
int examine_disk(struct examination *x);
int examine_folder(struct examination *x);

#endif
