/* Each rank reads the events of a block of subjects, and goes over its samples twice: for the codes of train, then for rows. */
#include "ehr/baselines/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

struct maker {
    const struct comm *comm;
    const char *path;
    const struct baseline_options *options;
    unsigned groups;
    struct features *features;
    struct cohort cohort;   /* with the events of this rank's subjects */
    struct history history; /* of a sample; memory for read_codes */
    int64_t task_first;     /* sample of the cohort with which the task begins */
    int64_t *times;         /* [n_codes] of a code in the history at hand; 0 between samples */
    int32_t *codes;         /* [n_codes] those that are there */
    float *total;           /* [columns] of the row at hand; 0 between samples */
    int32_t *columns_there; /* [columns] */
    float *values;          /* [columns] */
};

static const double MICROSECONDS_A_YEAR = 365.25 * 86400e6;

/* ---- the task ---- */
static int read_classes(struct maker *m, int64_t task) {
    const struct cohort *c = &m->cohort;
    struct features *f = m->features;
    int64_t first = m->task_first;
    f->form = (enum label_form)c->task_form[task];
    f->n_classes = c->task_classes[task];
    for (int32_t k = 0; f->form != LABEL_BINARY && k < f->n_classes; k++)
        TRY(string_list_add(&f->class_names, cohort_class(c, task, k)));
    if (f->form != LABEL_SET) return STATUS_OK;
    int64_t base = c->sample_set[first], n = c->sample_set[first + f->n_samples] - base;
    TRY(mem_alloc(&f->set_offsets, f->n_samples + 1, sizeof *f->set_offsets));
    TRY(mem_alloc(&f->set, n, sizeof *f->set));
    for (int64_t i = 0; i <= f->n_samples; i++) f->set_offsets[i] = c->sample_set[first + i] - base;
    if (n) memcpy(f->set, c->set + base, (size_t)n * sizeof *f->set);
    return STATUS_OK;
}

static int find_task(struct maker *m) {
    struct cohort *c = &m->cohort;
    struct features *f = m->features;
    const char *name = m->options->task;
    int64_t task = 0;
    if (!name[0] && c->n_tasks != 1)
        return status_set(STATUS_USAGE, "%s has %lld tasks: name one, --set baseline.task=NAME; the first is %s",
                          m->path, (long long)c->n_tasks, c->n_tasks ? cohort_task(c, 0) : "not there");
    if (name[0]) TRY(cohort_find_task(c, m->path, name, &task));
    m->task_first = c->task_offsets[task];
    f->n_samples = c->task_offsets[task + 1] - m->task_first;
    TRY(mem_alloc(&f->task, c->task_bytes + 1, 1));
    strcpy(f->task, cohort_task(c, task));
    return read_classes(m, task);
}

static int check_labels(const struct maker *m) {
    const struct features *f = m->features;
    for (int s = 0; s < N_SPLITS; s++) {
        if (f->form == LABEL_BINARY && (f->n_positive[s] == 0 || f->n_positive[s] == f->n_split[s]))
            return status_set(STATUS_FAILED,
                              "%s: the split %s has %lld samples, of which %lld are true: nothing can be learned or "
                              "scored without samples of both kinds in each split",
                              m->path, SPLIT_NAMES[s], (long long)f->n_split[s], (long long)f->n_positive[s]);
        if (f->n_split[s] == 0)
            return status_set(STATUS_FAILED, "%s: the split %s has no sample of %s", m->path, SPLIT_NAMES[s], f->task);
    }
    return STATUS_OK;
}

static int read_labels(struct maker *m) {
    const struct cohort *c = &m->cohort;
    struct features *f = m->features;
    TRY(mem_alloc(&f->split, f->n_samples, 1));
    TRY(mem_alloc(&f->time, f->n_samples, sizeof *f->time));
    TRY(mem_alloc(&f->label, f->n_samples, sizeof *f->label));
    for (int64_t i = 0; i < f->n_samples; i++) {
        f->split[i] = c->split[c->sample_subject[m->task_first + i]];
        f->time[i] = c->sample_time[m->task_first + i];
        f->label[i] = c->sample_label[m->task_first + i];
        f->n_split[f->split[i]]++;
        if (f->form == LABEL_BINARY) f->n_positive[f->split[i]] += f->label[i];
    }
    return check_labels(m);
}

