#include "store/cohort_tasks.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"

int cohort_write_whole(struct h5file *file, const struct comm *comm, const char *name, enum h5type type, int64_t rows,
                       int64_t cols, const void *data) {
    return h5file_write(file, name, type, rows, cols, 0, comm->rank == 0 ? rows : 0, data, 1);
}

/* ---- order ---- */
#define ASCENDING(a, b) (((a) > (b)) - ((a) < (b)))

/* A sample, and where its classes begin. */
struct placed {
    struct task_sample sample;
    int64_t set;
};

static int sample_order(const void *a, const void *b) {
    const struct task_sample *x = a, *y = b;
    if (x->subject != y->subject) return ASCENDING(x->subject, y->subject);
    return x->time != y->time ? ASCENDING(x->time, y->time) : ASCENDING(x->visit, y->visit);
}

/* The samples of one task, of all ranks, behind those of others. */
static int append_sorted(struct cohort_tasks *t, const struct task_samples *task, int64_t n,
                         const struct task_sample *samples, const int32_t *set) {
    struct placed *placed;
    int64_t at = t->offsets[t->n], set_at = t->set_offsets[t->n], next = 0;
    TRY(mem_grow(&t->samples, &t->samples_capacity, at + n, sizeof *t->samples));
    TRY(mem_alloc(&placed, n, sizeof *placed));
    for (int64_t i = 0; i < n; i++) {
        placed[i] = (struct placed){samples[i], next};
        if (task->form == LABEL_SET) next += samples[i].label;
    }
    if (n) qsort(placed, (size_t)n, sizeof *placed, sample_order);
    int status = mem_grow(&t->set, &t->set_capacity, set_at + next, sizeof *t->set);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        const struct task_sample *s = &placed[i].sample;
        if (i && sample_order(&placed[i - 1], &placed[i]) == 0)
            status = status_set(STATUS_FAILED, "the task %s has two samples of the same subject, time and visit",
                                task->name);
        t->samples[at + i] = *s;
        if (task->form != LABEL_SET) continue;
        memcpy(t->set + set_at, set + placed[i].set, (size_t)s->label * sizeof *set);
        set_at += s->label;
    }
    free(placed);
    t->offsets[t->n + 1] = at + n;
    t->set_offsets[t->n + 1] = set_at;
    return status;
}

static int gather_task(struct cohort_tasks *t, const struct comm *comm, const struct task_samples *task) {
    struct task_sample *samples = NULL;
    int32_t *set = NULL;
    int64_t n = 0, n_set = 0;
    int status = comm_gather_rows(comm, task->n, sizeof *samples, task->samples, &n, &samples);
    if (status == STATUS_OK) status = comm_gather_rows(comm, task->n_set, sizeof *set, task->set, &n_set, &set);
    if (status == STATUS_OK)
        status = comm_agree(comm, comm->rank == 0 ? append_sorted(t, task, n, samples, set) : STATUS_OK);
    free(samples);
    free(set);
    t->n_all += n;
    t->class_offsets[t->n + 1] = t->class_offsets[t->n] + (task->form == LABEL_BINARY ? 0 : task->n_classes);
    t->n++;
    return status;
}

int cohort_tasks_gather(struct cohort_tasks *t, const struct comm *comm, const struct cohort_contents *c) {
    *t = (struct cohort_tasks){.tasks = c->tasks};
    int status = mem_alloc(&t->offsets, c->n_tasks + 1, sizeof *t->offsets);
    if (status == STATUS_OK) status = mem_alloc(&t->set_offsets, c->n_tasks + 1, sizeof *t->set_offsets);
    if (status == STATUS_OK) status = mem_alloc(&t->class_offsets, c->n_tasks + 1, sizeof *t->class_offsets);
    for (int64_t i = 1; i < c->n_tasks && status == STATUS_OK; i++)
        if (strcmp(c->tasks[i - 1].name, c->tasks[i].name) >= 0)
            status = status_set(STATUS_FAILED, "there are two tasks of the name %s", c->tasks[i].name);
    status = comm_agree(comm, status);
    for (int64_t i = 0; i < c->n_tasks && status == STATUS_OK; i++) status = gather_task(t, comm, &c->tasks[i]);
    return status;
}

