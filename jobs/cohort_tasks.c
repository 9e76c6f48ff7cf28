#include "cohort_tasks.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "ingest/code_lists.h"

/* ---- which tasks ---- */
static int has_labels(const struct source_files *files, const char *task) {
    char role[PATH_MAX];
    snprintf(role, sizeof role, "labels of %s", task);
    for (int i = 0; i < files->roles.n; i++)
        if (strcmp(files->roles.items[i], role) == 0) return 1;
    return 0;
}

static int has_any_labels(const struct source_files *files) {
    for (int i = 0; i < files->roles.n; i++)
        if (strncmp(files->roles.items[i], "labels of ", 10) == 0) return 1;
    return 0;
}

/* No file of the data set lies where labels are written: they would take the place of its own label files. */
static int check_folder(const char *folder, const struct source_files *files) {
    char labels[PATH_MAX], file[PATH_MAX];
    if (!folder[0]) return STATUS_OK;
    TRY(path_resolve(folder, labels));
    size_t n = strlen(labels);
    for (int i = 0; i < files->paths.n; i++) {
        TRY(path_resolve(files->paths.items[i], file));
        if (strncmp(file, labels, n) == 0 && (file[n] == '/' || labels[n - 1] == '/'))
            return status_set(STATUS_USAGE, "cohort.labels is %s, where %s of the data set lies: name another folder",
                              folder, files->paths.items[i]);
    }
    return STATUS_OK;
}

int cohort_labels_check(const struct config *config, const struct source_files *files) {
    const struct string_list *tasks = &config->cohort.tasks;
    TRY(check_folder(config->tasks.labels, files));
    for (int i = 0; i < tasks->n; i++)
        if (!has_labels(files, tasks->items[i]) && !task_is_known(tasks->items[i]))
            return status_set(STATUS_USAGE,
                              "cohort.tasks: %s has no label files of a task %s, and it is none that is labelled here",
                              config->cohort.folder, tasks->items[i]);
    return STATUS_OK;
}

int cohort_add_text(struct provenance *provenance, const char *role, const char *text) {
    char checksum[17];
    snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long)XXH3_64bits(text, strlen(text)));
    return provenance_add_checksum(provenance, role, text, checksum);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* In whatever order tasks are named, the cohort has one provenance. */
int cohort_labels_add_inputs(const struct config *config, const struct source_files *files,
                             struct provenance *provenance) {
    static const char *const BELOW[2] = {"concept_ancestor", "concept_relationship"}; /* what groups are made of */
    const struct string_list *tasks = &config->cohort.tasks, *aces = &config->tasks.aces;
    char **names, path[PATH_MAX];
    TRY(mem_alloc(&names, tasks->n, sizeof *names));
    for (int i = 0; i < tasks->n; i++) names[i] = tasks->items[i];
    if (tasks->n) qsort(names, (size_t)tasks->n, sizeof *names, by_text);
    int status = STATUS_OK;
    for (int i = 0; i < tasks->n && status == STATUS_OK; i++)
        if (!has_labels(files, names[i])) status = cohort_add_text(provenance, "task", names[i]);
    for (int i = 0; i < aces->n && status == STATUS_OK; i++)
        status = provenance_add_input(provenance, "aces", aces->items[i]);
    for (int i = 0; i < 2 && status == STATUS_OK; i++)
        if (code_vocabulary_file(&config->cohort, BELOW[i], path))
            status = provenance_add_input(provenance, BELOW[i], path);
    free(names);
    return status;
}

/* Adds a task that no one asked for by name, if there is all that it needs. */
static int add_default(struct string_list *names, const struct config *config, const struct task_codes *codes,
                       const char *name) {
    struct task_options options = {.mode = config->tasks.mode};
    struct string_list one = {0};
    struct task_set *set = NULL;
    TRY(string_list_add(&one, name));
    int status = task_set_make(&set, &options, &one, codes);
    task_set_free(set);
    string_list_clear(&one);
    if (status == STATUS_OK) return string_list_add(names, name);
    if (status == STATUS_USAGE) log_info("%s", status_message());
    return status == STATUS_USAGE ? STATUS_OK : status;
}

static int choose(struct string_list *names, const struct config *config, const struct source_files *files,
                  const struct task_codes *codes) {
    const struct string_list *tasks = &config->cohort.tasks;
    struct string_list defaults = {0};
    for (int i = 0; i < tasks->n; i++)
        if (!has_labels(files, tasks->items[i])) TRY(string_list_add(names, tasks->items[i]));
    if (tasks->n > 0 || has_any_labels(files) || config->tasks.aces.n > 0) return STATUS_OK;
    int status = task_default_names(&defaults);
    for (int i = 0; i < defaults.n && status == STATUS_OK; i++)
        status = add_default(names, config, codes, defaults.items[i]);
    string_list_clear(&defaults);
    return status;
}

