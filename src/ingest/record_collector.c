/* What readers are handed, and the end of it. */
#include "ingest/record_collector.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/collector_internal.h"

enum { CODE_MOST_BYTES = 1024 };

/* ---- rows ---- */
static int see(struct record_collector *c, struct row_position at) {
    if (at.file < 0 || at.file >= c->faults.files->n || at.line < 0 || at.line >= POSITION_MOST_LINE)
        return status_set(STATUS_FAILED, "a row has the position %lld of file %d, which is not one that was listed",
                          (long long)at.line, at.file);
    row_faults_see(&c->faults, at);
    return STATUS_OK;
}

int collector_fault(struct record_collector *c, uint64_t at, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int status = row_faults_add(&c->faults, position_of(at), format, arguments);
    va_end(arguments);
    return status;
}

static int sink_fault(void *self, struct row_position at, const char *format, ...) {
    struct record_collector *c = self;
    va_list arguments;
    TRY(see(c, at));
    va_start(arguments, format);
    int status = row_faults_add(&c->faults, at, format, arguments);
    va_end(arguments);
    return status;
}

static int sink_leave_out(void *self, struct row_position at, const char *rule) {
    struct record_collector *c = self;
    TRY(see(c, at));
    return row_faults_leave_out(&c->faults, at, rule);
}

static int sink_subject(void *self, struct row_position at, const struct found_subject *s) {
    struct record_collector *c = self;
    TRY(see(c, at));
    c->counted[STEP_READ][0] += !s->adds;
    TRY(mem_grow(&c->subjects, &c->subjects_capacity, c->n_subjects + 1, sizeof *c->subjects));
    c->subjects[c->n_subjects++] = (struct held_subject){.subject = s->subject,
                                                         .birth = s->birth,
                                                         .death = s->death,
                                                         .at = position_pack(at, 0, s->death_precision),
                                                         .split = s->split,
                                                         .adds = s->adds != 0};
    return STATUS_OK;
}

static int sink_death(void *self, struct row_position at, int64_t subject, int64_t time,
                      enum time_precision precision) {
    struct found_subject death = {subject, COHORT_NO_TIME, time, precision, -1, 1};
    return sink_subject(self, at, &death);
}

void collector_visit_code(enum visit_kind kind, int end, char name[64]) {
    const char *what = kind == VISIT_INPATIENT ? end ? "HOSPITAL_DISCHARGE" : "HOSPITAL_ADMISSION"
                       : end                   ? "VISIT_END"
                                               : "VISIT_START";
    snprintf(name, 64, "%s//%s", what, VISIT_KIND_NAMES[kind]);
}

/* The codes of its begin and end. */
static int add_visit_codes(struct record_collector *c, const struct cohort_visit *visit) {
    char name[64];
    int32_t number;
    if (!(c->options.kinds >> CODE_KIND_VISIT & 1) || c->visit_kinds >> visit->kind & 1) return STATUS_OK;
    c->visit_kinds |= 1U << visit->kind;
    for (int end = 0; end < 2; end++) {
        collector_visit_code((enum visit_kind)visit->kind, end, name);
        TRY(collector_add_code(c, CODE_KIND_VISIT, name, (int64_t)strlen(name), &number));
    }
    return STATUS_OK;
}

static int sink_visit(void *self, struct row_position at, int64_t subject, const struct cohort_visit *visit) {
    struct record_collector *c = self;
    TRY(see(c, at));
    c->counted[STEP_READ][1]++;
    TRY(add_visit_codes(c, visit));
    struct held_visit held = {subject, *visit, position_pack(at, 0, TIME_EXACT)};
    return subject_runs_add(&c->visits, &held);
}

/* How many events the row gave before. */
static int number_in_row(struct record_collector *c, struct row_position at, int *number) {
    if (c->last.file != at.file || c->last.line != at.line) c->last_events = 0;
    c->last = at;
    *number = c->last_events++;
    return *number < POSITION_MOST_EVENTS
               ? STATUS_OK
               : status_set(STATUS_FAILED, "a row gives more than %d events", POSITION_MOST_EVENTS);
}

int collector_add_code(struct record_collector *c, enum code_kind kind, const char *code, int64_t size,
                       int32_t *number) {
    char key[CODE_MOST_BYTES + 1];
    key[0] = (char)kind;
    memcpy(key + 1, code, (size_t)size);
    return dictionary_add(&c->codes, key, size + 1, number);
}

static int sink_event(void *self, struct row_position at, const struct found_event *e) {
    struct record_collector *c = self;
    int number;
    TRY(see(c, at));
    if (!(c->options.kinds >> e->kind & 1)) return STATUS_OK;
    if (e->code_size == 0) return sink_fault(c, at, "the code is empty");
    if (e->code_size > CODE_MOST_BYTES)
        return sink_fault(c, at, "the code is longer than %d bytes: %.64s...", CODE_MOST_BYTES, e->code);
    if (e->precision == TIME_DAY && e->time == COHORT_NO_TIME) return sink_fault(c, at, "a day is not known");
    c->counted[STEP_READ][2]++;
    TRY(number_in_row(c, at, &number));
    struct held_event held = {.subject = e->subject,
                              .time = e->time,
                              .visit = e->visit,
                              .at = position_pack(at, number, e->precision),
                              .value = e->value};
    TRY(collector_add_code(c, e->kind, e->code, e->code_size, &held.code));
    return subject_runs_add(&c->events, &held);
}

