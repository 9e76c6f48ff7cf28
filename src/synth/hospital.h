/* A hospital written to files: blocks of patients dealt out to the ranks, each made once and put into the tables of all formats. */
#ifndef MEDTOK_SYNTH_HOSPITAL_H
#define MEDTOK_SYNTH_HOSPITAL_H

#include "dist/comm.h"
#include "synth/format.h"
#include "synth/options.h"

/* Which formats `names` ask for, as bits 1 << enum synth_format_number; empty: all. STATUS_USAGE for a name that there is not. */
int hospital_formats(const struct string_list *names, unsigned *formats);

/* Collective. Writes the tables of the formats under options->folder; all or none. */
int hospital_write(const struct comm *comm, const struct synth_options *options, const struct synth_hospital *hospital,
                   unsigned formats);

#endif
