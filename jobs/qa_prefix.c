/* qa-prefix: the vectors that stand before questions, as NumPy arrays, for language models that run elsewhere. Rank 0 alone. */
#include "base/log.h"
#include "base/status.h"
#include "jobs.h"
#include "qa/prefix_file.h"

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)comm;
    (void)arguments;
    const struct qa_prefix_options *o = &config->qa_prefix;
    const struct comm self = comm_self();
    struct questions questions = {0};
    struct table table = {0};
    int status;
    TRY_DONE(questions_read(&self, o->questions, &questions));
    TRY_DONE(table_open(&table, config->files.table));
    TRY_DONE(prefix_files_write(o->folder, &questions, o->questions, &table, o->codes));
    log_info("wrote vectors.npy, counts.npy and questions.tsv of %lld questions in %s", (long long)questions.n,
             o->folder);
done:
    table_close(&table);
    questions_free(&questions);
    return status;
}

static int check(const struct config *config) {
    if (!config->qa_prefix.questions[0])
        return status_set(STATUS_USAGE, "qa_prefix.questions is empty: name a file of questions, as qa-link writes it");
    return STATUS_OK;
}

const struct job_entry QA_PREFIX_JOB = {
    .job = JOB_QA_PREFIX,
    .name = "qa-prefix",
    .arguments = "",
    .summary = "the vectors before questions as NumPy arrays, for language models elsewhere",
    .ranks = RANK_0,
    .interruptible = 0,
    .check = check,
    .run = run,
};
