/* Reading cohort.h5 (schema in the header), and asking whether it holds together. */
#include "store/cohort.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/cohort_events.h"

static void free_events(struct cohort_events *e) {
    if (!e) return;
    free(e->death);
    free(e->offsets);
    free(e->time);
    free(e->code);
    free(e->value);
    free(e->visit);
    free(e->visit_offsets);
    free(e->visits);
    free(e);
}

void cohort_free(struct cohort *c) {
    void *const parts[] = {c->code,           c->code_kind,
                           c->code_count,     c->code_count_train,
                           c->code_match,     c->code_match_how,
                           c->subject,        c->birth,
                           c->split,          c->task,
                           c->task_form,      c->task_classes,
                           c->task_hidden,    c->class_offsets,
                           c->class_name,     c->task_offsets,
                           c->sample_subject, c->sample_visit,
                           c->sample_label,   c->sample_time,
                           c->sample_set,     c->set};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    free_events(c->events);
    *c = (struct cohort){0};
}

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

/* Texts [n, bytes]. */
static int read_texts(struct h5file *file, const char *name, int64_t *n, int64_t *bytes, char **texts) {
    TRY(h5file_shape(file, name, H5_TEXT, n, bytes));
    TRY(read_rows(file, name, H5_TEXT, *bytes, 0, *n, texts));
    for (int64_t i = 0; i < *n; i++)
        if ((*texts)[(i + 1) * *bytes - 1]) return damaged(file, name, i);
    return STATUS_OK;
}

static int read_names(struct h5file *file, const char *name, int64_t *n, int64_t *bytes, char **names) {
    TRY(read_texts(file, name, n, bytes, names));
    for (int64_t i = 1; i < *n; i++)
        if (strcmp(*names + (i - 1) * *bytes, *names + i * *bytes) >= 0) return damaged(file, name, i);
    return STATUS_OK;
}

/* Offsets [n + 1]: none is negative, and they ascend. */
static int check_offsets(const struct h5file *file, const char *name, int64_t n, const int64_t *offsets) {
    if (offsets[0] < 0) return damaged(file, name, 0);
    for (int64_t i = 0; i < n; i++)
        if (offsets[i + 1] < offsets[i]) return damaged(file, name, i + 1);
    return STATUS_OK;
}

static int read_offsets(struct h5file *file, const char *name, int64_t first, int64_t n, int64_t **offsets) {
    TRY(read_rows(file, name, H5_I64, sizeof **offsets, first, n + 1, offsets));
    return check_offsets(file, name, n, *offsets);
}