static int make_set(struct cohort_labels *l, const struct config *config, const struct source_files *files,
                    const struct source_format *format, const struct collected *c) {
    const char *concepts[N_TASK_CONCEPTS];
    struct string_list names = {0};
    task_concepts(concepts);
    TRY(code_groups_of_settings(&l->groups, &config->cohort, concepts, N_TASK_CONCEPTS));
    struct task_codes codes = {.n = c->n_codes,
                               .text = {.text = c->code, .stride = c->code_bytes},
                               .kind = c->code_kind,
                               .train_count = c->train_count,
                               .groups = l->groups.names.n ? &l->groups : NULL,
                               .ehrshot = strcmp(format->name, "ehrshot") == 0};
    int status = choose(&names, config, files, &codes);
    if (status == STATUS_OK) status = task_set_make(&l->set, &config->tasks, &names, &codes);
    string_list_clear(&names);
    return status;
}

int cohort_labels_make(struct cohort_labels *l, const struct comm *comm, const struct config *config,
                       const struct source_files *files, const struct source_format *format,
                       struct record_collector *collector, const struct collected *collected) {
    TRY(record_collector_labels(collector, &l->found, &l->n_found));
    return comm_agree(comm, make_set(l, config, files, format, collected));
}

void cohort_labels_free(struct cohort_labels *l) {
    for (int64_t i = 0; i < l->n_found; i++) task_samples_free(&l->found[i]);
    free(l->found);
    task_set_free(l->set);
    code_groups_free(&l->groups);
    free(l->all);
    free(l->filters);
    *l = (struct cohort_labels){0};
}

/* ---- all of them ---- */
static int by_name(const void *a, const void *b) {
    return strcmp(((const struct task_samples *)a)->name, ((const struct task_samples *)b)->name);
}

static int join(struct cohort_labels *l) {
    int n_set = task_set_count(l->set);
    TRY(mem_alloc(&l->all, l->n_found + n_set, sizeof *l->all));
    for (int64_t i = 0; i < l->n_found; i++) l->all[l->n++] = l->found[i];
    for (int i = 0; i < n_set; i++) l->all[l->n++] = *task_set_samples(l->set, i);
    if (l->n) qsort(l->all, (size_t)l->n, sizeof *l->all, by_name);
    return mem_alloc(&l->filters, (long long)n_set * N_TASK_FILTERS, sizeof *l->filters);
}

/* Collective. What task i left out, as filters and as a log line. */
static int add_filters(struct cohort_labels *l, const struct comm *comm, int i) {
    const struct task_counts *own = task_set_counts(l->set, i);
    const char *name = task_set_samples(l->set, i)->name;
    int64_t counts[N_TASK_FILTERS + 2] = {own->subjects, own->looked_at};
    char text[2048] = "";
    size_t used = 0;
    for (int f = 0; f < N_TASK_FILTERS; f++) counts[f + 2] = own->left_out[f];
    TRY(comm_sum_int64(comm, counts, N_TASK_FILTERS + 2));
    for (int f = 0; f < N_TASK_FILTERS; f++) {
        if (counts[f + 2] == 0) continue;
        l->filters[l->n_filters++] = (struct cohort_filter){name, TASK_FILTER_FACTS[f].why, counts[f + 2]};
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "; left out %lld: %s", (long long)counts[f + 2],
                                     TASK_FILTER_FACTS[f].why);
    }
    log_info("%s: %lld looked at%s; samples of %lld subjects", name, (long long)counts[1], text, (long long)counts[0]);
    return STATUS_OK;
}

/* Collective. */
static int log_task(const struct comm *comm, const struct collected *c, const struct task_samples *task) {
    int64_t n[2 * N_SPLITS] = {0}, *positive = n + N_SPLITS;
    for (long long i = 0; i < task->n; i++) {
        int split = c->split[task->samples[i].subject];
        n[split]++;
        positive[split] += task->samples[i].label > 0;
    }
    TRY(comm_sum_int64(comm, n, 2 * N_SPLITS));
    long long all = n[SPLIT_TRAIN] + n[SPLIT_TUNING] + n[SPLIT_HELD_OUT];
    if (task->form == LABEL_BINARY)
        log_info("%s: %lld samples; true of %lld of %lld in train, %lld of %lld in tuning, %lld of %lld in held_out",
                 task->name, all, (long long)positive[SPLIT_TRAIN], (long long)n[SPLIT_TRAIN],
                 (long long)positive[SPLIT_TUNING], (long long)n[SPLIT_TUNING], (long long)positive[SPLIT_HELD_OUT],
                 (long long)n[SPLIT_HELD_OUT]);
    else
        log_info("%s: %lld samples (%lld train, %lld tuning, %lld held_out), %s %d classes", task->name, all,
                 (long long)n[SPLIT_TRAIN], (long long)n[SPLIT_TUNING], (long long)n[SPLIT_HELD_OUT],
                 task->form == LABEL_SET ? "sets of" : "one of", task->n_classes);
    return STATUS_OK;
}

int cohort_labels_finish(struct cohort_labels *l, const struct comm *comm, const struct collected *collected) {
    TRY(comm_agree(comm, join(l)));
    for (int i = 0; i < task_set_count(l->set); i++) TRY(add_filters(l, comm, i));
    for (int64_t i = 0; i < l->n; i++) TRY(log_task(comm, collected, &l->all[i]));
    return STATUS_OK;
}
