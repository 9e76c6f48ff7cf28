/* A collector that is handed rows by hand, and what it gives as text: for the tests of record_collector.h. Not all use all of it. */
#ifndef MEDTOK_TESTS_COLLECTOR_FIXTURE_H
#define MEDTOK_TESTS_COLLECTOR_FIXTURE_H

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/status.h"
#include "ingest/record_collector.h"
#include "store/cohort.h"

enum { SUBJECTS, VISITS, EVENTS, LABELS };
#define HOUR ((int64_t)3600 * 1000000)
#define DAY  ((int64_t)86400 * 1000000)
#define NO   COHORT_NO_TIME

/* ---- a collector, and what it gives as text ---- */
struct fixture {
    struct comm comm;
    struct string_list files;
    struct collector_options options;
    struct record_collector *collector;
    struct record_sink sink;
    struct collected collected;
    char text[8192];
    size_t used;
};

static inline void begin(struct fixture *f) {
    static const char *const NAMES[] = {"patients.csv", "admissions.csv", "events.csv", "death/0.parquet"};
    *f = (struct fixture){.comm = comm_self()};
    for (int i = 0; i < 4; i++) assert_int_equal(string_list_add(&f->files, NAMES[i]), STATUS_OK);
    f->options = (struct collector_options){.memory = 1 << 20,
                                            .most_bad = 1,
                                            .kinds = (1U << N_CODE_KINDS) - 1,
                                            .share = {1},
                                            .beside = "/tmp/test_record_collector",
                                            .subjects_from = "patients.csv"};
}

static inline void open_sink(struct fixture *f) {
    assert_int_equal(record_collector_make(&f->collector, &f->comm, &f->options, &f->files), STATUS_OK);
    f->sink = record_collector_sink(f->collector);
}

static inline void end(struct fixture *f) {
    record_collector_free(f->collector);
    string_list_clear(&f->files);
}

static inline void subject(struct fixture *f, int64_t line, int64_t number, int64_t birth, int64_t death) {
    struct found_subject s = {.subject = number, .birth = birth, .death = death, .split = -1};
    assert_int_equal(f->sink.subject(f->sink.self, (struct row_position){SUBJECTS, line}, &s), STATUS_OK);
}

static inline void visit(struct fixture *f, int64_t line, int64_t number, int64_t id, int64_t start, int64_t stop) {
    struct cohort_visit v = {.id = id, .start = start, .end = stop, .kind = VISIT_INPATIENT};
    assert_int_equal(f->sink.visit(f->sink.self, (struct row_position){VISITS, line}, number, &v), STATUS_OK);
}

static inline void event(struct fixture *f, int64_t line, int64_t number, int64_t visit_id, int64_t time,
                         enum time_precision precision, const char *code) {
    struct found_event e = {.subject = number,
                            .visit = visit_id,
                            .time = time,
                            .precision = precision,
                            .kind = CODE_KIND_DIAGNOSIS,
                            .code = code,
                            .code_size = (int64_t)strlen(code),
                            .value = NAN};
    assert_int_equal(f->sink.event(f->sink.self, (struct row_position){EVENTS, line}, &e), STATUS_OK);
}

/* "7 [v1 0:00-5:00 died] SEX/F@- A@4:00(v1) ": subjects with visits and events, in hours. */
static inline void add(struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void add(struct fixture *f, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    f->used += (size_t)vsnprintf(f->text + f->used, sizeof f->text - f->used, format, arguments);
    va_end(arguments);
}

static inline void add_time(struct fixture *f, int64_t time) {
    if (time == NO)
        add(f, "-");
    else if (time % HOUR)
        add(f, "%.3f", (double)time / (double)HOUR);
    else
        add(f, "%lld", (long long)(time / HOUR));
}

static inline int write_down(void *self, const struct subject_record *r) {
    struct fixture *f = self;
    add(f, "%lld:", (long long)r->subject);
    for (int64_t i = 0; i < r->n_visits; i++) {
        add(f, " [");
        add_time(f, r->visits[i].start);
        add(f, " to ");
        add_time(f, r->visits[i].end);
        add(f, "%s]", r->visits[i].died ? " died" : "");
    }
    for (int64_t i = 0; i < r->n_events; i++) {
        add(f, " %s@", f->collected.code + r->code[i] * f->collected.code_bytes);
        add_time(f, r->time[i]);
        if (r->visit[i] >= 0) add(f, "/%d", r->visit[i]);
    }
    add(f, "\n");
    return STATUS_OK;
}

/* All subjects; expected NULL: not compared. */
static inline void check(struct fixture *f, const char *expected) {
    assert_int_equal(record_collector_close(f->collector, NULL, &f->collected), STATUS_OK);
    assert_int_equal(record_collector_walk(f->collector, f, write_down), STATUS_OK);
    if (expected) assert_string_equal(f->text, expected);
}

static inline void check_faults(struct fixture *f, int file, int64_t rows, int64_t faults) {
    struct collected_counts counts;
    assert_int_equal(record_collector_counts(f->collector, &counts), STATUS_OK);
    assert_int_equal(counts.files[file].rows, rows);
    assert_int_equal(counts.files[file].faults, faults);
}

/* The message with which too many faults end it. */
static inline void check_error(struct fixture *f, const char *message) {
    int status = record_collector_close(f->collector, NULL, &f->collected);
    if (status == STATUS_OK) status = record_collector_walk(f->collector, f, write_down);
    assert_int_equal(status, STATUS_FAILED);
    if (!strstr(status_message(), message)) fail_msg("\"%s\" is not in \"%s\"", message, status_message());
}

#endif
