/* The lines of meds_to_tsv.py, which describes them, into a record_sink; and what spans the files of ranks. */
#include "ingest/meds.h"
#include "ingest/meds_parents.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "dist/gather.h"
#include "ingest/python_lines.h"
#include "meds_to_tsv.h" /* made from meds_to_tsv.py */
#include "store/cohort.h"
#include "terms/source_pattern.h"

enum { MOST_FIELDS = 5 };

/* Where the rows of a subject begin. */
struct beginning {
    int64_t subject;
    struct row_position at;
};

/* What is being read. */
struct reader {
    const struct source_files *files;
    const struct record_sink *sink;
    struct row_position at;
    int in_subject;
    int64_t subject, last_time; /* in hand */
    struct beginning *beginnings;
    long long n_beginnings, capacity;
};

/* An error of what the standard promises, with file and row. */
#define BROKEN(reader, at, format, ...)                                                                                \
    status_set(STATUS_FAILED, "%s, row %lld: " format, (reader)->files->paths.items[(at).file], (long long)(at).line,  \
               __VA_ARGS__)

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

/* *good is 0 if it is none, which is a fault of the row. */
static int integer(const struct reader *r, const char *name, const char *text, int64_t *value, int *good) {
    char *end;
    *good = 0;
    if (!text[0]) return r->sink->fault(r->sink->self, r->at, "%s is null", name);
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (*end || errno) return r->sink->fault(r->sink->self, r->at, "%s is %s: not an integer of 64 bits", name, text);
    *good = 1;
    return STATUS_OK;
}

/* ---- rows of each kind ---- */
static int take_split(struct reader *r, char *const *fields) {
    struct found_subject s = {.birth = COHORT_NO_TIME, .death = COHORT_NO_TIME};
    int good;
    TRY(integer(r, "subject_id", fields[1], &s.subject, &good));
    if (!good) return STATUS_OK;
    while (s.split < N_SPLITS && strcmp(SPLIT_NAMES[s.split], fields[2]) != 0) s.split++;
    if (s.split == N_SPLITS)
        return r->sink->fault(r->sink->self, r->at, "the split of subject %s is \"%s\", not train, tuning or held_out",
                              fields[1], fields[2]);
    return r->sink->subject(r->sink->self, r->at, &s);
}

/* The subject whose event comes next: the one in hand, or another. */
static int take_subject(struct reader *r, int64_t subject) {
    if (r->in_subject && r->subject == subject) return STATUS_OK;
    TRY(mem_grow(&r->beginnings, &r->capacity, r->n_beginnings + 1, sizeof *r->beginnings));
    r->beginnings[r->n_beginnings++] = (struct beginning){subject, r->at};
    r->in_subject = 1;
    r->subject = subject;
    r->last_time = COHORT_NO_TIME;
    return STATUS_OK;
}

static int check_order(struct reader *r, const char *subject, int64_t time) {
    char now[40], before[40];
    if (time >= r->last_time) {
        r->last_time = time;
        return STATUS_OK;
    }
    cohort_time_text(time, now);
    cohort_time_text(r->last_time, before);
    return BROKEN(r, r->at, "subject %s has an event at %s behind one at %s: MEDS sorts each subject's events by time",
                  subject, now, before);
}

static int take_event(struct reader *r, char *const *fields) {
    struct found_event e = {.visit = COHORT_NO_VISIT, .time = COHORT_NO_TIME, .code = fields[3], .value = NAN};
    const struct record_sink *sink = r->sink;
    int good;
    TRY(integer(r, "subject_id", fields[1], &e.subject, &good));
    if (!good) return STATUS_OK;
    TRY(take_subject(r, e.subject));
    if (fields[2][0]) {
        TRY(integer(r, "time", fields[2], &e.time, &good));
        if (!good) return STATUS_OK;
        TRY(check_order(r, fields[1], e.time));
    }
    e.code_size = (int64_t)strlen(fields[3]);
    if (e.code_size == 0) return sink->fault(sink->self, r->at, "the code is null or empty");
    if (e.time != COHORT_NO_TIME && strcmp(fields[3], "MEDS_BIRTH") == 0) {
        struct found_subject birth = {
            .subject = e.subject, .birth = e.time, .death = COHORT_NO_TIME, .split = -1, .adds = 1};
        return sink->subject(sink->self, r->at, &birth);
    }
    if (e.time != COHORT_NO_TIME && strcmp(fields[3], "MEDS_DEATH") == 0)
        return sink->death(sink->self, r->at, e.subject, e.time, TIME_EXACT);
    e.kind = source_code_kind(e.code, e.code_size);
    if (fields[4][0]) e.value = strtof(fields[4], NULL);
    return sink->event(sink->self, r->at, &e);
}

static int take_label(struct reader *r, char *const *fields) {
    struct found_label l = {.task = meds_task_of(r->files->roles.items[r->at.file])};
    int good;
    TRY(integer(r, "subject_id", fields[1], &l.subject, &good));
    if (good) TRY(integer(r, "prediction_time", fields[2], &l.time, &good));
    if (!good) return STATUS_OK;
    if (!fields[3][0]) return r->sink->fault(r->sink->self, r->at, "boolean_value of subject %s is null", fields[1]);
    l.label = fields[3][0] == '1';
    return r->sink->label(r->sink->self, r->at, &l);
}

static int take_file(struct reader *r, char *const *fields) {
    int file = atoi(fields[1]);
    if (file < 0 || file >= r->files->paths.n)
        return status_set(STATUS_FAILED, "the reader of Parquet reads a file that was not asked for: %s", fields[1]);
    r->at = (struct row_position){file, 0};
    r->in_subject = 0;
    return STATUS_OK;
}

