/* qa-cosine: multiple-choice questions answered without a language model, by cosines of the codes of stems and options: what the vectors
 * of a table know by themselves. Rank 0 alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "jobs.h"
#include "qa/choice_report.h"

/* ---- the report ---- */
static int write_report(const char *path, const struct config *config, const struct questions *questions,
                        const struct option_scores *scores) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    struct json j = json_begin(file.stream, 3);
    json_object(&j, NULL);
    json_text(&j, "questions_by_codes", config->qa_cosine.questions);
    json_text(&j, "table", config->files.table);
    json_object(&j, "groups");
    for (int g = 0; g < N_SCORE_GROUPS; g++) {
        struct choice_summary s;
        choices_summarize(questions, scores, (enum score_group)g, &s);
        choice_report_group(&j, SCORE_GROUP_NAMES[g], &s);
    }
    json_end(&j);
    json_array(&j, "questions");
    for (int64_t i = 0; i < questions->n; i++) {
        json_object(&j, NULL);
        choice_report_question(&j, &questions->items[i], &scores[i]);
        json_end(&j);
    }
    json_end(&j);
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}

static void print(const struct questions *questions, const struct option_scores *scores) {
    printf("%-20s %9s %9s  %-28s %8s %8s %8s  %s\n", "", "questions", "answered", "accuracy of answered", "guessing",
           "all", "chance", "always one letter");
    for (int g = 0; g < N_SCORE_GROUPS; g++) {
        struct choice_summary s;
        choices_summarize(questions, scores, (enum score_group)g, &s);
        if (s.n == 0) continue;
        printf("%-20s %9lld %9lld  ", SCORE_GROUP_NAMES[g], (long long)s.n, (long long)s.n_answered);
        if (s.n_answered)
            printf("%.3f (95 %%: %.3f to %.3f)  %8.3f ", s.accuracy.value, s.accuracy.low, s.accuracy.high,
                   s.guess_of_scored);
        else
            printf("%-28s  %8s ", "-", "-");
        printf("%8.3f %8.3f  %c %.3f\n", s.with_guesses, s.chance, question_letter(s.majority_letter),
               s.majority.value);
    }
}

/* ---- the job ---- */
static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct questions questions = {0};
    struct option_scores *scores = NULL;
    struct table table = {0};
    const struct comm self = comm_self();
    (void)comm;
    int status;
    TRY_DONE(questions_read(&self, config->qa_cosine.questions, &questions));
    TRY_DONE(table_open(&table, config->files.table));
    TRY_DONE(mem_alloc(&scores, questions.n, sizeof *scores));
    TRY_DONE(cosine_scores(&questions, config->qa_cosine.questions, &table, scores));
    print(&questions, scores);
    TRY_DONE(output_flush());
    TRY_DONE(write_report(config->qa_cosine.report, config, &questions, scores));
    log_info("wrote %s", config->qa_cosine.report);
done:
    free(scores);
    table_close(&table);
    questions_free(&questions);
    return status;
}

static int check(const struct config *config) {
    if (!config->qa_cosine.questions[0])
        return status_set(STATUS_USAGE, "qa_cosine.questions is empty: name a file of questions, as qa-link writes it");
    return STATUS_OK;
}

const struct job_entry QA_COSINE_JOB = {
    .job = JOB_QA_COSINE,
    .name = "qa-cosine",
    .arguments = "",
    .summary = "answer questions without a language model, by cosines of their codes",
    .ranks = RANK_0,
    .interruptible = 0,
    .check = check,
    .run = run,
};