static int sink_label(void *self, struct row_position at, const struct found_label *l) {
    struct record_collector *c = self;
    struct held_label held = {l->subject, l->time, position_pack(at, 0, TIME_EXACT), 0, l->label};
    TRY(see(c, at));
    TRY(dictionary_add(&c->tasks, l->task, (int64_t)strlen(l->task), &held.task));
    TRY(mem_grow(&c->labels, &c->labels_capacity, c->n_labels + 1, sizeof *c->labels));
    c->labels[c->n_labels++] = held;
    return STATUS_OK;
}

struct record_sink record_collector_sink(struct record_collector *c) {
    return (struct record_sink){.self = c,
                                .subject = sink_subject,
                                .death = sink_death,
                                .visit = sink_visit,
                                .event = sink_event,
                                .label = sink_label,
                                .fault = sink_fault,
                                .leave_out = sink_leave_out};
}

/* ---- begin and end ---- */
static int make(struct record_collector *c, const struct string_list *files) {
    int64_t most = c->options.memory;
    if (files->n > POSITION_MOST_FILES)
        return status_set(STATUS_FAILED, "%d files are more than %d, which one cohort may have", files->n,
                          POSITION_MOST_FILES);
    subject_runs_init(&c->events, sizeof(struct held_event), most / 8 * 7, c->options.beside);
    subject_runs_init(&c->visits, sizeof(struct held_visit), most / 8, c->options.beside);
    return row_faults_init(&c->faults, files);
}

int record_collector_make(struct record_collector **out, const struct comm *comm,
                          const struct collector_options *options, const struct string_list *files) {
    struct record_collector *c = NULL;
    *out = NULL;
    int status = mem_alloc(&c, 1, sizeof *c);
    if (status == STATUS_OK) {
        c->comm = comm;
        c->options = *options;
        c->last = (struct row_position){-1, 0};
        status = make(c, files);
    }
    status = comm_agree(comm, status);
    if (status == STATUS_OK)
        *out = c;
    else
        record_collector_free(c);
    return status;
}

void record_collector_free(struct record_collector *c) {
    if (!c) return;
    row_faults_free(&c->faults);
    row_faults_free(&c->all_faults);
    subject_runs_free(&c->events);
    subject_runs_free(&c->visits);
    dictionary_free(&c->codes);
    dictionary_free(&c->tasks);
    dictionary_free(&c->numbers.sources);
    const struct collected *d = &c->collected;
    const void *const parts[] = {c->subjects, c->labels,          c->foreign,        c->files,
                                 c->left_out, c->numbers.offsets, c->numbers.target, c->numbers.of_local,
                                 d->subject,  d->birth,           d->death,          d->split,
                                 d->code,     d->code_kind,       d->train_count};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free((void *)(uintptr_t)parts[i]);
    free(c);
}

int64_t collector_find(const struct record_collector *c, int64_t subject) {
    int64_t low = 0, high = c->collected.n_subjects;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (c->collected.subject[middle] < subject)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->collected.n_subjects && c->collected.subject[low] == subject ? low : -1;
}

int collector_check_faults(struct record_collector *c) {
    row_faults_free(&c->all_faults);
    TRY(row_faults_gather(&c->faults, c->comm, &c->all_faults));
    return row_faults_check(&c->all_faults, c->options.most_bad);
}

int record_collector_close(struct record_collector *c, const struct source_code_rules *rules,
                           struct collected *collected) {
    int64_t keep = c->options.memory / 3;
    int status = subject_runs_close(&c->events, keep);
    if (status == STATUS_OK) status = subject_runs_close(&c->visits, keep / 8);
    TRY(comm_agree(c->comm, status));
    TRY(collector_close_subjects(c));
    TRY(collector_close_visits(c));
    TRY(collector_check_faults(c));
    TRY(collector_close_codes(c, rules));
    c->closed = 1;
    *collected = c->collected;
    return STATUS_OK;
}

/* ---- counts ---- */
int record_collector_counts(struct record_collector *c, struct collected_counts *counts) {
    static const char *const NAMES[N_STEPS] = {"as read", "of known subjects, once each",
                                               "with a begin, an end and a time", "in the cohort"};
    int n_files = c->faults.files->n;
    *counts = (struct collected_counts){0};
    TRY(comm_sum_int64(c->comm, c->counted[0], N_STEPS * 3));
    TRY(comm_sum_int64(c->comm, c->oddities, 4));
    const struct row_faults *all = &c->all_faults;
    free(c->files); /* of an earlier call */
    free(c->left_out);
    c->left_out = NULL;
    int status = mem_alloc(&c->files, n_files, sizeof *c->files);
    if (status == STATUS_OK) status = mem_alloc(&c->left_out, all->n_left_out, sizeof *c->left_out);
    TRY(comm_agree(c->comm, status));
    for (int s = 0; s < N_STEPS; s++)
        c->steps[s] = (struct collected_step){NAMES[s], c->counted[s][0], c->counted[s][1], c->counted[s][2]};
    for (int32_t i = 0; i < n_files; i++)
        c->files[i] = (struct collected_file){all->rows[i], row_faults_of_file(all, i)};
    for (long long i = 0; i < all->n_left_out; i++)
        c->left_out[i] =
            (struct collected_left_out){all->left_out[i].file, all->left_out[i].rule, all->left_out[i].rows};
    *counts = (struct collected_counts){.n_steps = N_STEPS,
                                        .steps = c->steps,
                                        .files = c->files,
                                        .n_left_out = all->n_left_out,
                                        .left_out = c->left_out,
                                        .before_birth = c->oddities[0],
                                        .after_death = c->oddities[1],
                                        .without_visit = c->oddities[2],
                                        .without_events = c->oddities[3]};
    if (c->comm->rank == 0) row_faults_log(all);
    return STATUS_OK;
}
