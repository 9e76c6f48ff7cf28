/* Task by task; then the lists are put in the order of subjects. */
#include "ehr/sample_choice.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ehr/baselines/few_shot.h"

struct chooser {
    const char *path;
    const struct cohort *cohort;
    const struct ehr_options *options;
    uint64_t seed;
    struct ehr_data *data;
    struct sample_choice *choice;
};

/* ---- tasks ---- */
static int find_task(const struct chooser *x, const char *name, int64_t *task) {
    const struct cohort *c = x->cohort;
    *task = 0;
    if (!name[0] && c->n_tasks != 1)
        return status_set(STATUS_USAGE, "%s has %lld tasks: name one, --set ehr.task=NAME; the first is %s", x->path,
                          (long long)c->n_tasks, c->n_tasks ? cohort_task(c, 0) : "not there");
    return name[0] ? cohort_find_task(c, x->path, name, task) : STATUS_OK;
}

static int is_positive(const struct ehr_task *task, int32_t label) { return task->form == LABEL_BINARY && label == 1; }

/* Counts a chosen sample, and of train its classes. */
static void count(struct chooser *x, struct ehr_task *task, int split, int64_t sample) {
    const struct cohort *c = x->cohort;
    int32_t label = c->sample_label[sample];
    task->samples[split]++;
    task->positive[split] += is_positive(task, label);
    if (split != SPLIT_TRAIN) return;
    if (task->form == LABEL_BINARY) task->prior[0] += label;
    if (task->form == LABEL_CLASS) task->prior[label]++;
    for (int32_t k = 0; task->form == LABEL_SET && k < label; k++) task->prior[c->set[c->sample_set[sample] + k]]++;
}

static int check_task(const struct chooser *x, const struct ehr_task *t, int is_scored) {
    for (int s = 0; s < (is_scored ? N_SPLITS : 1); s++) {
        int has_both = t->positive[s] > 0 && t->positive[s] < t->samples[s];
        if (t->form == LABEL_BINARY && !has_both)
            return status_set(STATUS_FAILED,
                              "%s: of the task %s, the split %s has %lld samples, of which %lld are true: nothing can "
                              "be learned or scored without samples of both kinds in each split",
                              x->path, t->name, SPLIT_NAMES[s], (long long)t->samples[s], (long long)t->positive[s]);
        if (t->samples[s] == 0)
            return status_set(STATUS_FAILED, "%s: of the task %s, the split %s has no samples", x->path, t->name,
                              SPLIT_NAMES[s]);
    }
    return STATUS_OK;
}

/* ---- samples ---- */
static int add(struct chooser *x, int list, const struct chosen_sample *sample, long long *capacity) {
    struct sample_choice *choice = x->choice;
    TRY(mem_grow(&choice->samples[list], capacity, choice->n[list] + 1, sizeof *sample));
    choice->samples[list][choice->n[list]++] = *sample;
    return STATUS_OK;
}

static int add_drawn(struct chooser *x, int32_t task, int64_t first, const struct training_set *drawn,
                     const struct sample_list *all, long long *capacity) {
    for (int s = 0; s < (task ? 1 : N_SPLITS); s++) {
        int64_t n = drawn->n[s];
        struct chosen_row *rows = drawn->rows[s];
        if (s == SPLIT_HELD_OUT) TRY(split_rows(all, s, &n, &rows));
        int status = STATUS_OK;
        for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
            int64_t sample = first + rows[i].sample;
            struct chosen_sample chosen = {x->cohort->sample_subject[sample], sample, task, 0};
            int times = s == SPLIT_TRAIN ? (int)rows[i].weight : 1; /* what is scored is scored once */
            for (int k = 0; k < times && status == STATUS_OK; k++) {
                count(x, &x->data->tasks[task], s, sample);
                status = add(x, s, &chosen, &capacity[s]);
            }
        }
        if (s == SPLIT_HELD_OUT) free(rows);
        TRY(status);
    }
    return STATUS_OK;
}

