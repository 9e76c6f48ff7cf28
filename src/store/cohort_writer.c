/* Subjects wait in spools; then lists are brought together, and all is written. */
#include "store/cohort_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/cohort_tasks.h"
#include "store/column_spool.h"

static const struct spool_column EVENT_COLUMNS[] = {
    {"event_time", H5_I64}, {"event_code", H5_I32}, {"event_value", H5_F32}, {"event_visit", H5_I32}};
static const struct spool_column VISIT_COLUMNS[] = {
    {"visit_id", H5_I64}, {"visit_start", H5_I64}, {"visit_end", H5_I64}, {"visit_kind", H5_U8}, {"visit_died", H5_U8}};
enum { EVENT_ROW_BYTES = 20, VISIT_ROW_BYTES = 26 };

struct cohort_writer {
    const struct comm *comm;
    char *path; /* owned */
    int64_t n_subjects, n_codes;
    int64_t *added;           /* [n_subjects] how often */
    int64_t *events, *visits; /* [n_subjects + 1] counts, in the end offsets */
    int64_t *count[2];        /* [n_codes] events with each code, of all and of train */
    struct column_spool event_spool, visit_spool;
    int64_t *visit_times[3]; /* columns of the visits of a subject */
    uint8_t *visit_facts[2];
    long long times_capacity[3], facts_capacity[2];
};

static int make(struct cohort_writer *w, const char *path) {
    w->path = strdup(path);
    if (!w->path) return status_set(STATUS_FAILED, "out of memory");
    TRY(mem_alloc(&w->added, w->n_subjects, sizeof *w->added));
    TRY(mem_alloc(&w->events, w->n_subjects + 1, sizeof *w->events));
    TRY(mem_alloc(&w->visits, w->n_subjects + 1, sizeof *w->visits));
    for (int k = 0; k < 2; k++) TRY(mem_alloc(&w->count[k], w->n_codes, sizeof *w->count[k]));
    TRY(column_spool_open(&w->event_spool, EVENT_COLUMNS, 4, path));
    return column_spool_open(&w->visit_spool, VISIT_COLUMNS, 5, path);
}

int cohort_writer_make(struct cohort_writer **out, const struct comm *comm, const char *path, int64_t n_subjects,
                       int64_t n_codes) {
    struct cohort_writer *w = NULL;
    *out = NULL;
    int status = n_subjects <= INT32_MAX ? STATUS_OK : status_set(STATUS_FAILED, "more than 2^31 - 1 subjects");
    if (status == STATUS_OK) status = mem_alloc(&w, 1, sizeof *w);
    if (status == STATUS_OK) {
        w->comm = comm;
        w->n_subjects = n_subjects;
        w->n_codes = n_codes;
        status = make(w, path);
    }
    status = comm_agree(comm, status);
    if (status == STATUS_OK)
        *out = w;
    else
        cohort_writer_free(w);
    return status;
}

void cohort_writer_free(struct cohort_writer *w) {
    if (!w) return;
    column_spool_close(&w->event_spool);
    column_spool_close(&w->visit_spool);
    free(w->path);
    free(w->added);
    free(w->events);
    free(w->visits);
    for (int k = 0; k < 2; k++) free(w->count[k]);
    for (int k = 0; k < 3; k++) free(w->visit_times[k]);
    for (int k = 0; k < 2; k++) free(w->visit_facts[k]);
    free(w);
}

const int64_t *cohort_writer_counts(const struct cohort_writer *w, int train) { return w->count[train != 0]; }

/* ---- one subject ---- */
static int add_visits(struct cohort_writer *w, const struct subject_record *r) {
    for (int k = 0; k < 3; k++)
        TRY(mem_grow(&w->visit_times[k], &w->times_capacity[k], r->n_visits, sizeof *w->visit_times[k]));
    for (int k = 0; k < 2; k++) TRY(mem_grow(&w->visit_facts[k], &w->facts_capacity[k], r->n_visits, 1));
    for (int64_t i = 0; i < r->n_visits; i++) {
        const struct cohort_visit *v = &r->visits[i];
        w->visit_times[0][i] = v->id;
        w->visit_times[1][i] = v->start;
        w->visit_times[2][i] = v->end;
        w->visit_facts[0][i] = v->kind;
        w->visit_facts[1][i] = v->died;
    }
    const void *const columns[] = {w->visit_times[0], w->visit_times[1], w->visit_times[2], w->visit_facts[0],
                                   w->visit_facts[1]};
    return column_spool_add(&w->visit_spool, r->index, r->n_visits, columns);
}

