/* cohort: a data set of electronic health records in, cohort.h5 out (store/cohort.h). Its rows are read by the format's file in src/ingest
 * (ingest/formats.h), collected and brought into order by subjects (ingest/record_collector.h), and written (store/cohort_writer.h). */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "cohort_match.h"
#include "cohort_tasks.h"
#include "ehr/tasks/label_writer.h"
#include "ingest/code_map_files.h"
#include "ingest/cohort_settings.h"
#include "ingest/formats.h"
#include "ingest/record_collector.h"
#include "ingest/table_reader.h"
#include "jobs.h"
#include "recipe.h"
#include "store/cohort_writer.h"
#include "terms/source_code.h"

/* One run of the job. */
struct run {
    const struct config *config;
    const struct source_format *format;
    struct source_files files;
    struct string_list names; /* of files, in messages and in the cohort: without the folder */
    struct source_code_rules *rules;
    struct record_collector *collector;
    struct collected collected;
    struct cohort_writer *writer;
    struct cohort_match match;
    struct cohort_labels labels;
    struct collected_counts counts;
};

/* ---- what is logged ---- */
static void log_subjects(const struct run *r) {
    const struct collected *c = &r->collected;
    int64_t n[N_SPLITS] = {0}, n_events = 0;
    for (int64_t i = 0; i < c->n_subjects; i++) n[c->split[i]]++;
    for (int64_t i = 0; i < c->n_codes; i++) n_events += cohort_writer_counts(r->writer, 0)[i];
    log_info("%lld subjects (%lld train, %lld tuning, %lld held_out), %lld events with %lld codes",
             (long long)c->n_subjects, (long long)n[SPLIT_TRAIN], (long long)n[SPLIT_TUNING],
             (long long)n[SPLIT_HELD_OUT], (long long)n_events, (long long)c->n_codes);
}

static void log_counts(const struct run *r) {
    const struct collected_counts *c = &r->counts;
    for (int i = 0; i < c->n_steps; i++)
        log_info("%s: %lld subjects, %lld visits, %lld events", c->steps[i].name, (long long)c->steps[i].subjects,
                 (long long)c->steps[i].visits, (long long)c->steps[i].events);
    for (int64_t i = 0; i < c->n_left_out; i++)
        log_info("%s: %lld rows left out: %s", r->names.items[c->left_out[i].file], (long long)c->left_out[i].rows,
                 c->left_out[i].rule);
}

static void warn(const struct run *r) {
    const struct collected_counts *c = &r->counts;
    if (c->without_events) log_warn("%lld subjects have no events", (long long)c->without_events);
    if (c->without_visit) log_warn("%lld events are of visits that are not there", (long long)c->without_visit);
    if (c->before_birth) log_warn("%lld events are before their subject's birth", (long long)c->before_birth);
    if (c->after_death) log_warn("%lld events are after their subject's death", (long long)c->after_death);
}

/* ---- settings ---- */
static int collector_options(const struct config *config, const struct source_format *format,
                             struct collector_options *options) {
    const struct cohort_options *o = &config->cohort;
    *options = (struct collector_options){.memory = o->memory << 20,
                                          .most_bad = o->most_bad,
                                          .seed = (uint64_t)config->run.seed,
                                          .beside = config->files.cohort,
                                          .derive_visits = format->derive_visits,
                                          .derive_died = format->derive_died,
                                          .subjects_from = format->subjects_from};
    TRY(cohort_kinds(o, &options->kinds));
    return cohort_shares(o, options->share);
}

static int make_rules(struct run *r) {
    const struct cohort_options *o = &r->config->cohort;
    TRY(source_code_rules_new(&r->rules));
    for (int i = 0; i < o->patterns.n; i++) TRY(source_code_rules_add_pattern(r->rules, o->patterns.items[i]));
    for (int i = 0; i < o->maps.n; i++) TRY(code_map_read(source_code_rules_map(r->rules), o->maps.items[i]));
    return r->format->rules ? r->format->rules(o, &r->files, r->rules) : STATUS_OK;
}

