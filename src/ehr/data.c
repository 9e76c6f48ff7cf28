/* Twice over the cohort: each rank looks at a block of subjects to know what there is, and then reads the samples that it is
 * dealt. */
#include "ehr/data.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "train/sampler.h"

struct builder {
    const struct comm *comm;
    const char *path;
    const struct ehr_options *options;
    struct ehr_data *data;
    struct cohort cohort; /* with the events that are read just now */
    int64_t first, n;     /* samples of the task, in the cohort */
    double *cost;         /* [n] */
    int64_t *in_train;    /* [n_codes] samples of train whose history has the code */
    int64_t *tokens;      /* [n_codes] of all samples */
    int64_t *vector;      /* [n_codes] */
    int train_only;       /* of the vectors' source */
    int32_t *row;         /* [n_codes] as tokens of struct sample_set */
    struct timeline timeline;
};

static int split_of(const struct builder *b, int64_t sample) {
    return b->cohort.split[b->cohort.sample_subject[b->first + sample]];
}

/* What a transformer has to do: products that grow with the tokens, attention with their square. */
static double cost_of(const struct builder *b, int64_t tokens) {
    return (double)tokens * (6 * (double)b->options->dim + (double)tokens);
}

/* ---- the task ---- */
static int find_task(struct builder *b) {
    struct cohort *c = &b->cohort;
    const char *name = b->options->task;
    int64_t task = 0;
    if (!name[0] && c->n_tasks != 1)
        return status_set(STATUS_USAGE, "%s has %lld tasks: name one, --set ehr.task=NAME; the first is %s", b->path,
                          (long long)c->n_tasks, c->n_tasks ? cohort_task(c, 0) : "not there");
    if (name[0]) TRY(cohort_find_task(c, b->path, name, &task));
    if (c->task_form[task] != LABEL_BINARY)
        return status_set(STATUS_USAGE,
                          "%s: the task %s asks %s %d classes; only tasks of true and false can be learned: choose "
                          "another, --set ehr.task=NAME",
                          b->path, cohort_task(c, task), c->task_form[task] == LABEL_SET ? "which of" : "for one of",
                          c->task_classes[task]);
    b->first = c->task_offsets[task];
    b->n = c->task_offsets[task + 1] - b->first;
    TRY(mem_alloc(&b->data->task, c->task_bytes + 1, 1));
    strcpy(b->data->task, cohort_task(c, task));
    return STATUS_OK;
}

static int count_samples(struct builder *b) {
    struct ehr_data *d = b->data;
    for (int64_t i = 0; i < b->n; i++) {
        d->task_samples[split_of(b, i)]++;
        d->task_positive[split_of(b, i)] += b->cohort.sample_label[b->first + i];
    }
    for (int s = 0; s < N_SPLITS; s++)
        if (d->task_positive[s] == 0 || d->task_positive[s] == d->task_samples[s])
            return status_set(STATUS_FAILED,
                              "%s: the split %s has %lld samples, of which %lld are true: nothing can be learned or "
                              "scored without samples of both kinds in each split",
                              b->path, SPLIT_NAMES[s], (long long)d->task_samples[s], (long long)d->task_positive[s]);
    d->prior = (double)d->task_positive[SPLIT_TRAIN] / (double)d->task_samples[SPLIT_TRAIN];
    return STATUS_OK;
}

/* ---- the first look ---- */
static int look_at(struct builder *b, int64_t sample, int64_t *seen) {
    const struct timeline *t = &b->timeline;
    TRY(timeline_make(&b->timeline, &b->cohort, b->first + sample, b->options));
    b->cost[sample] = cost_of(b, t->n);
    b->data->n_dropped += t->dropped;
    b->data->n_cut += t->dropped > 0;
    for (int64_t i = 0; i < t->n; i++) {
        int64_t code = t->tokens[i].token - TOKEN_FIRST_CODE;
        if (code < 0) continue;
        b->tokens[code]++;
        if (split_of(b, sample) == SPLIT_TRAIN && seen[code] != sample + 1) b->in_train[code]++;
        seen[code] = sample + 1;
    }
    return STATUS_OK;
}

/* This rank's block of subjects; samples are ordered by them. */
static int look(struct builder *b) {
    int64_t n = b->cohort.n_subjects, first = n * b->comm->rank / b->comm->size, *seen;
    int64_t end = n * (b->comm->rank + 1) / b->comm->size;
    cohort_free(&b->cohort);
    TRY(cohort_read(b->path, first, end - first, &b->cohort));
    TRY(mem_alloc(&seen, b->cohort.n_codes, sizeof *seen));
    int status = STATUS_OK;
    for (int64_t i = 0; i < b->n && status == STATUS_OK; i++) {
        int64_t subject = b->cohort.sample_subject[b->first + i];
        if (subject >= first && subject < end) status = look_at(b, i, seen);
    }
    free(seen);
    return status;
}

