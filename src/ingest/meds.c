/* The lines of meds_to_tsv.py, which describes them, into rows. */
#include "ingest/meds.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/meds_rows.h"
#include "ingest/python_lines.h"
#include "meds_to_tsv.h" /* made from meds_to_tsv.py */

enum { MOST_FIELDS = 5, CODE_MOST_BYTES = 1024 };

void meds_rows_free(struct meds_rows *m) {
    string_list_clear(&m->files);
    string_list_clear(&m->tasks);
    dictionary_free(&m->codes);
    free(m->splits);
    free(m->subjects);
    free(m->events);
    free(m->samples);
    *m = (struct meds_rows){0};
}

int meds_fault(const struct meds_rows *m, struct meds_position from, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return status_set(STATUS_FAILED, "%s, row %lld: %s", m->files.items[from.file], (long long)from.row, text);
}

/* What is being read. */
struct reader {
    struct meds_rows *m;
    struct meds_position at;
    int64_t last_time; /* of the subject in hand */
};

/* ---- fields ---- */
/* Cuts a line at its tabs; fields behind the last are "". */
static void cut(char *line, char *fields[MOST_FIELDS]) {
    static char nothing[1] = "";
    int n = 0;
    for (char *next = line; next && n < MOST_FIELDS; n++) {
        fields[n] = next;
        next = strchr(next, '\t');
        if (next) *next++ = 0;
    }
    while (n < MOST_FIELDS) fields[n++] = nothing;
}

static int integer(const struct reader *r, const char *name, const char *text, int64_t *value) {
    char *end;
    if (!text[0]) return meds_fault(r->m, r->at, "%s is null", name);
    errno = 0;
    *value = strtoll(text, &end, 10);
    return *end || errno ? meds_fault(r->m, r->at, "%s is %s: not an integer of 64 bits", name, text) : STATUS_OK;
}

/* ---- rows of each kind ---- */
static int add_split(struct reader *r, char *const *fields) {
    struct meds_rows *m = r->m;
    struct meds_split s = {.from = r->at};
    int split = 0;
    TRY(integer(r, "subject_id", fields[1], &s.subject));
    while (split < N_SPLITS && strcmp(SPLIT_NAMES[split], fields[2]) != 0) split++;
    if (split == N_SPLITS)
        return meds_fault(m, r->at, "the split of subject %s is \"%s\", not train, tuning or held_out", fields[1],
                          fields[2]);
    s.split = (enum cohort_split)split;
    TRY(mem_grow(&m->splits, &m->splits_capacity, m->n_splits + 1, sizeof *m->splits));
    m->splits[m->n_splits++] = s;
    return STATUS_OK;
}

/* The subject whose event comes next: the one in hand, or another. */
static int take_subject(struct reader *r, int64_t subject) {
    struct meds_rows *m = r->m;
    struct meds_subject *last = m->n_subjects ? &m->subjects[m->n_subjects - 1] : NULL;
    if (last && last->subject == subject && last->from.file == r->at.file) return STATUS_OK;
    TRY(mem_grow(&m->subjects, &m->subjects_capacity, m->n_subjects + 1, sizeof *m->subjects));
    m->subjects[m->n_subjects++] = (struct meds_subject){.subject = subject, .first = m->n_events, .from = r->at};
    r->last_time = COHORT_NO_TIME;
    return STATUS_OK;
}

static int check_order(const struct reader *r, const char *subject, int64_t time) {
    char now[40], before[40];
    if (time >= r->last_time) return STATUS_OK;
    cohort_time_text(time, now);
    cohort_time_text(r->last_time, before);
    return meds_fault(r->m, r->at,
                      "subject %s has an event at %s behind one at %s: MEDS sorts each subject's events by time",
                      subject, now, before);
}

static int add_event(struct reader *r, char *const *fields) {
    struct meds_rows *m = r->m;
    struct meds_event e = {.time = COHORT_NO_TIME, .value = NAN};
    int64_t subject = 0;
    size_t length = strlen(fields[3]);
    TRY(integer(r, "subject_id", fields[1], &subject));
    TRY(take_subject(r, subject));
    if (fields[2][0]) {
        TRY(integer(r, "time", fields[2], &e.time));
        TRY(check_order(r, fields[1], e.time));
        r->last_time = e.time;
    }
    if (length == 0) return meds_fault(m, r->at, "the code is null or empty");
    if (length > CODE_MOST_BYTES)
        return meds_fault(m, r->at, "the code is longer than %d bytes: %.64s...", CODE_MOST_BYTES, fields[3]);
    TRY(dictionary_add(&m->codes, fields[3], (int64_t)length, &e.code));
    if (fields[4][0]) e.value = strtof(fields[4], NULL);
    TRY(mem_grow(&m->events, &m->events_capacity, m->n_events + 1, sizeof *m->events));
    m->events[m->n_events++] = e;
    m->subjects[m->n_subjects - 1].n++;
    return STATUS_OK;
}