/* ---- the files ---- */
/* Names of files without the folder of the data set, which the cohort is not about. */
static int name_files(struct run *r) {
    size_t n = strlen(r->config->cohort.folder);
    for (int i = 0; i < r->files.paths.n; i++) {
        const char *path = r->files.paths.items[i];
        if (strncmp(path, r->config->cohort.folder, n) == 0) path += n + strspn(path + n, "/");
        TRY(string_list_add(&r->names, path));
    }
    return STATUS_OK;
}

static int find_files(struct run *r) {
    const struct cohort_options *o = &r->config->cohort;
    TRY(source_format_find(o->format, o->folder, &r->format));
    unsigned kinds;
    TRY(cohort_kinds(o, &kinds));
    TRY(r->format->find ? r->format->find(o, &r->files)
                        : source_tables_find(o->folder, r->format->tables, kinds, &r->files));
    TRY(cohort_labels_check(r->config, &r->files));
    return name_files(r);
}

static int add_list(struct provenance *provenance, const struct run *r) {
    const struct cohort_options *o = &r->config->cohort;
    for (int i = 0; i < r->files.paths.n; i++)
        TRY(provenance_add_input(provenance, r->files.roles.items[i], r->files.paths.items[i]));
    for (int i = 0; i < o->patterns.n; i++) TRY(cohort_add_text(provenance, "pattern", o->patterns.items[i]));
    for (int i = 0; i < o->maps.n; i++) TRY(provenance_add_input(provenance, "map", o->maps.items[i]));
    for (int i = 0; i < o->groups.n; i++) TRY(provenance_add_input(provenance, "groups", o->groups.items[i]));
    TRY(cohort_labels_add_inputs(r->config, &r->files, provenance));
    if (o->vocabulary[0]) TRY(provenance_add_input(provenance, "vocabulary", o->vocabulary));
    return cohort_add_text(provenance, "format", r->format->name);
}

static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    (void)config;
    return provenance_share(comm, provenance, comm->rank == 0 ? add_list(provenance, self) : STATUS_OK);
}

/* ---- the work ---- */
/* What becomes of each subject. */
static int take_subject(void *self, const struct subject_record *record) {
    struct run *r = self;
    TRY(task_set_label(r->labels.set, record));
    return cohort_writer_add(r->writer, record);
}

static int read_rows(struct run *r, const struct comm *comm) {
    const struct source_format *format = r->format;
    struct record_sink sink = record_collector_sink(r->collector);
    void *state = NULL;
    if (format->read) return format->read(comm, &r->config->cohort, &r->files, &sink);
    TRY(comm_agree(comm, format->prepare ? format->prepare(&r->files, &state) : STATUS_OK));
    int status = source_tables_read(comm, r->files.tables, r->files.n_tables, state, &sink, NULL);
    if (format->release) format->release(state);
    return status;
}

static int collect(struct run *r, const struct comm *comm) {
    struct collector_options options;
    TRY(collector_options(r->config, r->format, &options));
    TRY(comm_agree(comm, make_rules(r)));
    TRY(record_collector_make(&r->collector, comm, &options, &r->names));
    TRY(read_rows(r, comm));
    TRY(record_collector_close(r->collector, r->rules, &r->collected));
    TRY(cohort_match_make(&r->match, comm, &r->config->cohort, &r->collected));
    TRY(cohort_labels_make(&r->labels, comm, r->config, &r->files, r->format, r->collector, &r->collected));
    TRY(cohort_writer_make(&r->writer, comm, r->config->files.cohort, r->collected.n_subjects, r->collected.n_codes));
    TRY(record_collector_walk(r->collector, r, take_subject));
    return record_collector_counts(r->collector, &r->counts);
}

