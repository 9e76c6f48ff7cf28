/* The jobs, once, in the order of the help. JOB(constant) gives JOB_constant below, and jobs/JOB.c defines constant_JOB
 * (jobs/jobs.h). */
#ifndef MEDTOK_JOBS_JOB_LIST_H
#define MEDTOK_JOBS_JOB_LIST_H

#define JOB_LIST(JOB)                                                                                                  \
    JOB(PREPARE)                                                                                                       \
    JOB(ENCODE)                                                                                                        \
    JOB(TRAIN)                                                                                                         \
    JOB(TOKENIZE)                                                                                                      \
    JOB(INSPECT)                                                                                                       \
    JOB(PROBE)                                                                                                         \
    JOB(LOOKUP)                                                                                                        \
    JOB(EXPORT)                                                                                                        \
    JOB(SYNTH)                                                                                                         \
    JOB(COHORT)                                                                                                        \
    JOB(EXPLAIN)                                                                                                       \
    JOB(EVALUATE)                                                                                                      \
    JOB(BASELINE)                                                                                                      \
    JOB(SCORE)                                                                                                         \
    JOB(QA_LINK)                                                                                                       \
    JOB(QA_COSINE)                                                                                                     \
    JOB(QA_PREFIX)                                                                                                     \
    JOB(QA_TRAIN) JOB(QA) JOB(QA_COMPARE) JOB(REPORT) JOB(VERIFY) JOB(BENCH) JOB(PLAN) JOB(STATUS) JOB(DOCTOR)

#define JOB_NUMBER(job) JOB_NUMBER_##job,
enum job_number { JOB_LIST(JOB_NUMBER) N_JOBS };
#undef JOB_NUMBER

/* One bit each, so that sets of jobs are sums. */
#define JOB_BIT(job) JOB_##job = 1 << JOB_NUMBER_##job,
enum job { JOB_LIST(JOB_BIT) };
#undef JOB_BIT
#define ALL_JOBS ((1U << N_JOBS) - 1)
/* Those that say where their time went (dist/stages.h). */
#define STAGE_JOBS (JOB_PREPARE | JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_INSPECT | JOB_PROBE | JOB_EVALUATE)
/* Those that may take hours, which show how far they are (live.h). */
#define LIVE_JOBS (JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_EVALUATE)

#endif
