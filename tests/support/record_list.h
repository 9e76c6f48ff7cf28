/* A record_sink that writes down what it is told, a line each, and a loop that reads a table into it row by row: for tests of readers.
 *
 *   subject 7 birth 1950-01-01T00:00:00 death - exact split train        `adds` behind it where it adds to a subject
 *   death 7 2010-05-01T00:00:00 day
 *   visit 7 id 100 2010-01-01T08:00:00 to 2010-01-05T10:00:00 inpatient   `died` behind it where it was so
 *   event 7 visit 100 2010-01-01T09:00:00 exact measurement LOINC/718-7 13.5
 *   label 7 2010-01-01T23:59:00 guo_los 1
 *   fault 12: start is "x": expected a time
 *   left out 13: an empty code
 */
#ifndef MEDTOK_TESTS_RECORD_LIST_H
#define MEDTOK_TESTS_RECORD_LIST_H

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/source_table.h"

struct record_list {
    FILE *out;
};

static const char *const RECORD_LIST_KINDS[] = {"other",       "diagnosis", "procedure", "drug",
                                                "measurement", "visit",     "fact"};

/* Civil date of a day number, by Howard Hinnant's algorithm: not the code under test. */
static const char *record_list_time(int64_t time, char text[64]) {
    if (time == COHORT_NO_TIME) return "-";
    int64_t second = time / 1000000, micro = time % 1000000;
    if (micro < 0) micro += 1000000, second--;
    int64_t days = second / 86400, rest = second % 86400;
    if (rest < 0) rest += 86400, days--;
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153, day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    int n = snprintf(text, 64, "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64,
                     yoe + era * 400 + (month <= 2), month, day, rest / 3600, rest / 60 % 60, rest % 60);
    if (micro) snprintf(text + n, (size_t)(64 - n), ".%06" PRId64, micro);
    return text;
}

static const char *record_list_precision(enum time_precision p) {
    return p == TIME_EXACT ? "exact" : p == TIME_DAY ? "day" : "discharge";
}

static int record_list_subject(void *self, struct row_position at, const struct found_subject *s) {
    static const char *const SPLITS[] = {"-", "train", "tuning", "held_out"};
    char birth[64], death[64];
    (void)at;
    fprintf(((struct record_list *)self)->out, "subject %" PRId64 " birth %s death %s %s split %s%s\n", s->subject,
            record_list_time(s->birth, birth), record_list_time(s->death, death),
            record_list_precision(s->death_precision), SPLITS[s->split + 1], s->adds ? " adds" : "");
    return STATUS_OK;
}

static int record_list_death(void *self, struct row_position at, int64_t subject, int64_t time,
                             enum time_precision precision) {
    char text[64];
    (void)at;
    fprintf(((struct record_list *)self)->out, "death %" PRId64 " %s %s\n", subject, record_list_time(time, text),
            record_list_precision(precision));
    return STATUS_OK;
}

static int record_list_visit(void *self, struct row_position at, int64_t subject, const struct cohort_visit *v) {
    static const char *const KINDS[] = {"other", "outpatient", "emergency", "inpatient"};
    char start[64], end[64];
    (void)at;
    fprintf(((struct record_list *)self)->out, "visit %" PRId64 " id %" PRId64 " %s to %s %s%s\n", subject, v->id,
            record_list_time(v->start, start), record_list_time(v->end, end), KINDS[v->kind], v->died ? " died" : "");
    return STATUS_OK;
}

static int record_list_event(void *self, struct row_position at, const struct found_event *e) {
    FILE *out = ((struct record_list *)self)->out;
    char time[64];
    (void)at;
    fprintf(out, "event %" PRId64 " visit ", e->subject);
    if (e->visit == COHORT_NO_VISIT)
        fprintf(out, "-");
    else
        fprintf(out, "%" PRId64, e->visit);
    fprintf(out, " %s %s %s %.*s", record_list_time(e->time, time), record_list_precision(e->precision),
            RECORD_LIST_KINDS[e->kind], (int)e->code_size, e->code);
    if (!isnan(e->value)) fprintf(out, " %.9g", (double)e->value);
    fprintf(out, "\n");
    return STATUS_OK;
}

static int record_list_label(void *self, struct row_position at, const struct found_label *l) {
    char time[64];
    (void)at;
    fprintf(((struct record_list *)self)->out, "label %" PRId64 " %s %s %d\n", l->subject,
            record_list_time(l->time, time), l->task, l->label);
    return STATUS_OK;
}

__attribute__((format(printf, 3, 4))) static int record_list_fault(void *self, struct row_position at,
                                                                   const char *format, ...) {
    FILE *out = ((struct record_list *)self)->out;
    va_list args;
    fprintf(out, "fault %" PRId64 ": ", at.line);
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fprintf(out, "\n");
    return STATUS_OK;
}

static int record_list_leave_out(void *self, struct row_position at, const char *rule) {
    fprintf(((struct record_list *)self)->out, "left out %" PRId64 ": %s\n", at.line, rule);
    return STATUS_OK;
}

static inline struct record_sink record_list_sink(struct record_list *list) {
    return (struct record_sink){list,
                                record_list_subject,
                                record_list_death,
                                record_list_visit,
                                record_list_event,
                                record_list_label,
                                record_list_fault,
                                record_list_leave_out};
}

/* Gives every row of a file to the kind's row function. */
static inline int record_list_read(const struct table_kind *kind, const void *state, const char *path, int32_t file,
                                   const struct record_sink *sink) {
    struct delimited *rows;
    struct field fields[2 * SOURCE_MOST_COLUMNS];
    int column[2 * SOURCE_MOST_COLUMNS], n = 0, more = 1;
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    for (int i = 0; kind->columns[i] && status == STATUS_OK; i++)
        status = delimited_need(rows, kind->columns[i], &column[n++]);
    for (int i = 0; kind->optional[i] && status == STATUS_OK; i++)
        column[n++] = delimited_column(rows, kind->optional[i]);
    while (status == STATUS_OK && (status = delimited_next(rows, &more)) == STATUS_OK && more) {
        for (int i = 0; i < n; i++) fields[i] = column[i] < 0 ? (struct field){"", 0} : rows->fields[column[i]];
        status = kind->row(state, fields, (struct row_position){file, rows->row_line}, sink);
    }
    delimited_close(rows);
    free(rows);
    return status;
}

#endif