/* The counts in the words of the writer. */
static int write(struct run *r, const struct provenance *provenance) {
    const struct collected *c = &r->collected;
    const struct collected_counts *n = &r->counts;
    struct cohort_step *steps = NULL;
    struct cohort_file *files = NULL;
    struct cohort_left_out *left_out = NULL;
    int status = mem_alloc(&steps, n->n_steps, sizeof *steps);
    if (status == STATUS_OK) status = mem_alloc(&files, r->names.n, sizeof *files);
    if (status == STATUS_OK) status = mem_alloc(&left_out, n->n_left_out, sizeof *left_out);
    for (int i = 0; i < n->n_steps && status == STATUS_OK; i++)
        steps[i] = (struct cohort_step){n->steps[i].name, n->steps[i].subjects, n->steps[i].visits, n->steps[i].events};
    for (int i = 0; i < r->names.n && status == STATUS_OK; i++)
        files[i] = (struct cohort_file){r->names.items[i], n->files[i].rows, n->files[i].faults};
    for (int64_t i = 0; i < n->n_left_out && status == STATUS_OK; i++)
        left_out[i] = (struct cohort_left_out){n->left_out[i].file, n->left_out[i].rule, n->left_out[i].rows};
    struct cohort_contents contents = {.code_bytes = c->code_bytes,
                                       .code = c->code,
                                       .code_kind = c->code_kind,
                                       .subject = c->subject,
                                       .birth = c->birth,
                                       .death = c->death,
                                       .split = c->split,
                                       .code_match = r->match.row,
                                       .code_match_how = r->match.how,
                                       .n_tasks = r->labels.n,
                                       .tasks = r->labels.all,
                                       .n_filters = r->labels.n_filters,
                                       .filters = r->labels.filters,
                                       .n_steps = n->n_steps,
                                       .steps = steps,
                                       .n_files = r->names.n,
                                       .files = files,
                                       .n_left_out = n->n_left_out,
                                       .left_out = left_out};
    if (status == STATUS_OK) status = cohort_writer_finish(r->writer, &contents, provenance);
    free(steps);
    free(files);
    free(left_out);
    return status;
}

static int make(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self) {
    struct run *r = self;
    TRY(collect(r, comm));
    log_counts(r);
    if (comm->rank == 0) warn(r);
    TRY(cohort_labels_finish(&r->labels, comm, &r->collected));
    TRY(write(r, provenance));
    log_subjects(r);
    const int64_t *counts = cohort_writer_counts(r->writer, 0);
    TRY(comm_agree(
        comm, comm->rank == 0 ? cohort_match_report(&r->match, &config->cohort, &r->collected, counts) : STATUS_OK));
    log_info("wrote %s", r->config->files.cohort);
    return STATUS_OK;
}

static void run_free(struct run *r) {
    cohort_labels_free(&r->labels);
    cohort_match_free(&r->match);
    cohort_writer_free(r->writer);
    record_collector_free(r->collector);
    source_code_rules_free(r->rules);
    string_list_clear(&r->names);
    source_files_free(&r->files);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    struct recipe recipe = {&COHORT_JOB, KIND_COHORT, config->files.cohort, add_inputs, make};
    struct run r = {.config = config};
    (void)arguments;
    int status = comm_agree(comm, find_files(&r));
    if (status == STATUS_OK) status = recipe_run(&recipe, comm, config, &r);
    if (status == STATUS_OK && config->tasks.labels[0])
        status = comm_agree(
            comm, comm->rank == 0 ? label_files_write(config->files.cohort, config->tasks.labels, config->cohort.python)
                                  : STATUS_OK);
    run_free(&r);
    return status;
}

static int check(const struct config *config) {
    unsigned kinds;
    double share[N_SPLITS];
    const struct string_list *tasks = &config->cohort.tasks;
    if (!config->cohort.folder[0])
        return status_set(STATUS_USAGE, "cohort.folder is empty: name the folder of a data set");
    for (int i = 0; i < tasks->n; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(tasks->items[i], tasks->items[k]) == 0)
                return status_set(STATUS_USAGE, "cohort.tasks names %s twice", tasks->items[i]);
    TRY(cohort_kinds(&config->cohort, &kinds));
    return cohort_shares(&config->cohort, share);
}

const struct job_entry COHORT_JOB = {
    .job = JOB_COHORT,
    .name = "cohort",
    .arguments = "",
    .summary = "a data set of health records (events, splits, labels) into cohort.h5",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
