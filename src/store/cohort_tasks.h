/* The samples of a cohort's tasks as they are written: those of all ranks, on rank 0, in order. And lists that are as they are. Private to
 * the store.
 */
#ifndef MEDTOK_STORE_COHORT_TASKS_H
#define MEDTOK_STORE_COHORT_TASKS_H

#include "store/cohort_writer.h"

/* Samples of all tasks, one behind the other; rank 0 has them. */
struct cohort_tasks {
    int64_t n;                                      /* tasks */
    int64_t n_all;                                  /* samples of all ranks */
    int64_t *offsets, *set_offsets, *class_offsets; /* [n + 1] */
    struct task_sample *samples;                    /* [offsets[n]] */
    int32_t *set;
    long long samples_capacity, set_capacity;
    const struct task_samples *tasks; /* borrowed */
};

/* Collective. */
int cohort_tasks_gather(struct cohort_tasks *tasks, const struct comm *comm, const struct cohort_contents *contents);
void cohort_tasks_free(struct cohort_tasks *tasks);

/* Collective: their datasets. */
int cohort_tasks_write(const struct cohort_tasks *tasks, struct h5file *file, const struct comm *comm);
int cohort_write_steps(struct h5file *file, const struct comm *comm, const struct cohort_contents *contents);
int cohort_write_filters(struct h5file *file, const struct comm *comm, const struct cohort_contents *contents);
int cohort_write_files(struct h5file *file, const struct comm *comm, const struct cohort_contents *contents);

/* Collective: a dataset that rank 0 has. */
int cohort_write_whole(struct h5file *file, const struct comm *comm, const char *name, enum h5type type, int64_t rows,
                       int64_t cols, const void *data);

#endif