/* ---- codes, subjects ---- */
static int read_codes(struct h5file *file, struct cohort *c) {
    int64_t matched, cols;
    TRY(read_names(file, "code", &c->n_codes, &c->code_bytes, &c->code));
    int64_t n = c->n_codes;
    TRY(read_rows(file, "code_kind", H5_U8, sizeof *c->code_kind, 0, n, &c->code_kind));
    TRY(read_rows(file, "code_count", H5_I64, sizeof *c->code_count, 0, n, &c->code_count));
    TRY(read_rows(file, "code_count_train", H5_I64, sizeof *c->code_count, 0, n, &c->code_count_train));
    for (int64_t i = 0; i < n; i++)
        if (c->code_kind[i] >= N_CODE_KINDS) return damaged(file, "code_kind", i);
    TRY(h5file_shape(file, "code_match", H5_I64, &matched, &cols));
    if (matched == 0) return STATUS_OK;
    TRY(read_rows(file, "code_match", H5_I64, sizeof *c->code_match, 0, n, &c->code_match));
    TRY(read_rows(file, "code_match_how", H5_U8, sizeof *c->code_match_how, 0, n, &c->code_match_how));
    for (int64_t i = 0; i < n; i++)
        if (c->code_match_how[i] >= N_CODE_MATCHES ||
            (c->code_match[i] < 0) != (c->code_match_how[i] == CODE_MATCH_MISSING))
            return damaged(file, "code_match", i);
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

/* ---- tasks ---- */
static int read_tasks(struct h5file *file, struct cohort *c) {
    int64_t n_classes;
    TRY(read_names(file, "task", &c->n_tasks, &c->task_bytes, &c->task));
    int64_t n = c->n_tasks;
    TRY(read_rows(file, "task_form", H5_U8, sizeof *c->task_form, 0, n, &c->task_form));
    TRY(read_rows(file, "task_classes", H5_I32, sizeof *c->task_classes, 0, n, &c->task_classes));
    TRY(read_rows(file, "task_hidden", H5_I32, sizeof *c->task_hidden, 0, n, &c->task_hidden));
    TRY(read_offsets(file, "class_offsets", 0, n, &c->class_offsets));
    TRY(read_texts(file, "class", &n_classes, &c->class_bytes, &c->class_name));
    for (int64_t t = 0; t < n; t++) {
        int64_t named = c->class_offsets[t + 1] - c->class_offsets[t];
        if (c->task_form[t] > LABEL_SET || c->task_classes[t] < 0 ||
            named != (c->task_form[t] == LABEL_BINARY ? 0 : c->task_classes[t]))
            return damaged(file, "task", t);
    }
    if (c->class_offsets[0] != 0 || c->class_offsets[n] != n_classes) return damaged(file, "class_offsets", n);
    return read_offsets(file, "task_offsets", 0, n, &c->task_offsets);
}

/* The classes of the samples of a task of label sets; those of all tasks begin at `at`. */
static int check_sets(const struct h5file *file, struct cohort *c, int64_t task, int64_t at, int64_t end) {
    for (int64_t i = c->task_offsets[task]; i < c->task_offsets[task + 1]; i++) {
        c->sample_set[i] = at;
        if (c->task_form[task] != LABEL_SET) continue;
        if (c->sample_label[i] > end - at) return damaged(file, "sample", i);
        for (int64_t k = at; k < at + c->sample_label[i]; k++)
            if (c->set[k] < 0 || c->set[k] >= c->task_classes[task] || (k > at && c->set[k] <= c->set[k - 1]))
                return damaged(file, "set", k);
        at += c->sample_label[i];
    }
    return at == end ? STATUS_OK : damaged(file, "set_offsets", task + 1);
}

static int check_samples(const struct h5file *file, const struct cohort *c, int64_t task) {
    int64_t first = c->task_offsets[task];
    for (int64_t i = first; i < c->task_offsets[task + 1]; i++) {
        int64_t label = c->sample_label[i], most = c->task_classes[task] - (c->task_form[task] != LABEL_SET);
        int32_t subject = c->sample_subject[i];
        if (subject < 0 || subject >= c->n_subjects || label < 0 || label > most || c->sample_visit[i] < -1 ||
            (i > first && (subject < c->sample_subject[i - 1] ||
                           (subject == c->sample_subject[i - 1] && c->sample_time[i] < c->sample_time[i - 1]))))
            return damaged(file, "sample", i);
    }
    return STATUS_OK;
}

static int read_samples(struct h5file *file, struct cohort *c) {
    int64_t n = c->task_offsets[c->n_tasks], *ends;
    TRY(read_rows(file, "sample_subject", H5_I32, sizeof *c->sample_subject, 0, n, &c->sample_subject));
    TRY(read_rows(file, "sample_time", H5_I64, sizeof *c->sample_time, 0, n, &c->sample_time));
    TRY(read_rows(file, "sample_visit", H5_I32, sizeof *c->sample_visit, 0, n, &c->sample_visit));
    TRY(read_rows(file, "sample_label", H5_I32, sizeof *c->sample_label, 0, n, &c->sample_label));
    TRY(mem_alloc(&c->sample_set, n + 1, sizeof *c->sample_set));
    int status = read_offsets(file, "set_offsets", 0, c->n_tasks, &ends);
    if (status == STATUS_OK) status = read_rows(file, "set", H5_I32, sizeof *c->set, 0, ends[c->n_tasks], &c->set);
    for (int64_t t = 0; t < c->n_tasks && status == STATUS_OK; t++) {
        status = check_samples(file, c, t);
        if (status == STATUS_OK) status = check_sets(file, c, t, ends[t], ends[t + 1]);
    }
    if (status == STATUS_OK) c->sample_set[n] = ends[c->n_tasks];
    free(ends);
    return status;
}

/* ---- visits, events ---- */
/* Columns that are read into one array of structs. */
static int read_visit_columns(struct h5file *file, struct cohort_visit *visits, int64_t first, int64_t n) {
    static const char *const TIMES[] = {"visit_id", "visit_start", "visit_end"};
    int64_t *times = NULL;
    uint8_t *facts = NULL;
    int status = STATUS_OK;
    for (int k = 0; k < 3 && status == STATUS_OK; k++) {
        free(times);
        status = read_rows(file, TIMES[k], H5_I64, sizeof *times, first, n, &times);
        for (int64_t i = 0; i < n && status == STATUS_OK; i++)
            *(k == 0 ? &visits[i].id : k == 1 ? &visits[i].start : &visits[i].end) = times[i];
    }
    for (int k = 0; k < 2 && status == STATUS_OK; k++) {
        free(facts);
        status = read_rows(file, k ? "visit_died" : "visit_kind", H5_U8, 1, first, n, &facts);
        for (int64_t i = 0; i < n && status == STATUS_OK; i++) *(k ? &visits[i].died : &visits[i].kind) = facts[i];
    }
    free(times);
    free(facts);
    return status;
}

static int read_visits(struct h5file *file, struct cohort_events *e, int64_t first, int64_t count) {
    TRY(read_offsets(file, "visit_offsets", first, count, &e->visit_offsets));
    int64_t base = e->visit_offsets[0], n = e->visit_offsets[count] - base;
    TRY(mem_alloc(&e->visits, n, sizeof *e->visits));
    TRY(read_visit_columns(file, e->visits, base, n));
    for (int64_t s = 0; s <= count; s++) e->visit_offsets[s] -= base;
    for (int64_t s = 0; s < count; s++)
        for (int64_t i = e->visit_offsets[s]; i < e->visit_offsets[s + 1]; i++) {
            const struct cohort_visit *v = &e->visits[i];
            if (v->kind >= N_VISIT_KINDS || v->died > 1 || (v->end != COHORT_NO_TIME && v->end < v->start) ||
                (i > e->visit_offsets[s] && v->start < v[-1].start))
                return damaged(file, "visit", base + i);
        }
    return STATUS_OK;
}

/* Of one subject; base: events before those that were read. */
static int check_events(const struct h5file *file, const struct cohort *c, int64_t s, int64_t base) {
    const struct cohort_events *e = c->events;
    int64_t n_visits = e->visit_offsets[s + 1] - e->visit_offsets[s];
    for (int64_t i = e->offsets[s]; i < e->offsets[s + 1]; i++)
        if (e->code[i] < 0 || e->code[i] >= c->n_codes || e->visit[i] < -1 || e->visit[i] >= n_visits ||
            (i > e->offsets[s] && e->time[i] < e->time[i - 1]))
            return damaged(file, "event", base + i);
    return STATUS_OK;
}

static int read_events(struct h5file *file, struct cohort *c, int64_t first, int64_t count) {
    struct cohort_events *e;
    TRY(mem_alloc(&c->events, 1, sizeof *c->events));
    e = c->events;
    e->first = first;
    e->n_subjects = count;
    TRY(read_rows(file, "death", H5_I64, sizeof *e->death, first, count, &e->death));
    TRY(read_visits(file, e, first, count));
    TRY(read_offsets(file, "event_offsets", first, count, &e->offsets));
    int64_t base = e->offsets[0], n = e->offsets[count] - base;
    TRY(read_rows(file, "event_time", H5_I64, sizeof *e->time, base, n, &e->time));
    TRY(read_rows(file, "event_code", H5_I32, sizeof *e->code, base, n, &e->code));
    TRY(read_rows(file, "event_value", H5_F32, sizeof *e->value, base, n, &e->value));
    TRY(read_rows(file, "event_visit", H5_I32, sizeof *e->visit, base, n, &e->visit));
    for (int64_t s = 0; s <= count; s++) e->offsets[s] -= base;
    for (int64_t s = 0; s < count; s++) TRY(check_events(file, c, s, base));
    return STATUS_OK;
}

/* Of samples whose subjects were read: their visits are there. */
static int check_sample_visits(const struct h5file *file, const struct cohort *c) {
    const struct cohort_events *e = c->events;
    for (int64_t i = 0; i < c->task_offsets[c->n_tasks]; i++) {
        int64_t s = c->sample_subject[i] - e->first;
        if (s >= 0 && s < e->n_subjects && c->sample_visit[i] >= e->visit_offsets[s + 1] - e->visit_offsets[s])
            return damaged(file, "sample", i);
    }
    return STATUS_OK;
}

/* ---- the whole ---- */
static int read_all(struct h5file *file, int64_t first, int64_t count, struct cohort *c) {
    TRY(read_codes(file, c));
    TRY(read_subjects(file, c));
    TRY(read_tasks(file, c));
    TRY(read_samples(file, c));
    if (count < 0) count = c->n_subjects - first;
    if (first < 0 || count < 0 || first + count > c->n_subjects)
        return status_set(STATUS_FAILED, "%s has %lld subjects, but subjects %lld to %lld are needed",
                          h5file_path(file), (long long)c->n_subjects, (long long)first,
                          (long long)(first + count - 1));
    TRY(read_events(file, c, first, count));
    return check_sample_visits(file, c);
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
