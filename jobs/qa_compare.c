/* qa-compare: reports of qa in, of several arms and seeds; how the arms differ out, by groups of questions, in tables and sentences. Every
 * rank reads, all resample, rank 0 writes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "jobs.h"
#include "qa/compare_report.h"

struct qa_compare {
    struct compared_answers answers;
    int over, n_groups;
    struct question_group *groups;
    struct arm_gain *gains[N_ANSWER_ORDERS]; /* [n_groups, arms] */
};

static int load(struct qa_compare *x, const struct qa_compare_options *o) {
    TRY(compared_answers_read(&x->answers, &o->reports));
    x->over = compared_answers_arm(&x->answers, o->arm);
    if (x->over < 0)
        return status_set(STATUS_USAGE, "qa_compare.arm: no report is of the arm \"%s\"; the first is of \"%s\"",
                          o->arm, x->answers.arms[0].name);
    return question_groups_make(&x->answers, &x->n_groups, &x->groups);
}

static int compute(struct qa_compare *x, const struct bootstrap *bootstrap) {
    int64_t n_arms = x->answers.n_arms;
    for (int o = 0; o < x->answers.n_orders; o++) {
        TRY(comm_agree(bootstrap->comm, mem_alloc(&x->gains[o], x->n_groups * n_arms, sizeof(struct arm_gain))));
        for (int g = 0; g < x->n_groups; g++)
            TRY(arm_gains_compute(&x->answers, (enum answer_orders)o, &x->groups[g], x->over, bootstrap,
                                  x->gains[o] + g * n_arms));
    }
    return STATUS_OK;
}

static int write(const struct qa_compare *x, const struct qa_compare_options *o) {
    struct compare_report report = {&x->answers, x->over,   o->resamples,
                                    x->n_groups, x->groups, {x->gains[0], x->gains[1]}};
    struct atomic_file file;
    compare_report_print(&report, stdout);
    TRY(output_flush());
    TRY(atomic_file_open(&file, o->report));
    compare_report_write(&report, file.stream);
    return atomic_file_close(&file, STATUS_OK);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct qa_compare x = {.over = -1};
    struct bootstrap bootstrap = {.comm = comm,
                                  .seed = (uint64_t)config->run.seed,
                                  .resamples = config->qa_compare.resamples,
                                  .threads = comm_threads(comm, (int)config->run.threads)};
    int status;
    TRY_DONE(comm_agree(comm, load(&x, &config->qa_compare)));
    TRY_DONE(compute(&x, &bootstrap));
    TRY_DONE(comm_agree(comm, comm->rank == 0 ? write(&x, &config->qa_compare) : STATUS_OK));
    log_info("wrote %s", config->qa_compare.report);
done:
    for (int o = 0; o < N_ANSWER_ORDERS; o++) free(x.gains[o]);
    question_groups_free(x.n_groups, x.groups);
    compared_answers_free(&x.answers);
    return status;
}

static int check(const struct config *config) {
    if (config->qa_compare.reports.n == 0)
        return status_set(STATUS_USAGE, "qa_compare.reports is empty: name reports of qa");
    return STATUS_OK;
}

const struct job_entry QA_COMPARE_JOB = {
    .job = JOB_QA_COMPARE,
    .name = "qa-compare",
    .arguments = "",
    .summary = "how arms of question answering differ, from the reports of qa",
    .ranks = ALL_RANKS,
    .interruptible = 0,
    .check = check,
    .run = run,
};
