/* A hospital written to files: blocks of patients dealt out to the ranks, each made once and put into the tables of all formats. */
#ifndef MEDTOK_SYNTH_HOSPITAL_H
#define MEDTOK_SYNTH_HOSPITAL_H

#include "dist/comm.h"
#include "synth/format.h"
#include "synth/options.h"

/* Which formats `names` ask for, as bits 1 << enum synth_format_number; empty: all. STATUS_USAGE for a name that there is not. */
int hospital_formats(const struct string_list *names, unsigned *formats);

/* A sample of the split held_out, for scores. */
struct truth_sample {
    int64_t number, subject; /* different for each sample */
    int32_t label;
    double probability;
};

struct truth_samples {
    long long n, capacity;
    struct truth_sample *items; /* owned, of this rank's patients */
};

/* Collective. Writes the tables of the formats, and what is true of them (synth/truth.h), under `folder`; all or none. The caller
 * frees the items of `held_out`, of each task. */
int hospital_write(const struct comm *comm, const struct synth_options *options, const char *folder,
                   const struct synth_hospital *hospital, unsigned formats,
                   struct truth_samples held_out[N_SYNTH_TASKS]);

#endif