int cohort_writer_add(struct cohort_writer *w, const struct subject_record *r) {
    const void *const columns[] = {r->time, r->code, r->value, r->visit};
    w->added[r->index]++;
    w->events[r->index] = r->n_events;
    w->visits[r->index] = r->n_visits;
    for (int64_t i = 0; i < r->n_events; i++) {
        w->count[0][r->code[i]]++;
        w->count[1][r->code[i]] += r->split == SPLIT_TRAIN;
    }
    TRY(add_visits(w, r));
    return column_spool_add(&w->event_spool, r->index, r->n_events, columns);
}

/* ---- the whole ---- */
/* Collective. counts [n + 1] of all ranks become offsets. */
static int make_offsets(const struct comm *comm, int64_t *counts, int64_t n) {
    TRY(comm_sum_int64(comm, counts, n));
    int64_t at = 0;
    for (int64_t i = 0; i <= n; i++) {
        int64_t count = counts[i];
        counts[i] = at;
        at += count;
    }
    return STATUS_OK;
}

static int sum_counts(struct cohort_writer *w, const struct cohort_contents *c) {
    TRY(comm_sum_int64(w->comm, w->added, w->n_subjects));
    for (int64_t i = 0; i < w->n_subjects; i++)
        if (w->added[i] != 1)
            return status_set(STATUS_FAILED, "%s: subject %lld was added %lld times", w->path, (long long)c->subject[i],
                              (long long)w->added[i]);
    for (int k = 0; k < 2; k++) TRY(comm_sum_int64(w->comm, w->count[k], w->n_codes));
    TRY(make_offsets(w->comm, w->visits, w->n_subjects));
    return make_offsets(w->comm, w->events, w->n_subjects);
}

static int write_lists(struct cohort_writer *w, struct h5file *f, const struct cohort_contents *c) {
    const struct comm *comm = w->comm;
    int64_t n = w->n_codes, matched = c->code_match ? n : 0, subjects = w->n_subjects;
    TRY(cohort_write_whole(f, comm, "code", H5_TEXT, n, c->code_bytes, c->code));
    TRY(cohort_write_whole(f, comm, "code_kind", H5_U8, n, 1, c->code_kind));
    TRY(cohort_write_whole(f, comm, "code_count", H5_I64, n, 1, w->count[0]));
    TRY(cohort_write_whole(f, comm, "code_count_train", H5_I64, n, 1, w->count[1]));
    TRY(cohort_write_whole(f, comm, "code_match", H5_I64, matched, 1, c->code_match));
    TRY(cohort_write_whole(f, comm, "code_match_how", H5_U8, matched, 1, c->code_match_how));
    TRY(cohort_write_whole(f, comm, "subject", H5_I64, subjects, 1, c->subject));
    TRY(cohort_write_whole(f, comm, "split", H5_U8, subjects, 1, c->split));
    TRY(cohort_write_whole(f, comm, "birth", H5_I64, subjects, 1, c->birth));
    TRY(cohort_write_whole(f, comm, "death", H5_I64, subjects, 1, c->death));
    TRY(cohort_write_whole(f, comm, "visit_offsets", H5_I64, subjects + 1, 1, w->visits));
    TRY(cohort_write_whole(f, comm, "event_offsets", H5_I64, subjects + 1, 1, w->events));
    TRY(cohort_write_steps(f, comm, c));
    TRY(cohort_write_filters(f, comm, c));
    return cohort_write_files(f, comm, c);
}

static int write_all(struct cohort_writer *w, struct h5file *f, const struct cohort_contents *c,
                     struct cohort_tasks *tasks) {
    TRY(write_lists(w, f, c));
    TRY(cohort_tasks_write(tasks, f, w->comm));
    TRY(column_spool_write(&w->visit_spool, f, w->comm, w->n_subjects, w->visits));
    return column_spool_write(&w->event_spool, f, w->comm, w->n_subjects, w->events);
}

int cohort_writer_finish(struct cohort_writer *w, const struct cohort_contents *c,
                         const struct provenance *provenance) {
    struct cohort_tasks tasks = {0};
    struct h5file *file = NULL;
    int status;
    TRY(sum_counts(w, c));
    TRY_DONE(cohort_tasks_gather(&tasks, w->comm, c));
    int64_t bytes = w->n_codes * (c->code_bytes + 26) + w->n_subjects * 41 +
                    w->events[w->n_subjects] * EVENT_ROW_BYTES + w->visits[w->n_subjects] * VISIT_ROW_BYTES +
                    tasks.n_all * 20;
    /* Sizes before compression, which at least halves them. */
    TRY_DONE(h5file_create(&file, w->comm, w->path, KIND_COHORT, provenance, bytes / 4));
    status = write_all(w, file, c, &tasks);
    if (status == STATUS_OK)
        status = h5file_commit(file);
    else
        h5file_abandon(file);
done:
    cohort_tasks_free(&tasks);
    return status;
}