void cohort_tasks_free(struct cohort_tasks *t) {
    free(t->offsets);
    free(t->set_offsets);
    free(t->class_offsets);
    free(t->samples);
    free(t->set);
    *t = (struct cohort_tasks){0};
}

/* ---- texts ---- */
/* Texts of any length as rows of one; the caller frees *packed. */
static int pack_texts(int64_t n, const char *(*text)(const void *, int64_t), const void *list, char **packed,
                      int64_t *bytes) {
    *bytes = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t size = (int64_t)strlen(text(list, i)) + 1;
        if (size > *bytes) *bytes = size;
    }
    TRY(mem_alloc(packed, n, *bytes));
    for (int64_t i = 0; i < n; i++) strcpy(*packed + i * *bytes, text(list, i));
    return STATUS_OK;
}

static int write_texts(struct h5file *file, const struct comm *comm, const char *name, int64_t n,
                       const char *(*text)(const void *, int64_t), const void *list) {
    char *packed = NULL;
    int64_t bytes = 0;
    int status = comm_agree(comm, pack_texts(n, text, list, &packed, &bytes));
    if (status == STATUS_OK) status = cohort_write_whole(file, comm, name, H5_TEXT, n, bytes, packed);
    free(packed);
    return status;
}

static const char *task_name(const void *list, int64_t i) { return ((const struct task_samples *)list)[i].name; }
static const char *step_name(const void *list, int64_t i) { return ((const struct cohort_step *)list)[i].name; }
static const char *filter_name(const void *list, int64_t i) { return ((const struct cohort_filter *)list)[i].filter; }
static const char *file_name(const void *list, int64_t i) { return ((const struct cohort_file *)list)[i].name; }
static const char *rule_name(const void *list, int64_t i) { return ((const struct cohort_left_out *)list)[i].rule; }

/* Class i of all tasks. */
static const char *class_name(const void *list, int64_t i) {
    const struct cohort_tasks *t = list;
    int64_t task = 0;
    while (i >= t->class_offsets[task + 1]) task++;
    return t->tasks[task].class_names[i - t->class_offsets[task]];
}

/* ---- datasets ---- */
/* Rank 0 has n rows, each of which a function writes into a buffer. */
static int write_column(struct h5file *file, const struct comm *comm, const char *name, enum h5type type, int64_t n,
                        int64_t size, void (*row)(const void *list, int64_t i, void *out), const void *list) {
    char *rows = NULL;
    int64_t mine = comm->rank == 0 ? n : 0;
    int status = mem_alloc(&rows, mine, size);
    for (int64_t i = 0; i < mine && status == STATUS_OK; i++) row(list, i, rows + i * size);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = cohort_write_whole(file, comm, name, type, n, 1, rows);
    free(rows);
    return status;
}

/* A function for a member of a list's items, in the type of its dataset. */
#define COLUMN(function, item, type, value)                                                                            \
    static void function(const void *list, int64_t i, void *out) {                                                     \
        const item *x = (const item *)list + i;                                                                        \
        type copy = (type)(value);                                                                                     \
        memcpy(out, &copy, sizeof copy);                                                                               \
    }
COLUMN(task_form, struct task_samples, uint8_t, x->form)
COLUMN(task_classes, struct task_samples, int32_t, x->form == LABEL_BINARY ? 2 : x->n_classes)
COLUMN(task_hidden, struct task_samples, int32_t, x->hidden)
COLUMN(sample_subject, struct task_sample, int32_t, x->subject)
COLUMN(sample_time, struct task_sample, int64_t, x->time)
COLUMN(sample_visit, struct task_sample, int32_t, x->visit)
COLUMN(sample_label, struct task_sample, int32_t, x->label)
COLUMN(step_subjects, struct cohort_step, int64_t, x->subjects)
COLUMN(step_visits, struct cohort_step, int64_t, x->visits)
COLUMN(step_events, struct cohort_step, int64_t, x->events)
COLUMN(filter_count, struct cohort_filter, int64_t, x->count)
COLUMN(file_rows, struct cohort_file, int64_t, x->rows)
COLUMN(file_faults, struct cohort_file, int64_t, x->faults)
COLUMN(left_out_file, struct cohort_left_out, int32_t, x->file)
COLUMN(left_out_rows, struct cohort_left_out, int64_t, x->rows)