static int look_together(struct builder *b) {
    int64_t n_codes = b->cohort.n_codes;
    int status = mem_alloc(&b->cost, b->n, sizeof *b->cost);
    if (status == STATUS_OK) status = mem_alloc(&b->in_train, n_codes, sizeof *b->in_train);
    if (status == STATUS_OK) status = mem_alloc(&b->tokens, n_codes, sizeof *b->tokens);
    if (status == STATUS_OK) status = look(b);
    TRY(comm_agree(b->comm, status));
    TRY(comm_sum_double(b->comm, b->cost, b->n)); /* each is one rank's */
    TRY(comm_sum_int64(b->comm, b->in_train, n_codes));
    TRY(comm_sum_int64(b->comm, b->tokens, n_codes));
    TRY(comm_sum_int64(b->comm, &b->data->n_dropped, 1));
    return comm_sum_int64(b->comm, &b->data->n_cut, 1);
}

/* ---- rows ---- */
static int find_vectors(struct builder *b, const struct vector_source *source) {
    int64_t n = b->cohort.n_codes;
    uint8_t *wanted = NULL;
    int status = mem_alloc(&wanted, n, 1);
    if (status == STATUS_OK) status = mem_alloc(&b->vector, n, sizeof *b->vector);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) wanted[i] = b->tokens[i] > 0;
    if (status == STATUS_OK && b->comm->rank == 0) status = source->find(source->self, &b->cohort, wanted, b->vector);
    free(wanted);
    TRY(comm_agree(b->comm, status));
    return comm_broadcast(b->comm, b->vector, n * (int64_t)sizeof *b->vector);
}

enum row_kind { ROW_MISSING, ROW_OWN, ROW_TRAIN_VECTOR, ROW_OTHER_VECTOR, N_ROW_KINDS };

static enum row_kind row_kind(const struct builder *b, int64_t code) {
    int64_t vector = b->vector ? b->vector[code] : VECTOR_OWN_ROW;
    if (b->tokens[code] == 0 || vector == VECTOR_MISSING) return ROW_MISSING;
    if (vector == VECTOR_OWN_ROW) return b->in_train[code] >= b->options->min_count ? ROW_OWN : ROW_MISSING;
    return b->in_train[code] > 0 ? ROW_TRAIN_VECTOR : b->train_only ? ROW_MISSING : ROW_OTHER_VECTOR;
}

static void count_missing(struct builder *b, int64_t code) {
    struct ehr_data *d = b->data;
    int is_missing = b->row[code] == TOKEN_MISSING && b->tokens[code] > 0;
    d->n_codes += b->tokens[code] > 0;
    d->n_tokens += b->tokens[code];
    d->n_missing_codes += is_missing;
    d->n_missing_tokens += is_missing ? b->tokens[code] : 0;
}

/* Kind by kind, in the order of codes. */
static int number_rows(struct builder *b) {
    struct ehr_data *d = b->data;
    int64_t n = b->cohort.n_codes, next = TOKEN_FIRST_CODE, count[N_ROW_KINDS] = {0}, at = 0;
    TRY(mem_alloc(&b->row, n, sizeof *b->row));
    for (enum row_kind kind = ROW_MISSING; kind < N_ROW_KINDS; kind++) {
        for (int64_t i = 0; i < n; i++) {
            if (row_kind(b, i) != kind) continue;
            count[kind]++;
            b->row[i] = kind == ROW_MISSING ? TOKEN_MISSING : (int32_t)next++;
        }
    }
    d->n_own = count[ROW_OWN];
    d->n_train_vectors = count[ROW_TRAIN_VECTOR];
    d->n_vectors = d->n_train_vectors + count[ROW_OTHER_VECTOR];
    TRY(mem_alloc(&d->vector, d->n_vectors, sizeof *d->vector));
    for (int64_t i = 0; i < n; i++) {
        count_missing(b, i);
        at = b->row[i] - TOKEN_FIRST_CODE - d->n_own;
        if (at >= 0) d->vector[at] = b->vector[i];
    }
    return STATUS_OK;
}

/* ---- dealing ---- */
/* Cuts n samples into runs of about the same cost, one a rank. */
static void cut_by_cost(const struct comm *comm, int64_t n, const double *cost, int64_t *first, int64_t *count) {
    double total = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) total += cost[i];
    *first = *count = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t rank = (int64_t)((sum + cost[i] / 2) / total * comm->size);
        *first += rank < comm->rank;
        *count += rank == comm->rank;
        sum += cost[i];
    }
}

