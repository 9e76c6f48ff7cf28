/* qa: a language model answers multiple-choice questions; accuracy of groups with intervals, compared with another run on the same questions
 * if there is one. */
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "jobs.h"
#include "measure/bootstrap.h"
#include "measure/mcnemar.h"
#include "qa/answers.h"
#include "qa/choice_report.h"

static const enum score_group GROUPS[] = {SCORE_ALL, SCORE_STEM_CODES, SCORE_NO_STEM_CODES};
enum { N_GROUPS = 3 };

/* What one run has right and another one has not. */
struct comparison {
    int64_t n, only_ours, only_theirs;
    double p;
    struct estimate difference;
};

struct qa {
    const struct config *config;
    struct questions questions;
    struct answers answers;
    char model_id[33];
    struct adapter_record record; /* the model's; its texts are borrowed */
    uint8_t *is_learned;          /* [questions.n] whether the adapter learned from a question with that stem */
    struct comparison against;
};

/* ---- the comparison ---- */
static int compare_pairs(struct qa *x, const struct comm *comm, int threads, const int *chosen, double *ours,
                         double *theirs) {
    struct comparison *c = &x->against;
    struct estimate estimates[4];
    struct bootstrap bootstrap = {
        .comm = comm, .seed = (uint64_t)x->config->run.seed, .resamples = x->config->qa.resamples, .threads = threads};
    c->n = 0;
    for (int64_t i = 0; i < x->questions.n; i++) {
        if (chosen[i] < 0) continue;
        int right = x->answers.plain[i].chosen == x->questions.items[i].answer;
        int other = chosen[i] == x->questions.items[i].answer;
        ours[c->n] = right;
        theirs[c->n++] = other;
        c->only_ours += right && !other;
        c->only_theirs += other && !right;
    }
    c->p = mcnemar_exact(c->only_ours, c->only_theirs);
    TRY(bootstrap_compare(&bootstrap, 0, c->n, ours, theirs, estimates));
    c->difference = estimates[2];
    return STATUS_OK;
}

static int compare(struct qa *x, const struct comm *comm, int threads) {
    int64_t n = x->questions.n;
    int *chosen = NULL, status;
    double *values = NULL;
    TRY_DONE(comm_agree(comm, mem_alloc(&chosen, n, sizeof *chosen)));
    TRY_DONE(comm_agree(comm, mem_alloc(&values, 2 * n, sizeof *values)));
    TRY_DONE(comm_agree(comm, answers_read(x->config->qa.against, &x->questions, chosen, &x->against.n)));
    TRY_DONE(compare_pairs(x, comm, threads, chosen, values, values + n));
done:
    free(chosen);
    free(values);
    return status;
}

/* ---- the report ---- */
static void write_groups(struct json *j, const char *name, const struct qa *x, const struct option_scores *scores) {
    json_object(j, name);
    for (int g = 0; g < N_GROUPS; g++) {
        struct choice_summary s;
        choices_summarize(&x->questions, scores, GROUPS[g], &s);
        choice_report_group(j, SCORE_GROUP_NAMES[GROUPS[g]], &s);
    }
    json_end(j);
}

static void write_comparison(struct json *j, const struct qa *x) {
    const struct comparison *c = &x->against;
    json_object(j, "against");
    json_text(j, "report", x->config->qa.against);
    json_integer(j, "questions", c->n);
    json_integer(j, "right_here_alone", c->only_ours);
    json_integer(j, "right_there_alone", c->only_theirs);
    json_real(j, "mcnemar_exact_p", c->p, 6);
    json_real(j, "difference", c->difference.value, 6);
    json_real(j, "low", c->difference.low, 6);
    json_real(j, "high", c->difference.high, 6);
    json_end(j);
}

/* What the arm is called by qa.md 7.2. */
static const char *usual_arm(const struct qa_options *o) {
    static const char *const NAMES[] = {"LoRA alone",     "descriptions as text", "null prefix",
                                        "random vectors", "shuffled vectors",     "MedTok"};
    if (o->adapter[0]) return NAMES[o->prefix];
    return o->prefix == QA_PREFIX_DESCRIPTIONS ? "zero-shot with descriptions" : "zero-shot";
}

/* Questions whose stems the adapter learned from. */
static void write_learned(struct json *j, const struct qa *x) {
    json_array(j, "questions_learned_from");
    for (int64_t i = 0; i < x->questions.n; i++)
        if (x->is_learned[i]) json_text(j, NULL, x->questions.items[i].id);
    json_end(j);
}

static int write_report(const struct qa *x) {
    const struct qa_options *o = &x->config->qa;
    struct atomic_file file;
    TRY(atomic_file_open(&file, o->report));
    struct json j = json_begin(file.stream, 3);
    json_object(&j, NULL);
    json_text(&j, "answers_of", o->model);
    json_text(&j, "model_id", x->model_id);
    json_text(&j, "arm", o->arm[0] ? o->arm : usual_arm(o));
    json_text(&j, "adapter", o->adapter[0] ? o->adapter : NULL);
    json_text(&j, "prefix", QA_PREFIX_NAMES[o->prefix]);
    if (x->record.model_id[0]) {
        json_integer(&j, "adapter_seed", x->record.seed);
        json_text(&j, "adapter_training", x->record.training);
    }
    json_text(&j, "asked", o->questions);
    if (x->record.model_id[0]) write_learned(&j, x);
    json_integer(&j, "questions_with_cut_stems", x->answers.n_cut);
    if (o->prefix == QA_PREFIX_DESCRIPTIONS)
        json_integer(&j, "questions_with_descriptions_left_out", x->answers.n_shortened);
    write_groups(&j, "groups", x, x->answers.plain);
    if (x->answers.rotated) {
        write_groups(&j, "groups_over_all_orders", x, x->answers.rotated);
        json_integer(&j, "same_option_in_all_orders", x->answers.n_same);
    }
    if (o->against[0]) write_comparison(&j, x);
    json_array(&j, "questions");
    for (int64_t i = 0; i < x->questions.n; i++) {
        json_object(&j, NULL);
        choice_report_question(&j, &x->questions.items[i], &x->answers.plain[i]);
        if (x->answers.rotated) {
            const char letter[2] = {question_letter(x->answers.rotated[i].chosen), 0};
            json_text(&j, "chosen_over_all_orders", letter);
        }
        json_end(&j);
    }
    json_end(&j);
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}

