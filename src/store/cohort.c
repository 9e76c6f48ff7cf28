/* Writing and reading cohort.h5 (schema in the header). */
#include "store/cohort.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "store/cohort_events.h"

const char *const SPLIT_NAMES[N_SPLITS] = {"train", "tuning", "held_out"};

static void free_events(struct cohort_events *e) {
    if (!e) return;
    free(e->offsets);
    free(e->time);
    free(e->code);
    free(e->value);
    free(e);
}

void cohort_free(struct cohort *c) {
    free(c->code);
    free(c->code_count);
    free(c->code_count_train);
    free(c->subject);
    free(c->birth);
    free(c->split);
    free(c->task);
    free(c->task_offsets);
    free(c->sample_subject);
    free(c->sample_time);
    free(c->sample_label);
    free_events(c->events);
    *c = (struct cohort){0};
}

/* ---- writing: rank 0 has the data, the others join with nothing ---- */
struct cohort_sizes {
    int64_t codes, code_bytes, subjects, events, tasks, task_bytes, samples;
};

static int write_whole(struct h5file *file, const struct comm *comm, const char *name, enum h5type type, int64_t rows,
                       int64_t cols, const void *data) {
    return h5file_write(file, name, type, rows, cols, 0, comm->rank == 0 ? rows : 0, data, 1);
}

static int write_datasets(struct h5file *f, const struct comm *comm, const struct cohort *c, struct cohort_sizes n) {
    static const struct cohort_events nothing;
    const struct cohort_events *e = c->events ? c->events : &nothing;
    TRY(write_whole(f, comm, "code", H5_TEXT, n.codes, n.code_bytes, c->code));
    TRY(write_whole(f, comm, "code_count", H5_I64, n.codes, 1, c->code_count));
    TRY(write_whole(f, comm, "code_count_train", H5_I64, n.codes, 1, c->code_count_train));
    TRY(write_whole(f, comm, "subject", H5_I64, n.subjects, 1, c->subject));
    TRY(write_whole(f, comm, "split", H5_U8, n.subjects, 1, c->split));
    TRY(write_whole(f, comm, "birth", H5_I64, n.subjects, 1, c->birth));
    TRY(write_whole(f, comm, "event_offsets", H5_I64, n.subjects + 1, 1, e->offsets));
    TRY(write_whole(f, comm, "event_time", H5_I64, n.events, 1, e->time));
    TRY(write_whole(f, comm, "event_code", H5_I32, n.events, 1, e->code));
    TRY(write_whole(f, comm, "event_value", H5_F32, n.events, 1, e->value));
    TRY(write_whole(f, comm, "task", H5_TEXT, n.tasks, n.task_bytes, c->task));
    TRY(write_whole(f, comm, "task_offsets", H5_I64, n.tasks + 1, 1, c->task_offsets));
    TRY(write_whole(f, comm, "sample_subject", H5_I32, n.samples, 1, c->sample_subject));
    TRY(write_whole(f, comm, "sample_time", H5_I64, n.samples, 1, c->sample_time));
    return write_whole(f, comm, "sample_label", H5_U8, n.samples, 1, c->sample_label);
}

int cohort_write(const struct comm *comm, const char *path, const struct cohort *c,
                 const struct provenance *provenance) {
    struct cohort_sizes n = {0};
    if (comm->rank == 0)
        n = (struct cohort_sizes){.codes = c->n_codes,
                                  .code_bytes = c->code_bytes,
                                  .subjects = c->n_subjects,
                                  .events = c->events->offsets[c->n_subjects],
                                  .tasks = c->n_tasks,
                                  .task_bytes = c->task_bytes,
                                  .samples = c->task_offsets[c->n_tasks]};
    TRY(comm_broadcast(comm, &n, sizeof n));
    int64_t bytes = n.codes * (n.code_bytes + 16) + n.subjects * 25 + n.events * 16 + n.samples * 13;
    struct h5file *file;
    /* Sizes before compression, which at least halves them. */
    TRY(h5file_create(&file, comm, path, KIND_COHORT, provenance, bytes / 4));
    int status = write_datasets(file, comm, c, n);
    if (status != STATUS_OK) {
        h5file_abandon(file);
        return status;
    }
    return h5file_commit(file);
}