static int add_sample(struct builder *b, struct sample_set *set, int64_t sample, long long *capacity) {
    const struct cohort *c = &b->cohort;
    int64_t in_cohort = b->first + sample, at = set->offsets[set->n];
    const struct timeline *t = &b->timeline;
    TRY(timeline_make(&b->timeline, c, in_cohort, b->options));
    TRY(mem_grow(&set->tokens, capacity, at + t->n, sizeof *set->tokens));
    for (int64_t i = 0; i < t->n; i++) {
        struct timeline_token token = t->tokens[i];
        if (token.token >= TOKEN_FIRST_CODE) token.token = b->row[token.token - TOKEN_FIRST_CODE];
        set->tokens[at + i] = token;
    }
    set->number[set->n] = sample;
    set->subject[set->n] = c->subject[c->sample_subject[in_cohort]];
    set->time[set->n] = c->sample_time[in_cohort];
    set->label[set->n] = c->sample_label[in_cohort];
    set->offsets[++set->n] = at + t->n;
    return STATUS_OK;
}

/* samples [n] ascend, and so do their subjects. */
static int read_set(struct builder *b, int64_t n, const int64_t *samples, struct sample_set *set) {
    long long capacity = 0;
    int64_t first = 0, count = 0;
    if (n) {
        first = b->cohort.sample_subject[b->first + samples[0]];
        count = b->cohort.sample_subject[b->first + samples[n - 1]] - first + 1;
    }
    cohort_free(&b->cohort);
    TRY(cohort_read(b->path, first, count, &b->cohort));
    TRY(mem_alloc(&set->number, n, sizeof *set->number));
    TRY(mem_alloc(&set->subject, n, sizeof *set->subject));
    TRY(mem_alloc(&set->time, n, sizeof *set->time));
    TRY(mem_alloc(&set->label, n, sizeof *set->label));
    TRY(mem_alloc(&set->offsets, n + 1, sizeof *set->offsets));
    set->first_vector = (int32_t)(TOKEN_FIRST_CODE + b->data->n_own);
    for (int64_t i = 0; i < n; i++) TRY(add_sample(b, set, samples[i], &capacity));
    return STATUS_OK;
}

/* Deals the samples of a split, samples [n] of costs cost [n]. */
static int deal(struct builder *b, int split, int64_t n, const int64_t *samples, const double *cost) {
    struct ehr_data *d = b->data;
    int64_t first, count;
    if (split == SPLIT_TRAIN) {
        struct sampler sampler;
        TRY(sampler_make(&sampler, b->comm, PARTITION_BLOCK, 0, 0, "samples", n, b->options->batch, cost));
        d->train_first = first = sampler.first;
        count = sampler.n_local;
        sampler_free(&sampler);
        TRY(mem_alloc(&d->train_cost, n, sizeof *cost));
        memcpy(d->train_cost, cost, (size_t)n * sizeof *cost);
    } else {
        cut_by_cost(b->comm, n, cost, &first, &count);
    }
    return read_set(b, count, samples + first, &d->sets[split]);
}

static int deal_all(struct builder *b) {
    int64_t *samples = NULL;
    double *cost = NULL;
    int status;
    TRY_DONE(mem_alloc(&samples, b->n, sizeof *samples));
    TRY_DONE(mem_alloc(&cost, b->n, sizeof *cost));
    for (int s = 0; s < N_SPLITS; s++) {
        int64_t n = 0;
        for (int64_t i = 0; i < b->n; i++) {
            if (split_of(b, i) != s) continue;
            samples[n] = i;
            cost[n++] = b->cost[i];
        }
        TRY_DONE(deal(b, s, n, samples, cost));
    }
done:
    free(samples);
    free(cost);
    return status;
}

/* ---- the whole ---- */
static int open_task(struct builder *b) {
    TRY(cohort_read(b->path, 0, 0, &b->cohort));
    TRY(find_task(b));
    return count_samples(b);
}

static int make(struct builder *b, const struct vector_source *source) {
    TRY(comm_agree(b->comm, open_task(b)));
    TRY(look_together(b));
    if (source) TRY(find_vectors(b, source));
    int status = number_rows(b);
    if (status == STATUS_OK) status = deal_all(b);
    return comm_agree(b->comm, status);
}

int ehr_data_make(struct ehr_data *data, const struct comm *comm, const char *cohort, const struct ehr_options *options,
                  const struct vector_source *source) {
    struct builder b = {
        .comm = comm, .path = cohort, .options = options, .data = data, .train_only = source && source->in_train};
    *data = (struct ehr_data){0};
    int status = make(&b, source);
    cohort_free(&b.cohort);
    timeline_free(&b.timeline);
    free(b.cost);
    free(b.in_train);
    free(b.tokens);
    free(b.vector);
    free(b.row);
    return status;
}

void ehr_data_free(struct ehr_data *d) {
    for (int s = 0; s < N_SPLITS; s++) {
        struct sample_set *set = &d->sets[s];
        free(set->number);
        free(set->subject);
        free(set->time);
        free(set->label);
        free(set->offsets);
        free(set->tokens);
    }
    free(d->task);
    free(d->train_cost);
    free(d->vector);
    *d = (struct ehr_data){0};
}
