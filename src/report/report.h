/* A run, or several side by side, as one HTML page that loads nothing: what the files of the jobs hold, as tables, plots, and a map of the
 * codes. What is not there is named as missing. */
#ifndef MEDTOK_REPORT_REPORT_H
#define MEDTOK_REPORT_REPORT_H

#include <limits.h>
#include <stdint.h>

#include "dist/comm.h"
#include "report/options.h"

/* The files of a run: FILE(constant, what it is called in the page, job that makes it). Those up to the cohort are HDF5 files of ours. */
#define REPORT_FILES(FILE)                                                                                             \
    FILE(VOCABULARY, "vocabulary", "prepare")                                                                          \
    FILE(TEXT, "text features", "encode")                                                                              \
    FILE(CHECKPOINT, "checkpoint", "train")                                                                            \
    FILE(TABLE, "token table", "tokenize")                                                                             \
    FILE(COHORT, "cohort", "cohort")                                                                                   \
    FILE(METRICS, "metrics of training", "train")                                                                      \
    FILE(QUALITY, "quality of tokens", "inspect")                                                                      \
    FILE(PROBES, "probes of the table", "probe")                                                                       \
    FILE(SCORES, "scores", "evaluate")

#define REPORT_FILE_NUMBER(constant, name, job) REPORT_##constant,
enum report_file { REPORT_FILES(REPORT_FILE_NUMBER) N_REPORT_FILES, N_REPORT_H5_FILES = REPORT_COHORT + 1 };
#undef REPORT_FILE_NUMBER

struct report_run {
    char name[64];                       /* different for each run */
    char path[N_REPORT_FILES][PATH_MAX]; /* "": none */
    int is_there[N_REPORT_FILES];        /* set by report_find_files */
};

/* Looks for the files of a run. STATUS_FAILED if none of them is there. */
int report_find_files(struct report_run *run);

/* Writes the page of runs[n]. One process; comm is that of this process. seed: which codes are on the map. */
int report_write(const struct comm *comm, const struct report_options *options, uint64_t seed, int n,
                 const struct report_run *runs);

#endif