/* ---- reading ---- */
static int damaged(const struct h5file *file, const char *what, int64_t row) {
    return status_set(STATUS_FAILED, "%s is damaged: %s %lld; run `medtok cohort` again", h5file_path(file), what,
                      (long long)row);
}

/* Rows first .. first + count - 1 into *out, allocated. */
static int read_rows(struct h5file *file, const char *name, enum h5type type, int64_t size, int64_t first,
                     int64_t count, void *out) {
    void *data;
    TRY(mem_alloc(out, count, size));
    memcpy(&data, out, sizeof data);
    return h5file_read(file, name, type, first, count, data);
}

static int read_names(struct h5file *file, const char *name, int64_t *n, int64_t *bytes, char **names) {
    TRY(h5file_shape(file, name, H5_TEXT, n, bytes));
    TRY(read_rows(file, name, H5_TEXT, *bytes, 0, *n, names));
    for (int64_t i = 0; i < *n; i++)
        if ((*names)[(i + 1) * *bytes - 1] || (i && strcmp(*names + (i - 1) * *bytes, *names + i * *bytes) >= 0))
            return damaged(file, name, i);
    return STATUS_OK;
}

/* Offsets [n + 1]: none is negative, and they ascend. */
static int check_offsets(const struct h5file *file, const char *name, int64_t n, const int64_t *offsets) {
    if (offsets[0] < 0) return damaged(file, name, 0);
    for (int64_t i = 0; i < n; i++)
        if (offsets[i + 1] < offsets[i]) return damaged(file, name, i + 1);
    return STATUS_OK;
}

static int read_subjects(struct h5file *file, struct cohort *c) {
    int64_t cols, n;
    TRY(h5file_shape(file, "subject", H5_I64, &c->n_subjects, &cols));
    n = c->n_subjects;
    TRY(read_rows(file, "subject", H5_I64, sizeof *c->subject, 0, n, &c->subject));
    TRY(read_rows(file, "birth", H5_I64, sizeof *c->birth, 0, n, &c->birth));
    TRY(read_rows(file, "split", H5_U8, sizeof *c->split, 0, n, &c->split));
    for (int64_t i = 0; i < n; i++) {
        if (i && c->subject[i] <= c->subject[i - 1]) return damaged(file, "subject", i);
        if (c->split[i] >= N_SPLITS) return damaged(file, "split", i);
    }
    return STATUS_OK;
}

static int read_samples(struct h5file *file, struct cohort *c) {
    TRY(read_names(file, "task", &c->n_tasks, &c->task_bytes, &c->task));
    TRY(read_rows(file, "task_offsets", H5_I64, sizeof *c->task_offsets, 0, c->n_tasks + 1, &c->task_offsets));
    TRY(check_offsets(file, "task_offsets", c->n_tasks, c->task_offsets));
    int64_t n = c->task_offsets[c->n_tasks];
    TRY(read_rows(file, "sample_subject", H5_I32, sizeof *c->sample_subject, 0, n, &c->sample_subject));
    TRY(read_rows(file, "sample_time", H5_I64, sizeof *c->sample_time, 0, n, &c->sample_time));
    TRY(read_rows(file, "sample_label", H5_U8, sizeof *c->sample_label, 0, n, &c->sample_label));
    for (int64_t i = 0; i < n; i++)
        if (c->sample_subject[i] < 0 || c->sample_subject[i] >= c->n_subjects || c->sample_label[i] > 1)
            return damaged(file, "sample", i);
    return STATUS_OK;
}