int cohort_tasks_write(const struct cohort_tasks *t, struct h5file *f, const struct comm *comm) {
    int64_t n = t->n, size[2] = {t->offsets[n], t->set_offsets[n]};
    TRY(comm_broadcast(comm, size, sizeof size)); /* of rank 0 */
    TRY(write_texts(f, comm, "task", n, task_name, t->tasks));
    TRY(write_column(f, comm, "task_form", H5_U8, n, 1, task_form, t->tasks));
    TRY(write_column(f, comm, "task_classes", H5_I32, n, 4, task_classes, t->tasks));
    TRY(write_column(f, comm, "task_hidden", H5_I32, n, 4, task_hidden, t->tasks));
    TRY(cohort_write_whole(f, comm, "class_offsets", H5_I64, n + 1, 1, t->class_offsets));
    TRY(write_texts(f, comm, "class", t->class_offsets[n], class_name, t));
    TRY(cohort_write_whole(f, comm, "task_offsets", H5_I64, n + 1, 1, t->offsets));
    TRY(cohort_write_whole(f, comm, "set_offsets", H5_I64, n + 1, 1, t->set_offsets));
    TRY(write_column(f, comm, "sample_subject", H5_I32, size[0], 4, sample_subject, t->samples));
    TRY(write_column(f, comm, "sample_time", H5_I64, size[0], 8, sample_time, t->samples));
    TRY(write_column(f, comm, "sample_visit", H5_I32, size[0], 4, sample_visit, t->samples));
    TRY(write_column(f, comm, "sample_label", H5_I32, size[0], 4, sample_label, t->samples));
    return cohort_write_whole(f, comm, "set", H5_I32, size[1], 1, t->set);
}

int cohort_write_steps(struct h5file *f, const struct comm *comm, const struct cohort_contents *c) {
    TRY(write_texts(f, comm, "step", c->n_steps, step_name, c->steps));
    TRY(write_column(f, comm, "step_subjects", H5_I64, c->n_steps, 8, step_subjects, c->steps));
    TRY(write_column(f, comm, "step_visits", H5_I64, c->n_steps, 8, step_visits, c->steps));
    return write_column(f, comm, "step_events", H5_I64, c->n_steps, 8, step_events, c->steps);
}

/* A filter names its task: number of it. */
static int write_filter_tasks(struct h5file *f, const struct comm *comm, const struct cohort_contents *c) {
    int32_t *task;
    TRY(comm_agree(comm, mem_alloc(&task, c->n_filters, sizeof *task)));
    for (int64_t i = 0; i < c->n_filters; i++)
        while (task[i] < c->n_tasks && strcmp(c->tasks[task[i]].name, c->filters[i].task) != 0) task[i]++;
    int status = cohort_write_whole(f, comm, "filter_task", H5_I32, c->n_filters, 1, task);
    free(task);
    return status;
}

int cohort_write_filters(struct h5file *f, const struct comm *comm, const struct cohort_contents *c) {
    TRY(write_filter_tasks(f, comm, c));
    TRY(write_texts(f, comm, "filter", c->n_filters, filter_name, c->filters));
    return write_column(f, comm, "filter_count", H5_I64, c->n_filters, 8, filter_count, c->filters);
}

int cohort_write_files(struct h5file *f, const struct comm *comm, const struct cohort_contents *c) {
    TRY(write_texts(f, comm, "file", c->n_files, file_name, c->files));
    TRY(write_column(f, comm, "file_rows", H5_I64, c->n_files, 8, file_rows, c->files));
    TRY(write_column(f, comm, "file_faults", H5_I64, c->n_files, 8, file_faults, c->files));
    TRY(write_column(f, comm, "left_out_file", H5_I32, c->n_left_out, 4, left_out_file, c->left_out));
    TRY(write_texts(f, comm, "left_out_rule", c->n_left_out, rule_name, c->left_out));
    return write_column(f, comm, "left_out_rows", H5_I64, c->n_left_out, 8, left_out_rows, c->left_out);
}
