/* How a job runs: settings run.*. */
#ifndef MEDTOK_DIST_OPTIONS_H
#define MEDTOK_DIST_OPTIONS_H

#include "base/log.h"
#include "config/options.h"

#define DEVICE_CHOICES(CHOICE) CHOICE(DEVICE_AUTO, "auto") CHOICE(DEVICE_CPU, "cpu") CHOICE(DEVICE_CUDA, "cuda")
enum device_choice { DEVICE_CHOICES(OPTION_CHOICE_NUMBER) };
#define COMPUTES(CHOICE) CHOICE(COMPUTE_FP32, "fp32") CHOICE(COMPUTE_TF32, "tf32") CHOICE(COMPUTE_BF16, "bf16")
enum compute { COMPUTES(OPTION_CHOICE_NUMBER) };
#define SUMS(CHOICE) CHOICE(SUMS_AUTO, "auto") CHOICE(SUMS_NCCL, "nccl") CHOICE(SUMS_MPI, "mpi")
enum summing { SUMS(OPTION_CHOICE_NUMBER) };
#define STAGE_TABLES(CHOICE)                                                                                           \
    CHOICE(STAGE_TABLE_AUTO, "auto") CHOICE(STAGE_TABLE_ALWAYS, "always") CHOICE(STAGE_TABLE_NEVER, "never")
enum stage_table { STAGE_TABLES(OPTION_CHOICE_NUMBER) };
/* enum log_level of base/log.h, in its order */
#define LOG_LEVELS(CHOICE)                                                                                             \
    CHOICE(LOG_LEVEL_ERROR, "error")                                                                                   \
    CHOICE(LOG_LEVEL_WARN, "warn") CHOICE(LOG_LEVEL_INFO, "info") CHOICE(LOG_LEVEL_DEBUG, "debug")

#define RUN_OPTIONS(KEY, in)                                                                                           \
    KEY(in, INTEGER, "run.seed", seed, "0", 0, 9e15, "",                                                               \
        JOB_ENCODE | STEP_JOBS | JOB_INSPECT | JOB_PROBE | JOB_COHORT | JOB_SYNTH | JOB_EVALUATE | JOB_BASELINE |      \
            JOB_SCORE | JOB_REPORT | JOB_QA_TRAIN | JOB_QA | JOB_QA_COMPARE,                                           \
        SHAPES, "seed of all random numbers")                                                                          \
    KEY(in, INTEGER, "run.threads", threads, "0", 0, 1024, "threads a rank",                                           \
        COMPUTE_JOBS | JOB_BASELINE | JOB_SCORE | JOB_QA_COMPARE | JOB_PREPARE, LEAVES,                                \
        "0: the cores this rank may use, shared with the ranks that have the same")                                    \
    KEY(in, CHOICE, "run.device", device, device_choice, DEVICE_CHOICES, "auto", COMPUTE_JOBS, LEAVES,                 \
        "where to compute; auto: on a GPU if there is one and the job has use for it")                                 \
    KEY(in, CHOICE, "run.compute", compute, compute, COMPUTES, "fp32",                                                 \
        MODEL_JOBS | JOB_EVALUATE | JOB_QA_TRAIN | JOB_QA, SHAPES,                                                     \
        "in what a GPU's matrix products multiply; sums are fp32, the quantiser's distances always fp32")              \
    KEY(in, CHOICE, "run.sums", sums, summing, SUMS, "auto",                                                           \
        STEP_JOBS | JOB_EVALUATE | JOB_QA_TRAIN | JOB_DOCTOR | JOB_PLAN, LEAVES,                                       \
        "by what ranks sum gradients; auto: nccl where each rank has a GPU of its own, the memory of a node between "  \
        "CPU cores, and that memory for rows of losses on either; mpi: all of it by MPI, through the host's memory")   \
    KEY(in, CHOICE, "run.stages", stages, stage_table, STAGE_TABLES, "auto", STAGE_JOBS, LEAVES,                       \
        "table of where the time went, at the job's end; auto: on more than one rank")                                 \
    KEY(in, INTEGER, "run.live_page", live_page, "5", 0, 3600, "seconds", LIVE_JOBS, LEAVES,                           \
        "between two versions of a page beside the output that shows how far the job is (OUTPUT.live.html); 0: none")  \
    KEY(in, CHOICE, "run.log_level", log_level, log_level, LOG_LEVELS, "info", ALL_JOBS, LEAVES,                       \
        "most detailed log lines that are written")
struct run_options {
    RUN_OPTIONS(OPTION_MEMBER, )
};

#endif
