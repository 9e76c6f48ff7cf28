/* What the test programs for several ranks share: `mpirun -n RANKS test_X_mpi`. No cmocka programs: the checks of all ranks are
 * counted together, and rank 0 prints one line a behaviour. */
#ifndef MEDTOK_TESTS_MPI_CHECK_H
#define MEDTOK_TESTS_MPI_CHECK_H

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/comm.h"

static int64_t faults; /* of this rank, in the behaviour that is checked */

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            faults++;                                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s (last message: %s)\n", __FILE__, __LINE__, #condition,                  \
                    status_message());                                                                                 \
        }                                                                                                              \
    } while (0)

/* Collective, behind a behaviour: whether a rank found a fault in it; rank 0 prints its line. */
static inline int behaviour_failed(const struct comm *comm, const char *name) {
    int64_t all = faults;
    faults = 0;
    if (comm_sum_int64(comm, &all, 1) != STATUS_OK) return 1;
    if (comm->rank == 0) printf("%s %s (%d ranks)\n", all ? "FAILED" : "ok", name, comm->size);
    return all > 0;
}

/* Collective. Makes a folder for all ranks, under TMPDIR or /tmp. */
static inline int make_folder(const struct comm *comm, const char *name, char folder[PATH_MAX]) {
    const char *parent = getenv("TMPDIR");
    int status = STATUS_OK;
    if (comm->rank == 0) {
        snprintf(folder, PATH_MAX, "%s/medtok-%s-XXXXXX", parent ? parent : "/tmp", name);
        if (!mkdtemp(folder)) status = status_set(STATUS_FAILED, "cannot make %s", folder);
    }
    TRY(comm_agree(comm, status));
    return comm_broadcast(comm, folder, PATH_MAX);
}

/* Removes a folder and the files in it. */
static inline void remove_folder(const char *folder) {
    DIR *dir = opendir(folder);
    char path[PATH_MAX + 256];
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    if (dir) closedir(dir);
    rmdir(folder);
}

#endif
