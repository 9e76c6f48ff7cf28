/* qa-prefix: what stands before questions, for language models that run elsewhere: their vectors as NumPy arrays, and a table of their codes
 * alone. Rank 0 alone. */
#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"
#include "jobs.h"
#include "qa/prefix_file.h"
#include "qa/question_rows.h"
#include "recipe.h"
#include "store/table_pick.h"

struct qa_prefix_job {
    struct questions questions;
    struct table table;
};

/* ---- the table of the questions' codes ---- */
static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    (void)comm;
    (void)self;
    TRY(provenance_add_input(provenance, "questions", config->qa_prefix.questions));
    return provenance_add_input(provenance, "table", config->files.table);
}

static int make(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self) {
    struct qa_prefix_job *x = self;
    int64_t n = 0, *rows = NULL;
    (void)comm;
    int status = question_rows_all(&x->table, config->qa_prefix.questions, &x->questions, &n, &rows);
    if (status == STATUS_OK) status = table_pick(&x->table, n, rows, config->qa_prefix.table, provenance);
    free(rows);
    TRY(status);
    log_info("wrote %s, of the questions' codes alone", config->qa_prefix.table);
    return STATUS_OK;
}

/* ---- the job ---- */
static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)comm;
    (void)arguments;
    const struct qa_prefix_options *o = &config->qa_prefix;
    const struct recipe recipe = {&QA_PREFIX_JOB, KIND_TABLE, o->table, add_inputs, make};
    const struct comm self = comm_self();
    struct qa_prefix_job x = {0};
    int status;
    TRY_DONE(questions_read(&self, o->questions, &x.questions));
    TRY_DONE(table_open(&x.table, config->files.table));
    TRY_DONE(prefix_files_write(o->folder, &x.questions, o->questions, &x.table, o->codes));
    log_info("wrote vectors.npy, counts.npy and questions.tsv of %lld questions in %s", (long long)x.questions.n,
             o->folder);
    if (o->table[0]) TRY_DONE(recipe_run(&recipe, &self, config, &x));
done:
    table_close(&x.table);
    questions_free(&x.questions);
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