static int add_sample(struct reader *r, char *const *fields) {
    struct meds_rows *m = r->m;
    struct meds_sample s = {.task = m->tasks.n - 1, .from = r->at};
    TRY(integer(r, "subject_id", fields[1], &s.subject));
    TRY(integer(r, "prediction_time", fields[2], &s.time));
    if (!fields[3][0]) return meds_fault(m, r->at, "boolean_value of subject %s is null", fields[1]);
    s.label = fields[3][0] == '1';
    TRY(mem_grow(&m->samples, &m->samples_capacity, m->n_samples + 1, sizeof *m->samples));
    m->samples[m->n_samples++] = s;
    return STATUS_OK;
}

/* Another file, of a task if it has labels. */
static int take_file(struct reader *r, char *const *fields) {
    struct meds_rows *m = r->m;
    char *path = fields[2];
    if (strcmp(fields[1], "label") == 0) {
        char *task = path;
        path = strchr(task, '=') + 1;
        path[-1] = 0;
        if (m->tasks.n == 0 || strcmp(m->tasks.items[m->tasks.n - 1], task) != 0) TRY(string_list_add(&m->tasks, task));
    }
    TRY(string_list_add(&m->files, path));
    r->at = (struct meds_position){m->files.n - 1, 0};
    return STATUS_OK;
}

static int take_line(struct reader *r, char *line, int *at_end) {
    char *fields[MOST_FIELDS];
    cut(line, fields);
    r->at.row++;
    switch (line[0]) {
        case 'f': return take_file(r, fields);
        case 's': return add_split(r, fields);
        case 'e': return add_event(r, fields);
        case 'l': return add_sample(r, fields);
        case '.': *at_end = 1; return STATUS_OK;
        case '!': return status_set(STATUS_FAILED, "%s", fields[1]);
        default:
            return status_set(STATUS_FAILED, "the reader of Parquet wrote a line that is not understood: %.80s", line);
    }
}

/* ---- all of it ---- */
static int add_arguments(struct string_list *arguments, const char *kind, const struct string_list *files) {
    TRY(string_list_add(arguments, kind));
    for (int i = 0; i < files->n; i++) TRY(string_list_add(arguments, files->items[i]));
    return STATUS_OK;
}

static int read_lines(struct python_lines *lines, struct meds_rows *m, int *at_end) {
    struct reader r = {.m = m};
    while (!*at_end) {
        char *line;
        TRY(python_lines_next(lines, &line));
        if (!line) return STATUS_OK;
        TRY(take_line(&r, line, at_end));
    }
    return STATUS_OK;
}

static int read_rows(const struct meds_files *files, const char *python, struct meds_rows *m) {
    struct string_list arguments = {0};
    struct python_lines *lines = NULL;
    int at_end = 0, status;
    TRY_DONE(add_arguments(&arguments, "split", &files->splits));
    TRY_DONE(add_arguments(&arguments, "event", &files->events));
    TRY_DONE(add_arguments(&arguments, "label", &files->labels));
    TRY_DONE(python_lines_open(&lines, python, "cohort.python", MEDS_TO_TSV, &arguments));
    TRY_DONE(read_lines(lines, m, &at_end));
    status = python_lines_finish(lines);
    lines = NULL;
    if (status == STATUS_OK && !at_end) status = status_set(STATUS_FAILED, "the reader of Parquet ended too early");
done:
    python_lines_abandon(lines);
    string_list_clear(&arguments);
    return status;
}

int meds_read(const struct meds_files *files, const char *python, struct cohort *cohort) {
    struct meds_rows rows = {0};
    *cohort = (struct cohort){0};
    int status = read_rows(files, python, &rows);
    if (status == STATUS_OK) status = meds_order(&rows, cohort);
    meds_rows_free(&rows);
    if (status != STATUS_OK) cohort_free(cohort);
    return status;
}