static int take_line(struct reader *r, char *line, int *at_end) {
    char *fields[MOST_FIELDS];
    cut(line, fields);
    r->at.line++;
    switch (line[0]) {
        case 'f': return take_file(r, fields);
        case 's': return take_split(r, fields);
        case 'e': return take_event(r, fields);
        case 'l': return take_label(r, fields);
        case '.': *at_end = 1; return STATUS_OK;
        case '!': return status_set(STATUS_FAILED, "%s", fields[1]);
        default:
            return status_set(STATUS_FAILED, "the reader of Parquet wrote a line that is not understood: %.80s", line);
    }
}

/* ---- this rank's files ---- */
static int64_t size_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
}

/* Adds "KIND NUMBER PATH" of a file. */
static int add_own(const struct source_files *files, int file, struct string_list *mine) {
    const char *role = files->roles.items[file];
    const char *kind = strcmp(role, "splits") == 0 ? "split" : strcmp(role, "events") == 0 ? "event" : "label";
    char item[PATH_MAX + 32];
    snprintf(item, sizeof item, "%s %d %s", kind, file, files->paths.items[file]);
    return string_list_add(mine, item);
}

/* Adds the files that are this rank's: each, the largest first, goes to the rank with the least so far. */
static int deal_files(const struct comm *comm, const struct source_files *files, struct string_list *mine) {
    int n = files->paths.n;
    int64_t *sizes = NULL, *load = NULL;
    int status = mem_alloc(&sizes, n, sizeof *sizes);
    if (status == STATUS_OK) status = mem_alloc(&load, comm->size, sizeof *load);
    for (int i = 0; i < n && status == STATUS_OK; i++) sizes[i] = size_of(files->paths.items[i]);
    for (int k = 0; k < n && status == STATUS_OK; k++) {
        int largest = 0, rank = 0;
        for (int i = 1; i < n; i++)
            if (sizes[i] > sizes[largest]) largest = i;
        for (int r = 1; r < comm->size; r++)
            if (load[r] < load[rank]) rank = r;
        load[rank] += sizes[largest] + 1;
        sizes[largest] = -1;
        int has_rows = strcmp(files->roles.items[largest], CODE_LIST_ROLE) != 0;
        if (rank == comm->rank && has_rows) status = add_own(files, largest, mine);
    }
    free(sizes);
    free(load);
    return status;
}

static int read_lines(struct python_lines *lines, struct reader *r, int *at_end) {
    while (!*at_end) {
        char *line;
        TRY(python_lines_next(lines, &line));
        if (!line) return STATUS_OK;
        TRY(take_line(r, line, at_end));
    }
    return STATUS_OK;
}

static int read_files(struct reader *r, const struct comm *comm, const char *python) {
    struct string_list mine = {0};
    struct python_lines *lines = NULL;
    int at_end = 0, status;
    TRY_DONE(deal_files(comm, r->files, &mine));
    if (mine.n == 0) goto done;
    TRY_DONE(python_lines_open(&lines, python, "cohort.python", MEDS_TO_TSV, &mine));
    TRY_DONE(read_lines(lines, r, &at_end));
    status = python_lines_finish(lines);
    lines = NULL;
    if (status == STATUS_OK && !at_end) status = status_set(STATUS_FAILED, "the reader of Parquet ended too early");
done:
    python_lines_abandon(lines);
    string_list_clear(&mine);
    return status;
}

/* ---- what spans files ---- */
static int beginning_order(const void *a, const void *b) {
    const struct beginning *x = a, *y = b;
    if (x->subject != y->subject) return x->subject < y->subject ? -1 : 1;
    if (x->at.file != y->at.file) return x->at.file < y->at.file ? -1 : 1;
    return (x->at.line > y->at.line) - (x->at.line < y->at.line);
}

/* Collective. All rows of a subject stand together. */
static int check_beginnings(const struct reader *r, const struct comm *comm) {
    struct beginning *all;
    int64_t n;
    TRY(comm_gather_rows(comm, r->n_beginnings, sizeof *all, r->beginnings, &n, &all));
    if (n) qsort(all, (size_t)n, sizeof *all, beginning_order);
    int status = STATUS_OK;
    for (int64_t i = 1; i < n && status == STATUS_OK; i++)
        if (all[i].subject == all[i - 1].subject)
            status = BROKEN(r, all[i].at,
                            "subject %lld goes on here, but its rows began at row %lld of %s: MEDS keeps all rows of a "
                            "subject together in one file",
                            (long long)all[i].subject, (long long)all[i - 1].at.line,
                            r->files->paths.items[all[i - 1].at.file]);
    free(all);
    return status;
}

static int read(const struct comm *comm, const struct cohort_options *options, const struct source_files *files,
                const struct record_sink *sink) {
    struct reader r = {.files = files, .sink = sink, .at = {0, 0}};
    int status = comm_agree(comm, read_files(&r, comm, options->python));
    if (status == STATUS_OK) status = check_beginnings(&r, comm);
    free(r.beginnings);
    return status;
}

static int add_rules(const struct cohort_options *options, const struct source_files *files,
                     struct source_code_rules *rules) {
    const char *path = source_files_path(files, CODE_LIST_ROLE);
    return path ? meds_parents_read(rules, path, options->python) : STATUS_OK;
}

const struct source_format MEDS_FORMAT = {.name = "meds",
                                          .recognise = meds_recognise,
                                          .find = meds_find_files,
                                          .read = read,
                                          .rules = add_rules,
                                          .derive_visits = 1,
                                          .subjects_from = "metadata/subject_splits.parquet"};
