/* qa-link: questions in, the codes that they speak of out, found by the names of the codes: no service is asked. All ranks link a share of
 * the questions; rank 0 writes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/status.h"
#include "dist/gather.h"
#include "jobs.h"
#include "qa/link_file.h"

struct qa_link {
    const struct comm *comm;
    const struct link_options *options;
    struct questions questions;
    struct code_names names;
    struct table table;
    int64_t first, n;             /* of the questions, this rank's */
    struct question_links *links; /* [n] */
};

/* ---- reading ---- */
/* The table's first rows must be the vocabulary's: their vectors are looked up by row. */
static int open_table(struct qa_link *x, const char *vocabulary) {
    char *id = NULL;
    int is_of = 0;
    TRY(table_open(&x->table, x->options->table));
    int status = table_is_of(&x->table, vocabulary, &is_of, &id);
    free(id);
    TRY(status);
    return is_of && x->table.shape.vocabulary_rows == x->names.vocabulary.n_codes
               ? STATUS_OK
               : status_set(STATUS_FAILED, "%s was not made from the vocabulary %s: its rows are other codes",
                            x->options->table, vocabulary);
}

static int load(struct qa_link *x, const struct config *config) {
    const struct term_index *terms = &x->names.terms;
    TRY(questions_read(x->comm, x->options->questions, &x->questions));
    int status = code_names_open(&x->names, config->files.vocabulary, &x->options->synonyms, x->options->terms);
    if (status == STATUS_OK && x->options->table[0]) status = open_table(x, config->files.vocabulary);
    TRY(comm_agree(x->comm, status));
    log_info("%lld names of %lld codes: %lld terms; %lld names are none (too long, or only words that say nothing)",
             (long long)terms->n_descriptions, (long long)x->names.vocabulary.n_codes, (long long)terms->terms.n,
             (long long)terms->n_without_term);
    if (x->names.n_unknown)
        log_warn_once("%lld of %lld names in link.synonyms are of codes that the vocabulary has not",
                      (long long)x->names.n_unknown, (long long)x->names.n_synonyms);
    return STATUS_OK;
}

/* ---- linking ---- */
static int link_share(struct qa_link *x) {
    double started = clock_seconds();
    x->first = x->questions.n * x->comm->rank / x->comm->size;
    x->n = x->questions.n * (x->comm->rank + 1) / x->comm->size - x->first;
    int64_t counts[4] = {0, 0, 0, 0}; /* texts, spans, negated ones, questions with a code */
    int status = mem_alloc(&x->links, x->n, sizeof *x->links);
    if (status == STATUS_OK)
        status = link_questions(&x->names, x->options->table[0] ? &x->table : NULL, &x->questions, x->first, x->n,
                                (int)x->options->codes, x->links);
    TRY(comm_agree(x->comm, status));
    for (int64_t i = 0; i < x->n; i++) {
        const struct text_links *stem = &x->links[i].stem;
        counts[0] += 1 + x->questions.items[x->first + i].n_options;
        counts[1] += stem->n;
        for (int64_t s = 0; s < stem->n; s++) counts[2] += stem->spans[s].term.negated;
        counts[3] += text_links_rows(stem, NULL, 0) > 0;
    }
    TRY(comm_sum_int64(x->comm, counts, 4));
    double seconds = clock_seconds() - started;
    log_info("%lld questions: %lld with a code; %lld spans in stems, %lld of them negated; %lld texts, %.0f a second",
             (long long)x->questions.n, (long long)counts[3], (long long)counts[1], (long long)counts[2],
             (long long)counts[0], (double)counts[0] / (seconds > 1e-6 ? seconds : 1e-6));
    return STATUS_OK;
}

/* ---- writing ---- */
typedef int line_writer(FILE *out, const struct code_names *names, const struct question *question,
                        const struct question_links *links);

/* The lines of this rank's questions. */
static int make_lines(const struct qa_link *x, line_writer *write, char **lines, size_t *size) {
    int status = STATUS_OK;
    FILE *out = open_memstream(lines, size);
    if (!out) return status_set(STATUS_FAILED, "out of memory");
    for (int64_t i = 0; i < x->n && status == STATUS_OK; i++)
        status = write(out, &x->names, &x->questions.items[x->first + i], &x->links[i]);
    if (fclose(out) && status == STATUS_OK) status = status_set(STATUS_FAILED, "out of memory");
    return status;
}

/* Collective. The lines of all ranks, which have the questions in their order, into one file. */
static int write_file(const struct qa_link *x, line_writer *write, const char *path) {
    char *lines = NULL, *all = NULL;
    size_t size = 0;
    int64_t n_all = 0;
    struct atomic_file file = {0};
    int status = comm_agree(x->comm, make_lines(x, write, &lines, &size));
    if (status == STATUS_OK) status = comm_gather_rows(x->comm, (int64_t)size, 1, lines, &n_all, &all);
    if (status == STATUS_OK && x->comm->rank == 0) {
        status = atomic_file_open(&file, path);
        if (status == STATUS_OK) {
            fwrite(all, 1, (size_t)n_all, file.stream);
            status = atomic_file_close(&file, STATUS_OK);
        }
    }
    free(lines);
    free(all);
    TRY(comm_agree(x->comm, status));
    log_info("wrote %s", path);
    return STATUS_OK;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct qa_link x = {.comm = comm, .options = &config->link};
    int status;
    TRY_DONE(load(&x, config));
    TRY_DONE(link_share(&x));
    TRY_DONE(write_file(&x, links_write, x.options->links));
    TRY_DONE(write_file(&x, linked_question_write, x.options->linked));
done:
    for (int64_t i = 0; i < x.n && x.links; i++) question_links_free(&x.links[i]);
    free(x.links);
    table_close(&x.table);
    code_names_free(&x.names);
    questions_free(&x.questions);
    return status;
}

static int check(const struct config *config) {
    if (!config->link.questions[0])
        return status_set(STATUS_USAGE, "link.questions is empty: name a file of questions");
    return STATUS_OK;
}

const struct job_entry QA_LINK_JOB = {
    .job = JOB_QA_LINK,
    .name = "qa-link",
    .arguments = "",
    .summary = "find the codes that questions speak of, by the codes' names",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
