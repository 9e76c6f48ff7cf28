/* Which tasks `cohort` labels, and how: settings cohort.mode, cohort.aces, cohort.labels. */
#ifndef MEDTOK_EHR_TASKS_OPTIONS_H
#define MEDTOK_EHR_TASKS_OPTIONS_H

#include "config/options.h"

#define TASK_MODES(CHOICE) CHOICE(TASK_CLEAN, "clean") CHOICE(TASK_MEDTOK, "medtok")
enum task_mode { TASK_MODES(OPTION_CHOICE_NUMBER) };
enum { N_TASK_MODES = 2 };

#define TASK_OPTIONS(KEY, in)                                                                                          \
    KEY(in, CHOICE, "cohort.mode", mode, task_mode, TASK_MODES, "clean", JOB_COHORT, SHAPES,                           \
        "definitions of tasks: ours, without leaks; or those of MedTok's and EHRSHOT's scripts, with their cohort")    \
    KEY(in, LIST, "cohort.aces", aces, "", JOB_COHORT | JOB_EXPLAIN, "aces",                                           \
        "task files of ACES (YAML), each a task of its name without .yaml")                                            \
    KEY(in, PATH, "cohort.labels", labels, "", 0, JOB_COHORT, "labels",                                                \
        "folder for label files in MEDS' form, TASK/labels.csv and, with pyarrow, labels.parquet; empty: none")
struct task_options {
    TASK_OPTIONS(OPTION_MEMBER, )
};

#endif
