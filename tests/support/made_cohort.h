/* For tests that make a cohort.h5 of arrays: the parts of struct cohort and its events, written as `cohort` writes them. */
#ifndef MEDTOK_TESTS_MADE_COHORT_H
#define MEDTOK_TESTS_MADE_COHORT_H

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/cohort_events.h"
#include "store/cohort_writer.h"

/* One task after the other, from the samples of c. */
static inline int made_cohort_tasks(const struct cohort *c, struct task_samples *tasks) {
    for (int64_t t = 0; t < c->n_tasks; t++) {
        struct task_samples *task = &tasks[t];
        *task = (struct task_samples){.name = (char *)(uintptr_t)cohort_task(c, t),
                                      .form = c->task_form ? (enum label_form)c->task_form[t] : LABEL_BINARY,
                                      .n_classes = c->task_classes ? c->task_classes[t] : 2,
                                      .hidden = c->task_hidden ? (unsigned)c->task_hidden[t] : 0};
        if (task->form != LABEL_BINARY) {
            TRY(mem_alloc(&task->class_names, task->n_classes, sizeof *task->class_names));
            for (int32_t k = 0; k < task->n_classes; k++)
                task->class_names[k] = (char *)(uintptr_t)cohort_class(c, t, k);
        }
        for (int64_t i = c->task_offsets[t]; i < c->task_offsets[t + 1]; i++) {
            struct task_sample sample = {.subject = c->sample_subject[i],
                                         .time = c->sample_time[i],
                                         .visit = c->sample_visit ? c->sample_visit[i] : -1,
                                         .label = c->sample_label[i]};
            TRY(task_samples_add(task, &sample, c->set ? c->set + c->sample_set[i] : NULL));
        }
    }
    return STATUS_OK;
}

/* By this process alone. Members of c that are NULL are all 0, death unknown, visits none. */
static inline int made_cohort_write(const char *path, const struct cohort *c, const struct provenance *provenance) {
    struct comm comm = comm_self();
    struct cohort_writer *writer;
    struct cohort full = *c;
    struct cohort_events events = *c->events;
    struct task_samples *tasks = NULL;
    int64_t n = c->n_subjects, n_events = events.offsets[n];
    full.events = &events;
    TRY(mem_alloc(&tasks, c->n_tasks, sizeof *tasks));
    if (!full.code_kind) TRY(mem_alloc(&full.code_kind, c->n_codes, 1));
    if (!events.visit_offsets) TRY(mem_alloc(&events.visit_offsets, n + 1, sizeof *events.visit_offsets));
    if (!events.visit) {
        TRY(mem_alloc(&events.visit, n_events, sizeof *events.visit));
        for (int64_t i = 0; i < n_events; i++) events.visit[i] = -1;
    }
    if (!events.death) {
        TRY(mem_alloc(&events.death, n, sizeof *events.death));
        for (int64_t i = 0; i < n; i++) events.death[i] = COHORT_NO_TIME;
    }
    TRY(made_cohort_tasks(c, tasks));
    TRY(cohort_writer_make(&writer, &comm, path, n, c->n_codes));
    for (int64_t s = 0; s < n; s++) {
        struct subject_record record = cohort_subject(&full, s);
        TRY(cohort_writer_add(writer, &record));
    }
    struct cohort_contents contents = {.code_bytes = c->code_bytes,
                                       .code = c->code,
                                       .code_kind = full.code_kind,
                                       .code_match = c->code_match,
                                       .code_match_how = c->code_match_how,
                                       .subject = c->subject,
                                       .birth = c->birth,
                                       .death = events.death,
                                       .split = c->split,
                                       .n_tasks = c->n_tasks,
                                       .tasks = tasks};
    int status = cohort_writer_finish(writer, &contents, provenance);
    cohort_writer_free(writer);
    for (int64_t t = 0; t < c->n_tasks; t++) {
        free(tasks[t].class_names);
        free(tasks[t].samples);
        free(tasks[t].set);
    }
    free(tasks);
    if (full.code_kind != c->code_kind) free(full.code_kind);
    if (events.visit_offsets != c->events->visit_offsets) free(events.visit_offsets);
    if (events.visit != c->events->visit) free(events.visit);
    if (events.death != c->events->death) free(events.death);
    return status;
}

#endif