int features_has_class(const struct features *f, int64_t sample, int32_t class) {
    if (f->form != LABEL_SET) return f->label[sample] == class;
    for (int64_t i = f->set_offsets[sample]; i < f->set_offsets[sample + 1]; i++)
        if (f->set[i] == class) return 1;
    return 0;
}

/* Reads all but events, then those of this rank's block of subjects; its samples are a run, since they are ordered by subject. */
static int open_cohort(struct maker *m, int64_t *n_own) {
    const struct comm *comm = m->comm;
    struct cohort *c = &m->cohort;
    struct features *f = m->features;
    TRY(cohort_read(m->path, 0, 0, c));
    int64_t n = c->n_subjects, first = n * comm->rank / comm->size, end = n * (comm->rank + 1) / comm->size;
    cohort_free(c);
    TRY(cohort_read(m->path, first, end - first, c));
    TRY(find_task(m));
    TRY(read_labels(m));
    const int32_t *subject = c->sample_subject + m->task_first;
    while (f->first < f->n_samples && subject[f->first] < first) f->first++;
    for (*n_own = 0; f->first + *n_own < f->n_samples && subject[f->first + *n_own] < end;) ++*n_own;
    TRY(mem_alloc(&f->subject, *n_own, sizeof *f->subject));
    for (int64_t i = 0; i < *n_own; i++) f->subject[i] = c->subject[subject[f->first + i]];
    return STATUS_OK;
}

/* ---- codes ---- */
/* The codes of a sample's history into m->codes [*n], ascending, with m->times; forget_codes afterwards. */
static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int read_codes(struct maker *m, int64_t i, int64_t *n) {
    struct history *h = &m->history;
    TRY(cohort_history(&m->cohort, m->task_first + m->features->first + i, h));
    *n = 0;
    for (int64_t e = 0; e < h->n; e++)
        if (m->times[h->code[e]]++ == 0) m->codes[(*n)++] = h->code[e];
    if (*n > 1) qsort(m->codes, (size_t)*n, sizeof *m->codes, ascending);
    return STATUS_OK;
}

static void forget_codes(struct maker *m, int64_t n) {
    for (int64_t k = 0; k < n; k++) m->times[m->codes[k]] = 0;
}

/* Whether train has each code, of this rank's samples. */
static int look(struct maker *m, int64_t n_own, int64_t *in_train) {
    const struct features *f = m->features;
    for (int64_t i = 0; i < n_own; i++) {
        int64_t n;
        if (f->split[f->first + i] != SPLIT_TRAIN) continue;
        TRY(read_codes(m, i, &n));
        for (int64_t k = 0; k < n; k++) in_train[m->codes[k]] = 1;
        forget_codes(m, n);
    }
    return STATUS_OK;
}

static int make_columns(struct maker *m, const int64_t *in_train) {
    int64_t n_codes = m->cohort.n_codes;
    uint8_t *flags;
    TRY(mem_alloc(&flags, n_codes, 1));
    for (int64_t i = 0; i < n_codes; i++) flags[i] = in_train[i] > 0;
    int status = code_columns_make(&m->features->columns, &m->cohort, flags, m->groups, m->options->vocabulary);
    free(flags);
    return status;
}

/* ---- rows ---- */
static void add_to(struct maker *m, int32_t column, float value, int64_t *n) {
    if (m->total[column] == 0) m->columns_there[(*n)++] = column;
    m->total[column] = m->options->values == VALUES_ONE_HOT ? 1 : m->total[column] + value;
}

static void add_age(struct maker *m, int64_t i, int64_t *n) {
    const struct cohort *c = &m->cohort;
    int64_t sample = m->task_first + m->features->first + i, birth = c->birth[c->sample_subject[sample]];
    int32_t first = (int32_t)m->features->columns.first[FEATURE_AGE];
    if (!(m->groups & 1U << FEATURE_AGE) || birth == COHORT_NO_TIME || c->sample_time[sample] <= birth) return;
    double years = (double)(c->sample_time[sample] - birth) / MICROSECONDS_A_YEAR;
    int decade = years < 10 * (AGE_DECADES - 1) ? (int)(years / 10) : AGE_DECADES - 1;
    m->columns_there[(*n)++] = first;
    m->total[first] = (float)years;
    m->columns_there[(*n)++] = first + 1 + decade;
    m->total[first + 1 + decade] = 1;
}