static int read_events(struct h5file *file, struct cohort *c, int64_t first, int64_t count) {
    struct cohort_events *e;
    TRY(mem_alloc(&c->events, 1, sizeof *c->events));
    e = c->events;
    e->first = first;
    e->n_subjects = count;
    TRY(read_rows(file, "event_offsets", H5_I64, sizeof *e->offsets, first, count + 1, &e->offsets));
    TRY(check_offsets(file, "event_offsets", count, e->offsets));
    int64_t base = e->offsets[0], n = e->offsets[count] - base;
    TRY(read_rows(file, "event_time", H5_I64, sizeof *e->time, base, n, &e->time));
    TRY(read_rows(file, "event_code", H5_I32, sizeof *e->code, base, n, &e->code));
    TRY(read_rows(file, "event_value", H5_F32, sizeof *e->value, base, n, &e->value));
    for (int64_t s = 0; s <= count; s++) e->offsets[s] -= base;
    for (int64_t s = 0; s < count; s++)
        for (int64_t i = e->offsets[s]; i < e->offsets[s + 1]; i++)
            if (e->code[i] < 0 || e->code[i] >= c->n_codes || (i > e->offsets[s] && e->time[i] < e->time[i - 1]))
                return damaged(file, "event", base + i);
    return STATUS_OK;
}

static int read_all(struct h5file *file, int64_t first, int64_t count, struct cohort *c) {
    TRY(read_names(file, "code", &c->n_codes, &c->code_bytes, &c->code));
    TRY(read_rows(file, "code_count", H5_I64, sizeof *c->code_count, 0, c->n_codes, &c->code_count));
    TRY(read_rows(file, "code_count_train", H5_I64, sizeof *c->code_count, 0, c->n_codes, &c->code_count_train));
    TRY(read_subjects(file, c));
    TRY(read_samples(file, c));
    if (count < 0) count = c->n_subjects - first;
    if (first < 0 || count < 0 || first + count > c->n_subjects)
        return status_set(STATUS_FAILED, "%s has %lld subjects, but subjects %lld to %lld are needed",
                          h5file_path(file), (long long)c->n_subjects, (long long)first,
                          (long long)(first + count - 1));
    return read_events(file, c, first, count);
}

int cohort_read(const char *path, int64_t first, int64_t count, struct cohort *c) {
    struct h5file *file;
    *c = (struct cohort){0};
    TRY(h5file_open(&file, path, KIND_COHORT));
    int status = read_all(file, first, count, c);
    h5file_close(file);
    if (status != STATUS_OK) cohort_free(c);
    return status;
}

/* ---- tasks, histories ---- */
int cohort_find_task(const struct cohort *c, const char *path, const char *name, int64_t *task) {
    char names[1024] = "";
    size_t used = 0;
    for (*task = 0; *task < c->n_tasks; ++*task) {
        if (strcmp(cohort_task(c, *task), name) == 0) return STATUS_OK;
        if (used < sizeof names)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", cohort_task(c, *task));
    }
    return status_set(STATUS_FAILED, "%s has no task %s; it has %s", path, name, used ? names : "none");
}

int cohort_history(const struct cohort *c, int64_t sample, struct history *h) {
    const struct cohort_events *e = c->events;
    int64_t s = c->sample_subject[sample] - e->first;
    if (s < 0 || s >= e->n_subjects)
        return status_set(STATUS_FAILED, "sample %lld is of subject %lld, whose events were not read",
                          (long long)sample, (long long)c->subject[c->sample_subject[sample]]);
    int64_t low = e->offsets[s], first = low, high = e->offsets[s + 1];
    while (low < high) { /* the first event behind the prediction time */
        int64_t middle = low + (high - low) / 2;
        if (e->time[middle] <= c->sample_time[sample])
            low = middle + 1;
        else
            high = middle;
    }
    *h =
        (struct history){.n = low - first, .time = e->time + first, .code = e->code + first, .value = e->value + first};
    while (h->n_static < h->n && h->time[h->n_static] == COHORT_NO_TIME) h->n_static++;
    return STATUS_OK;
}

void cohort_time_text(int64_t time, char text[40]) {
    enum { SECOND = 1000000 };
    int64_t part = time % SECOND;
    time_t seconds = (time_t)(time / SECOND);
    if (part < 0) {
        part += SECOND;
        seconds--;
    }
    struct tm parts;
    if (time == COHORT_NO_TIME || !gmtime_r(&seconds, &parts)) {
        snprintf(text, 40, "no time");
        return;
    }
    size_t n = strftime(text, 40, "%Y-%m-%d %H:%M:%S", &parts);
    if (part) snprintf(text + n, 40 - n, ".%06d", (int)part);
}
