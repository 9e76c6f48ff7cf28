/* Labels that were found, of all ranks, as the samples of tasks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "ingest/collector_internal.h"
#include "store/cohort.h"

#define ASCENDING(a, b) (((a) > (b)) - ((a) < (b)))

static int label_order(const void *a, const void *b) {
    const struct held_label *x = a, *y = b;
    if (x->task != y->task) return ASCENDING(x->task, y->task);
    if (x->subject != y->subject) return ASCENDING(x->subject, y->subject);
    return x->time != y->time ? ASCENDING(x->time, y->time) : ASCENDING(x->at, y->at);
}

static int copy_text(const struct dictionary *d, int64_t i, char **text) {
    int64_t size = d->offsets[i + 1] - d->offsets[i];
    TRY(mem_alloc(text, size + 1, 1));
    memcpy(*text, d->bytes + d->offsets[i], (size_t)size);
    return STATUS_OK;
}

/* Collective: tasks of all ranks in order, and this rank's labels in their numbers. */
static int number_tasks(struct record_collector *c, struct dictionary *tasks) {
    int32_t *number = NULL;
    int status = comm_agree(c->comm, mem_alloc(&number, c->tasks.n, sizeof *number));
    if (status == STATUS_OK) status = collector_gather_texts(c->comm, &c->tasks, tasks, number);
    for (long long i = 0; i < c->n_labels && status == STATUS_OK; i++) c->labels[i].task = number[c->labels[i].task];
    free(number);
    return status;
}

/* Whether a label can be used; `before`: the one in front of it. */
static int judge(struct record_collector *c, const struct held_label *l, const struct held_label *before,
                 int64_t subject, int *good) {
    char time[40], birth[40], place[FAULT_TEXT_BYTES];
    *good = 0;
    if (subject < 0)
        return collector_fault(c, l->at, "subject %lld has a label, but does not stand in %s", (long long)l->subject,
                               c->options.subjects_from);
    cohort_time_text(l->time, time);
    cohort_time_text(c->collected.birth[subject], birth);
    if (l->time < c->collected.birth[subject])
        return collector_fault(c, l->at, "the prediction time of subject %lld, %s, is before its birth, %s",
                               (long long)l->subject, time, birth);
    if (before && before->task == l->task && before->subject == l->subject && before->time == l->time) {
        row_position_text(c->faults.files, position_of(before->at), place, sizeof place);
        return collector_fault(c, l->at, "subject %lld has a second label at the same prediction time; the first is %s",
                               (long long)l->subject, place);
    }
    *good = 1;
    return STATUS_OK;
}

static int take_label(struct record_collector *c, struct task_samples *tasks, const struct held_label *l,
                      const struct held_label *before) {
    int64_t subject = collector_find(c, l->subject);
    struct task_sample sample = {.subject = subject, .time = l->time, .visit = -1, .label = l->label};
    int good;
    TRY(judge(c, l, before, subject, &good));
    return good ? task_samples_add(&tasks[l->task], &sample, NULL) : STATUS_OK;
}

/* A task with another label than 0 and 1 asks for one of as many classes as the largest says. */
static int form_task(struct task_samples *task, int64_t most) {
    char name[16];
    task->form = most > 1 ? LABEL_CLASS : LABEL_BINARY;
    task->n_classes = most > 1 ? (int32_t)most + 1 : 2;
    if (most <= 1) return STATUS_OK;
    TRY(mem_alloc(&task->class_names, task->n_classes, sizeof *task->class_names));
    for (int32_t k = 0; k < task->n_classes; k++) {
        snprintf(name, sizeof name, "%d", k);
        task->class_names[k] = strdup(name);
        if (!task->class_names[k]) return status_set(STATUS_FAILED, "out of memory");
    }
    return STATUS_OK;
}

static int make_tasks(struct record_collector *c, const struct dictionary *names, int64_t n, struct held_label *labels,
                      struct task_samples *tasks) {
    for (int64_t t = 0; t < names->n; t++) {
        int64_t most = 1;
        for (int64_t i = 0; i < n; i++)
            if (labels[i].task == t && labels[i].label > most) most = labels[i].label;
        TRY(copy_text(names, t, &tasks[t].name));
        TRY(form_task(&tasks[t], most));
    }
    if (n) qsort(labels, (size_t)n, sizeof *labels, label_order);
    for (int64_t i = 0; i < n && c->comm->rank == 0; i++)
        TRY(take_label(c, tasks, &labels[i], i ? &labels[i - 1] : NULL));
    return STATUS_OK;
}

int record_collector_labels(struct record_collector *c, struct task_samples **tasks, int64_t *n_tasks) {
    struct dictionary names = {0};
    struct held_label *all = NULL;
    int64_t n = 0;
    int status;
    *tasks = NULL;
    *n_tasks = 0;
    TRY_DONE(number_tasks(c, &names));
    TRY_DONE(comm_gather_rows(c->comm, c->n_labels, sizeof *all, c->labels, &n, &all));
    status = mem_alloc(tasks, names.n, sizeof **tasks);
    if (status == STATUS_OK) {
        *n_tasks = names.n;
        status = make_tasks(c, &names, n, all, *tasks);
    }
    status = comm_agree(c->comm, status);
    if (status == STATUS_OK) status = collector_check_faults(c);
done:
    free(all);
    dictionary_free(&names);
    return status;
}