static void print_rows(const struct qa *x, const char *what, const struct option_scores *scores) {
    for (int g = 0; g < N_GROUPS; g++) {
        struct choice_summary s;
        choices_summarize(&x->questions, scores, GROUPS[g], &s);
        if (s.n == 0) continue;
        printf("%-16s %-14s %9lld  %.3f (95 %%: %.3f to %.3f)  chance %.3f, always %c %.3f; letters",
               SCORE_GROUP_NAMES[GROUPS[g]], what, (long long)s.n, s.accuracy.value, s.accuracy.low, s.accuracy.high,
               s.chance, question_letter(s.majority_letter), s.majority.value);
        for (int k = 0; k < QUESTION_OPTIONS; k++)
            if (s.chosen_letters[k]) printf(" %c %lld", question_letter(k), (long long)s.chosen_letters[k]);
        printf("\n");
    }
}

static int print(const struct qa *x) {
    const struct comparison *c = &x->against;
    print_rows(x, "as they stand", x->answers.plain);
    if (x->answers.rotated) print_rows(x, "all orders", x->answers.rotated);
    if (c->n)
        printf(
            "against %s, %lld questions: %+.4f (95 %%: %+.4f to %+.4f); right here alone %lld, there alone %lld, p "
            "%.3g\n",
            x->config->qa.against, (long long)c->n, c->difference.value, c->difference.low, c->difference.high,
            (long long)c->only_ours, (long long)c->only_theirs, c->p);
    return output_flush();
}

/* ---- the job ---- */
/* Whatever qa.tests said when the adapter was trained: what it has seen is said here. */
static int find_learned(struct qa *x, const struct answer_model *model) {
    int64_t n = 0, first = -1;
    TRY(mem_alloc(&x->is_learned, x->questions.n, sizeof *x->is_learned));
    for (int64_t i = 0; i < x->questions.n; i++) {
        uint64_t stem;
        TRY(question_stem_hash(&x->questions.items[i], &stem));
        x->is_learned[i] = (uint8_t)adapter_record_has_stem(&model->record, stem);
        if (x->is_learned[i] && n++ == 0) first = i;
    }
    if (n)
        log_warn("%s: the adapter learned from the stems of %lld of its questions (first: %s); the report names them",
                 x->config->qa.questions, (long long)n, x->questions.items[first].id);
    return STATUS_OK;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    struct qa x = {.config = config};
    struct device device = {0};
    struct answer_model model = {0};
    struct answer_terms terms = {.options = &config->qa,
                                 .table = config->files.table,
                                 .vocabulary = config->files.vocabulary,
                                 .precision = (enum precision_of_products)config->run.compute,
                                 .seed = (uint64_t)config->run.seed};
    int status, threads;
    (void)arguments;
    TRY_DONE(questions_read(comm, config->qa.questions, &x.questions));
    TRY_DONE(compute_device_open(comm, &config->run, NULL, &device, &threads));
    TRY_DONE(comm_agree(comm, answer_model_open(&model, &device, &terms, &x.questions)));
    x.record = model.record;
    snprintf(x.model_id, sizeof x.model_id, "%s", model.model_id);
    TRY_DONE(comm_agree(comm, find_learned(&x, &model)));
    TRY_DONE(answers_make(&x.answers, comm, &model, (int)config->qa.rotations));
    if (config->qa.against[0]) TRY_DONE(compare(&x, comm, threads));
    status = STATUS_OK;
    if (comm->rank == 0) status = print(&x);
    if (comm->rank == 0 && status == STATUS_OK) status = write_report(&x);
    TRY_DONE(comm_agree(comm, status));
    log_info("wrote %s", config->qa.report);
done:
    answers_free(&x.answers);
    free(x.is_learned);
    answer_model_close(&model);
    device_close(&device);
    questions_free(&x.questions);
    return status;
}

static int check(const struct config *config) {
    const struct qa_options *o = &config->qa;
    if (!o->model[0]) return status_set(STATUS_USAGE, "qa.model is empty: name the folder of a language model");
    if (!o->questions[0]) return status_set(STATUS_USAGE, "qa.questions is empty: name a file of questions");
    if (prefix_has_rows(o->prefix) && !o->adapter[0])
        return status_set(STATUS_USAGE, "qa.prefix needs the adapter that was trained with it: set qa.adapter");
    return STATUS_OK;
}

const struct job_entry QA_JOB = {
    .job = JOB_QA,
    .name = "qa",
    .arguments = "",
    .summary = "a language model answers questions; accuracy with intervals",
    .ranks = ALL_RANKS,
    .interruptible = 0,
    .check = check,
    .run = run,
};
