/* explain: what a cohort knows of subjects, and why tasks have samples of them or not (ehr/tasks/explain.h). */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/status.h"
#include "ehr/tasks/code_traits.h"
#include "ehr/tasks/explain.h"
#include "ingest/code_lists.h"
#include "jobs.h"
#include "store/h5file.h"

/* By what the cohort was made. */
struct source {
    char *inputs, *config; /* owned */
};

static int source_read(struct source *source, const char *path) {
    struct h5file *file;
    TRY(h5file_open(&file, path, KIND_COHORT));
    int status = h5file_get_text(file, "inputs", &source->inputs);
    if (status == STATUS_OK) status = h5file_get_text(file, "config", &source->config);
    h5file_close(file);
    return status;
}

static int has_input(const struct source *source, const char *role) {
    char path[PATH_MAX];
    provenance_find_path(source->inputs, role, path, sizeof path);
    return path[0] != 0;
}

/* Those of the cohort's tasks that can be labelled anew: not those of label files. */
static int add_names(const struct cohort *c, const struct source *source, const struct code_groups *groups,
                     struct string_list *names) {
    char role[PATH_MAX];
    for (int64_t t = 0; t < c->n_tasks; t++) {
        const char *name = cohort_task(c, t);
        snprintf(role, sizeof role, "labels of %s", name);
        int lacks = strcmp(name, "phenotypes") == 0 && code_groups_find(groups, PHENOTYPES[0].name) < 0;
        if (task_is_known(name) && !lacks && !has_input(source, role)) TRY(string_list_add(names, name));
    }
    return STATUS_OK;
}

static int make_set(const struct config *config, const struct cohort *c, const struct source *source,
                    const struct code_groups *groups, struct task_set **set) {
    struct task_options options = config->tasks;
    struct string_list names = {0};
    char format[64];
    provenance_find_path(source->inputs, "format", format, sizeof format);
    options.mode = strstr(source->config, "cohort.mode: medtok") ? TASK_MEDTOK : TASK_CLEAN;
    struct task_codes codes = {.n = c->n_codes,
                               .text = {.text = c->code, .stride = c->code_bytes},
                               .kind = c->code_kind,
                               .train_count = c->code_count_train,
                               .groups = groups->names.n ? groups : NULL,
                               .ehrshot = strcmp(format, "ehrshot") == 0};
    int status = add_names(c, source, groups, &names);
    if (status == STATUS_OK) status = task_set_make(set, &options, &names, &codes);
    string_list_clear(&names);
    return status;
}

static int find_subject(const struct config *config, const struct cohort *c, const char *argument, int64_t *index) {
    char *end;
    errno = 0;
    long long subject = strtoll(argument, &end, 10);
    int64_t low = 0, high = c->n_subjects;
    if (errno || end == argument || *end) return status_set(STATUS_USAGE, "%s is no number of a subject", argument);
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (c->subject[middle] < subject)
            low = middle + 1;
        else
            high = middle;
    }
    *index = low;
    return low < c->n_subjects && c->subject[low] == subject
               ? STATUS_OK
               : status_set(STATUS_FAILED, "%s has no subject %lld", config->files.cohort, subject);
}

static int explain(const struct config *config, const struct cohort *all, const struct code_groups *groups,
                   const char *argument) {
    struct cohort one = {0};
    struct source source = {0};
    struct task_set *set = NULL;
    int64_t index = 0;
    TRY(find_subject(config, all, argument, &index));
    TRY(cohort_read(config->files.cohort, index, 1, &one));
    int status = source_read(&source, config->files.cohort);
    if (status == STATUS_OK) status = make_set(config, &one, &source, groups, &set);
    if (status == STATUS_OK) status = explain_subject(stdout, &one, index, set);
    task_set_free(set);
    free(source.inputs);
    free(source.config);
    cohort_free(&one);
    return status;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    struct cohort all = {0};
    struct code_groups groups = {0};
    const char *concepts[N_TASK_CONCEPTS];
    int status;
    (void)comm;
    if (arguments->n == 0) return status_set(STATUS_USAGE, "explain: name subjects by their numbers");
    TRY_DONE(cohort_read(config->files.cohort, 0, 0, &all));
    task_concepts(concepts);
    TRY_DONE(
        code_groups_of_settings(&groups, &config->cohort, concepts, config->cohort.concepts[0] ? N_TASK_CONCEPTS : 0));
    for (int i = 0; i < arguments->n; i++) {
        if (i) printf("\n");
        TRY_DONE(explain(config, &all, &groups, arguments->items[i]));
    }
    status = output_flush();
done:
    code_groups_free(&groups);
    cohort_free(&all);
    return status;
}

const struct job_entry EXPLAIN_JOB = {
    .job = JOB_EXPLAIN,
    .name = "explain",
    .arguments = "SUBJECT...",
    .summary = "what a cohort knows of subjects, and why tasks have samples of them or not",
    .ranks = RANK_0,
    .interruptible = 0,
    .run = run,
};