static int choose(struct chooser *x, int32_t task, int64_t in_cohort, long long *capacity) {
    const struct cohort *c = x->cohort;
    const struct ehr_options *o = x->options;
    struct ehr_task *t = &x->data->tasks[task];
    int64_t first = c->task_offsets[in_cohort], n = c->task_offsets[in_cohort + 1] - first;
    enum training_kind kind = o->shots ? TRAINING_SHOTS : o->train_samples ? TRAINING_ROWS : TRAINING_ALL;
    int64_t size = o->shots ? o->shots : o->train_samples;
    struct training_set drawn = {0};
    uint8_t *split = NULL;
    if (kind == TRAINING_SHOTS && t->form == LABEL_SET)
        return status_set(STATUS_USAGE, "ehr.shots draws so many samples of each class: the task %s has sets of them",
                          t->name);
    TRY(mem_alloc(&split, n, 1));
    for (int64_t i = 0; i < n; i++) split[i] = c->split[c->sample_subject[first + i]];
    struct sample_list all = {n, t->n_classes, split, c->sample_label + first};
    if (task == 0) x->data->first_sample = first;
    int status = training_set_draw(&drawn, &all, kind, size, x->seed, 0);
    if (status == STATUS_OK) status = add_drawn(x, task, first, &drawn, &all, capacity);
    training_set_free(&drawn);
    free(split);
    for (int64_t k = 0; k < ehr_task_outputs(t) && status == STATUS_OK; k++)
        t->prior[k] /= (double)t->samples[SPLIT_TRAIN];
    return status == STATUS_OK ? check_task(x, t, task == 0) : status;
}

static int add_task(struct chooser *x, const char *name, long long *capacity) {
    const struct cohort *c = x->cohort;
    struct ehr_data *d = x->data;
    struct ehr_task *t = &d->tasks[d->n_tasks];
    int64_t task;
    TRY(find_task(x, name, &task));
    t->form = (enum label_form)c->task_form[task];
    t->n_classes = c->task_classes[task];
    d->n_tasks++;
    TRY(mem_alloc(&t->name, c->task_bytes + 1, 1));
    strcpy(t->name, cohort_task(c, task));
    for (int64_t k = 0; k < d->n_tasks - 1; k++)
        if (strcmp(d->tasks[k].name, t->name) == 0)
            return status_set(STATUS_USAGE, "the task %s stands twice in ehr.task and ehr.also", t->name);
    TRY(mem_alloc(&t->prior, ehr_task_outputs(t), sizeof *t->prior));
    return choose(x, (int32_t)(d->n_tasks - 1), task, capacity);
}

static int by_subject(const void *a, const void *b) {
    const struct chosen_sample *x = a, *y = b;
    if (x->subject != y->subject) return x->subject < y->subject ? -1 : 1;
    if (x->task != y->task) return x->task < y->task ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

static int make(struct chooser *x) {
    const struct ehr_options *o = x->options;
    struct sample_choice *choice = x->choice;
    long long capacity[N_LISTS] = {0};
    TRY(mem_alloc(&x->data->tasks, 1 + (long long)o->also.n, sizeof *x->data->tasks));
    TRY(add_task(x, o->task, capacity));
    for (int i = 0; i < o->also.n; i++) TRY(add_task(x, o->also.items[i], capacity));
    if (choice->n[SPLIT_TRAIN] > 0)
        qsort(choice->samples[SPLIT_TRAIN], (size_t)choice->n[SPLIT_TRAIN], sizeof **choice->samples, by_subject);
    for (int64_t s = 0; s < x->cohort->n_subjects && o->pretrain_steps > 0; s++)
        if (x->cohort->split[s] == SPLIT_TRAIN)
            TRY(add(x, LIST_PRETRAIN, &(struct chosen_sample){s, -1, -1, 0}, &capacity[LIST_PRETRAIN]));
    return STATUS_OK;
}

int sample_choice_make(struct sample_choice *choice, const char *path, const struct cohort *cohort,
                       const struct ehr_options *options, uint64_t seed, struct ehr_data *data) {
    struct chooser x = {path, cohort, options, seed, data, choice};
    *choice = (struct sample_choice){0};
    return make(&x);
}

int sample_choice_repeat(struct sample_choice *choice, const int64_t *windows, double **cost) {
    struct chosen_sample *samples = NULL, *of = choice->samples[LIST_PRETRAIN];
    int64_t n = 0, at = 0;
    double *costs = NULL;
    for (int64_t i = 0; i < choice->n[LIST_PRETRAIN]; i++) n += windows[i];
    TRY(mem_alloc(&samples, n, sizeof *samples));
    int status = mem_alloc(&costs, n, sizeof *costs);
    for (int64_t i = 0; i < choice->n[LIST_PRETRAIN] && status == STATUS_OK; i++)
        for (int32_t k = 0; k < windows[i]; k++, at++) {
            samples[at] = of[i];
            samples[at].window = k;
            costs[at] = (*cost)[i];
        }
    if (status != STATUS_OK) {
        free(samples);
        return status;
    }
    free(of);
    free(*cost);
    choice->n[LIST_PRETRAIN] = n;
    choice->samples[LIST_PRETRAIN] = samples;
    *cost = costs;
    return STATUS_OK;
}

void sample_choice_free(struct sample_choice *choice) {
    for (int i = 0; i < N_LISTS; i++) free(choice->samples[i]);
    *choice = (struct sample_choice){0};
}