static void add_code(struct maker *m, int32_t code, int64_t *n) {
    const struct code_columns *c = &m->features->columns;
    if (c->sex[code] && (m->groups & 1U << FEATURE_SEX))
        add_to(m, (int32_t)c->first[FEATURE_SEX] + (c->sex[code] == SEX_MALE), 1, n);
    for (int64_t k = c->offsets[code]; k < c->offsets[code + 1]; k++)
        add_to(m, c->columns[k], (float)m->times[code], n);
}

static int add_medical(struct maker *m, int64_t n_codes) {
    struct features *f = m->features;
    int64_t n = 0;
    for (int64_t k = 0; k < n_codes; k++)
        if (f->columns.medical[m->codes[k]]) m->codes[n++] = m->codes[k];
    for (int64_t k = 0; k < n; k++) m->values[k] = 1;
    return sparse_rows_add(&f->medical, n, m->codes, m->values);
}

static int add_row(struct maker *m, int64_t i) {
    int64_t n_codes, n = 0;
    TRY(read_codes(m, i, &n_codes));
    add_age(m, i, &n);
    for (int64_t k = 0; k < n_codes; k++) add_code(m, m->codes[k], &n);
    forget_codes(m, n_codes);
    if (n > 1) qsort(m->columns_there, (size_t)n, sizeof *m->columns_there, ascending);
    for (int64_t k = 0; k < n; k++) {
        m->values[k] = m->total[m->columns_there[k]];
        m->total[m->columns_there[k]] = 0;
    }
    TRY(sparse_rows_add(&m->features->rows, n, m->columns_there, m->values));
    return add_medical(m, n_codes);
}

static int add_rows(struct maker *m, int64_t n_own) {
    int64_t n = features_n_columns(m->features), most = n > m->cohort.n_codes ? n : m->cohort.n_codes;
    TRY(mem_alloc(&m->total, n, sizeof *m->total));
    TRY(mem_alloc(&m->columns_there, n, sizeof *m->columns_there));
    TRY(mem_alloc(&m->values, most, sizeof *m->values));
    for (int64_t i = 0; i < n_own; i++) TRY(add_row(m, i));
    return STATUS_OK;
}

/* ---- the whole ---- */
static int make(struct maker *m) {
    int64_t *in_train = NULL, n_own = 0;
    int status = open_cohort(m, &n_own);
    if (status == STATUS_OK) status = mem_alloc(&m->times, m->cohort.n_codes, sizeof *m->times);
    if (status == STATUS_OK) status = mem_alloc(&m->codes, m->cohort.n_codes, sizeof *m->codes);
    if (status == STATUS_OK) status = mem_alloc(&in_train, m->cohort.n_codes, sizeof *in_train);
    if (status == STATUS_OK) status = look(m, n_own, in_train);
    TRY_DONE(comm_agree(m->comm, status));
    TRY_DONE(comm_max_int64(m->comm, in_train, m->cohort.n_codes));
    status = make_columns(m, in_train);
    if (status == STATUS_OK) status = add_rows(m, n_own);
    status = comm_agree(m->comm, status);
done:
    free(in_train);
    return status;
}

int features_make(struct features *f, const struct comm *comm, const char *cohort,
                  const struct baseline_options *options) {
    struct maker m = {.comm = comm, .path = cohort, .options = options, .features = f};
    *f = (struct features){0};
    TRY(feature_groups_parse(&options->features, &m.groups));
    int status = make(&m);
    cohort_free(&m.cohort);
    history_free(&m.history);
    free(m.times);
    free(m.codes);
    free(m.total);
    free(m.columns_there);
    free(m.values);
    return status;
}

void features_free(struct features *f) {
    free(f->task);
    free(f->split);
    free(f->time);
    free(f->set_offsets);
    free(f->set);
    string_list_clear(&f->class_names);
    free(f->label);
    free(f->subject);
    sparse_rows_free(&f->rows);
    sparse_rows_free(&f->medical);
    code_columns_free(&f->columns);
    *f = (struct features){0};
}
