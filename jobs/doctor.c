/* doctor: whether this program can work where it was started, with as many ranks: each check says what is so, or what is wrong and what
 * usually cures it. */
#include <stdio.h>

#include "base/output.h"
#include "base/status.h"
#include "doctor_checks.h"
#include "jobs.h"

static const struct check {
    const char *name;
    int (*examine)(struct examination *x);
    int is_needed; /* without it nothing works; else what is found is a note, which some runs need not heed */
    int before;    /* the number of a check without which this one would not come back; -1: none */
} CHECKS[] = {
    {"launch", examine_launch, 1, -1}, {"windows", examine_one_sided, 1, -1}, {"cores", examine_cores, 1, -1},
    {"memory", examine_memory, 1, -1}, {"limits", examine_limits, 1, -1},     {"GPUs", examine_gpus, 1, -1},
    {"HDF5", examine_hdf5, 1, -1},     {"disk", examine_disk, 1, -1},         {"folder", examine_folder, 1, 6},
    {"locale", examine_locale, 0, -1}, {"Python", examine_python, 0, -1},     {"METIS", examine_metis, 0, -1},
};
enum { N_CHECKS = sizeof CHECKS / sizeof *CHECKS };

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    struct examination x = {.comm = comm, .config = config, .folder = arguments->n ? arguments->items[0] : "."};
    int bad[N_CHECKS] = {0}, n_bad = 0;
    if (arguments->n > 1) return status_set(STATUS_USAGE, "doctor looks at one folder: medtok doctor [FOLDER]");
    for (int i = 0; i < N_CHECKS; i++) {
        const struct check *c = &CHECKS[i];
        if (c->before >= 0 && bad[c->before]) continue;
        x.fine[0] = 0;
        bad[i] = comm_agree(comm, c->examine(&x)) != STATUS_OK;
        n_bad += bad[i] && c->is_needed;
        if (comm->rank == 0)

            printf("%-8s %-7s %s\n",
                   !bad[i]        ? "good"
                   : c->is_needed ? "problem"
                                  : "note",
                   c->name, bad[i] ? status_message() : x.fine);
    }
    if (comm->rank == 0) TRY(output_flush());
    return n_bad ? status_set(STATUS_FAILED, "%d of %d checks found a problem", n_bad, N_CHECKS) : STATUS_OK;
}

const struct job_entry DOCTOR_JOB = {
    .job = JOB_DOCTOR,
    .name = "doctor",
    .arguments = "[FOLDER]",
    .summary = "whether the program can work here, with these ranks and this folder: problems with their usual cures",
    .ranks = ALL_RANKS,
    .interruptible = 0,
    .run = run,
};
