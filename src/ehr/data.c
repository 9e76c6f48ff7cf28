/* Twice over the cohort: each rank looks at a block of subjects to know what there is, and then reads the samples that it is
 * dealt. */
#include "ehr/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "ehr/models/ethos_timeline.h"
#include "ehr/sample_choice.h"
#include "ehr/timeline.h"
#include "train/sampler.h"

struct builder {
    const struct comm *comm;
    const char *path;
    const struct ehr_options *options;
    struct ehr_data *data;
    struct cohort cohort; /* with the events that are read just now */
    struct sample_choice choice;
    double *cost[N_LISTS]; /* [choice.n] */
    int64_t *windows;      /* [choice.n] of the subjects of pre-training */
    uint8_t *units;        /* [n_cohort_codes] of each, with models that read windows */
    int64_t *tokens;       /* [n_cohort_codes] of all samples of the scored task */
    int64_t *vector;       /* [n_cohort_codes] */
    int train_only;        /* of the vectors' source */
    /* one sample, as it was read just now */
    struct history history;
    struct sample_event *events; /* [history.n] */
    long long events_capacity;
    struct visits visits;
    struct timeline timeline;
};

/* What a transformer has to do: products that grow with the tokens, attention with their square. */
static double cost_of(const struct builder *b, int64_t tokens) {
    return (double)tokens * (6 * (double)b->options->dim + (double)tokens);
}

/* ---- codes ---- */
static int64_t find_birth(const struct cohort *c) {
    int64_t low = 0, high = c->n_codes;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(cohort_code(c, middle), "MEDS_BIRTH");
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static int copy_codes(struct builder *b) {
    const struct cohort *c = &b->cohort;
    struct ehr_data *d = b->data;
    d->n_cohort_codes = c->n_codes;
    d->code_bytes = c->code_bytes;
    d->birth_code = find_birth(c);
    TRY(mem_alloc(&d->code, c->n_codes, c->code_bytes));
    TRY(mem_alloc(&d->code_kind, c->n_codes, 1));
    TRY(mem_alloc(&d->in_train, c->n_codes, sizeof *d->in_train));
    TRY(mem_alloc(&d->row, c->n_codes, sizeof *d->row));
    TRY(mem_alloc(&b->tokens, c->n_codes, sizeof *b->tokens));
    if (c->n_codes == 0) return STATUS_OK;
    memcpy(d->code, c->code, (size_t)(c->n_codes * c->code_bytes));
    memcpy(d->code_kind, c->code_kind, (size_t)c->n_codes);
    return STATUS_OK;
}

/* ---- a sample ---- */
/* Its history, with tokens that are rows, or, as long as there are none, TOKEN_FIRST_CODE + the code. */
static int read_sample(struct builder *b, const struct chosen_sample *sample, struct sample_history *h) {
    const struct cohort *c = &b->cohort;
    const struct ehr_data *d = b->data;
    const struct history *x = &b->history;
    TRY(sample->sample >= 0 ? cohort_history(c, sample->sample, &b->history)
                            : cohort_train_history(c, sample->subject, &b->history));
    TRY(mem_grow(&b->events, &b->events_capacity, x->n, sizeof *b->events));
    for (int64_t i = 0; i < x->n; i++) {
        int32_t row = d->row[x->code[i]];
        b->events[i] = (struct sample_event){x->time[i], x->code[i], row ? row : TOKEN_FIRST_CODE + x->code[i],
                                             x->visit[i], x->value[i]};
    }
    *h = (struct sample_history){.n = x->n,
                                 .n_static = x->n_static,
                                 .n_visits = x->n_visits,
                                 .events = b->events,
                                 .visits = x->visits,
                                 .birth_code = d->birth_code,
                                 .birth = c->birth[sample->subject],
                                 .time = sample->sample >= 0 ? c->sample_time[sample->sample] : INT64_MAX,
                                 .code_kind = d->code_kind};
    TRY(visits_make(&b->visits, h, b->options));
    return timeline_make(&b->timeline, &b->visits, b->options->max_length);
}

/* ---- the first look ---- */
/* Models that cut a history otherwise than a timeline is cut, and so may read codes that are not in it. */
static int reads_all(enum ehr_model_number model) {
    return model == EHR_ETHOS || model == EHR_ETHOS_PROBE || model == EHR_GT_BEHRT || model == EHR_MULT_EHR;
}

static int reads_windows(enum ehr_model_number model) { return model == EHR_ETHOS || model == EHR_ETHOS_PROBE; }

/* How many windows a history fills, so that pre-training reads all units alike, as ETHOS' does: at least one. Each value counts as a decile, which
 * it becomes where its code has enough of them. */
static int64_t n_windows(const struct builder *b, const struct sample_history *h) {
    int64_t fixed = 0, units = 0;
    if (!reads_windows(b->options->model)) return 1;
    for (int64_t i = 0; i < h->n_static; i++) fixed += b->units[h->events[i].code];
    for (int64_t i = h->n_static; i < h->n; i++) {
        int32_t interval;
        units += b->units[h->events[i].code] + !isnan(h->events[i].value);
        if (i > h->n_static) units += ethos_intervals(h->events[i].time - h->events[i - 1].time, &interval);
    }
    int64_t room = ethos_room_beside(fixed, b->options->max_length);
    return units > room ? (units + room - 1) / room : 1;
}

/* seen[code]: number of the last sample, of those that are looked at, that had it. */
static int look_at(struct builder *b, int list, int64_t i, int64_t number, int64_t *seen) {
    const struct chosen_sample *sample = &b->choice.samples[list][i];
    const struct timeline *t = &b->timeline;
    struct ehr_data *d = b->data;
    struct sample_history history;
    int is_again = i > 0 && sample->sample >= 0 && sample[-1].sample == sample->sample; /* drawn with replacement */
    int trains = (list == SPLIT_TRAIN || list == LIST_PRETRAIN) && !is_again;
    TRY(read_sample(b, sample, &history));
    int64_t n = reads_all(b->options->model) ? b->visits.n_codes : t->n;
    b->cost[list][i] = cost_of(b, t->n);
    if (list == LIST_PRETRAIN) b->windows[i] = n_windows(b, &history);
    if (sample->task == 0) d->n_dropped += t->dropped;
    if (sample->task == 0) d->n_cut += t->dropped > 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t code = reads_all(b->options->model) ? b->visits.codes[k].code : t->tokens[k].token - TOKEN_FIRST_CODE;
        if (code < 0) continue;
        b->tokens[code] += sample->task == 0;
        if (trains && seen[code] != number) d->in_train[code]++;
        seen[code] = number;
    }
    return STATUS_OK;
}

/* This rank's block of subjects; lists are ordered by them. */
static int look(struct builder *b) {
    int64_t n = b->cohort.n_subjects, first = n * b->comm->rank / b->comm->size, *seen, number = 0;
    int64_t end = n * (b->comm->rank + 1) / b->comm->size;
    cohort_free(&b->cohort);
    TRY(cohort_read(b->path, first, end - first, &b->cohort));
    TRY(mem_alloc(&seen, b->cohort.n_codes, sizeof *seen));
    int status = STATUS_OK;
    for (int list = 0; list < N_LISTS; list++)
        for (int64_t i = 0; i < b->choice.n[list] && status == STATUS_OK; i++) {
            int64_t subject = b->choice.samples[list][i].subject;
            if (subject >= first && subject < end) status = look_at(b, list, i, ++number, seen);
        }
    free(seen);
    return status;
}

/* b->units: of each code, as the arm base spells it. The other arms' are about as many, and all arms are to read the same windows. */
static int count_units(struct builder *b) {
    char parts[ETHOS_MOST_PARTS][ETHOS_PART_BYTES];
    const struct ehr_data *d = b->data;
    if (!reads_windows(b->options->model) || b->choice.n[LIST_PRETRAIN] == 0) return STATUS_OK;
    TRY(mem_alloc(&b->units, d->n_cohort_codes, sizeof *b->units));
    for (int64_t c = 0; c < d->n_cohort_codes; c++) b->units[c] = (uint8_t)ethos_parts(ehr_code(d, c), parts);
    return STATUS_OK;
}

static int look_together(struct builder *b) {
    struct ehr_data *d = b->data;
    int status = STATUS_OK;
    for (int list = 0; list < N_LISTS && status == STATUS_OK; list++)
        status = mem_alloc(&b->cost[list], b->choice.n[list], sizeof *b->cost[list]);
    if (status == STATUS_OK) status = mem_alloc(&b->windows, b->choice.n[LIST_PRETRAIN], sizeof *b->windows);
    if (status == STATUS_OK) status = count_units(b);
    if (status == STATUS_OK) status = look(b);
    TRY(comm_agree(b->comm, status));
    for (int list = 0; list < N_LISTS; list++) /* each is one rank's */
        TRY(comm_sum_double(b->comm, b->cost[list], b->choice.n[list]));
    TRY(comm_sum_int64(b->comm, b->windows, b->choice.n[LIST_PRETRAIN]));
    TRY(comm_sum_int64(b->comm, d->in_train, d->n_cohort_codes));
    TRY(comm_sum_int64(b->comm, b->tokens, d->n_cohort_codes));
    TRY(comm_sum_int64(b->comm, &d->n_dropped, 1));
    return comm_sum_int64(b->comm, &d->n_cut, 1);
}

/* ---- rows ---- */
static int occurs(const struct builder *b, int64_t code) { return b->tokens[code] > 0 || b->data->in_train[code] > 0; }

static int find_vectors(struct builder *b, const struct vector_source *source) {
    int64_t n = b->data->n_cohort_codes;
    uint8_t *wanted = NULL;
    int status = mem_alloc(&wanted, n, 1);
    if (status == STATUS_OK) status = mem_alloc(&b->vector, n, sizeof *b->vector);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) wanted[i] = (uint8_t)occurs(b, i);
    if (status == STATUS_OK && b->comm->rank == 0)
        status = source->find(source->self, &b->cohort, b->data->in_train, wanted, b->vector);
    free(wanted);
    TRY(comm_agree(b->comm, status));
    return comm_broadcast(b->comm, b->vector, n * (int64_t)sizeof *b->vector);
}

enum row_kind { ROW_MISSING, ROW_OWN, ROW_TRAIN_VECTOR, ROW_OTHER_VECTOR, N_ROW_KINDS };

static enum row_kind row_kind(const struct builder *b, int64_t code) {
    int64_t vector = b->vector ? b->vector[code] : VECTOR_OWN_ROW, in_train = b->data->in_train[code];
    if (!occurs(b, code) || vector == VECTOR_MISSING) return ROW_MISSING;
    if (vector == VECTOR_OWN_ROW) return in_train >= b->options->min_count ? ROW_OWN : ROW_MISSING;
    return in_train > 0 ? ROW_TRAIN_VECTOR : b->train_only ? ROW_MISSING : ROW_OTHER_VECTOR;
}

static void count_missing(struct builder *b, int64_t code) {
    struct ehr_data *d = b->data;
    int is_missing = d->row[code] == TOKEN_MISSING && b->tokens[code] > 0;
    d->n_codes += b->tokens[code] > 0;
    d->n_tokens += b->tokens[code];
    d->n_missing_codes += is_missing;
    d->n_missing_tokens += is_missing ? b->tokens[code] : 0;
}

/* Kind by kind, in the order of codes. */
static int number_rows(struct builder *b) {
    struct ehr_data *d = b->data;
    int64_t n = d->n_cohort_codes, next = TOKEN_FIRST_CODE, count[N_ROW_KINDS] = {0}, at = 0;
    for (enum row_kind kind = ROW_MISSING; kind < N_ROW_KINDS; kind++) {
        for (int64_t i = 0; i < n; i++) {
            if (row_kind(b, i) != kind) continue;
            count[kind]++;
            d->row[i] = kind == ROW_MISSING ? TOKEN_MISSING : (int32_t)next++;
        }
    }
    d->n_rows = next;
    d->n_own = count[ROW_OWN];
    d->n_train_vectors = count[ROW_TRAIN_VECTOR];
    d->n_vectors = d->n_train_vectors + count[ROW_OTHER_VECTOR];
    TRY(mem_alloc(&d->vector, d->n_vectors, sizeof *d->vector));
    for (int64_t i = 0; i < n; i++) {
        count_missing(b, i);
        at = d->row[i] - TOKEN_FIRST_CODE - d->n_own;
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

struct set_capacity {
    long long events, visits, set;
};

static int add_history(struct sample_set *set, const struct sample_history *h, struct set_capacity *capacity) {
    int64_t at = set->offsets[set->n], visit = set->visit_offsets[set->n];
    set->history[set->n] = set->n;
    TRY(mem_grow(&set->events, &capacity->events, at + h->n, sizeof *set->events));
    TRY(mem_grow(&set->visits, &capacity->visits, visit + h->n_visits, sizeof *set->visits));
    for (int64_t i = 0; i < h->n; i++) set->events[at + i] = h->events[i];
    for (int64_t i = 0; i < h->n_visits; i++) set->visits[visit + i] = h->visits[i];
    set->n_static[set->n] = h->n_static;
    set->birth[set->n] = h->birth;
    set->time[set->n] = h->time;
    set->offsets[set->n + 1] = at + h->n;
    set->visit_offsets[set->n + 1] = visit + h->n_visits;
    return STATUS_OK;
}

/* A further window of the subject that was added before: it has that one's history. */
static void add_window(struct sample_set *set) {
    int64_t i = set->n;
    set->history[i] = set->history[i - 1];
    set->n_static[i] = set->n_static[i - 1];
    set->birth[i] = set->birth[i - 1];
    set->time[i] = set->time[i - 1];
    set->offsets[i + 1] = set->offsets[i];
    set->visit_offsets[i + 1] = set->visit_offsets[i];
}

static int add_label(const struct builder *b, struct sample_set *set, const struct chosen_sample *sample,
                     struct set_capacity *capacity) {
    const struct cohort *c = &b->cohort;
    int64_t at = set->set_offsets[set->n], n = 0;
    set->label[set->n] = sample->task < 0 ? -1 : c->sample_label[sample->sample];
    if (sample->task >= 0 && b->data->tasks[sample->task].form == LABEL_SET) n = set->label[set->n];
    TRY(mem_grow(&set->set, &capacity->set, at + n, sizeof *set->set));
    for (int64_t k = 0; k < n; k++) set->set[at + k] = c->set[c->sample_set[sample->sample] + k];
    set->set_offsets[set->n + 1] = at + n;
    return STATUS_OK;
}

static int add_sample(struct builder *b, struct sample_set *set, const struct chosen_sample *sample,
                      struct set_capacity *capacity) {
    const struct cohort *c = &b->cohort;
    struct sample_history history;
    struct sample_codes codes;
    if (sample->window > 0 && set->n > 0) {
        add_window(set);
    } else {
        TRY(read_sample(b, sample, &history));
        TRY(add_history(set, &history, capacity));
    }
    TRY(add_label(b, set, sample, capacity));
    set->window[set->n] = sample->window;
    set->number[set->n] = sample->sample >= 0 ? sample->sample : sample->subject;
    set->task[set->n] = sample->task;
    set->subject[set->n] = c->subject[sample->subject];
    TRY(ehr_sample_codes(b->data, set, set->n, &codes));
    set->unseen[set->n++] = (int32_t)codes.unseen;
    return STATUS_OK;
}

static int make_set(struct sample_set *set, const struct ehr_data *d, int64_t n) {
    set->code_kind = d->code_kind;
    set->birth_code = d->birth_code;
    TRY(mem_alloc(&set->number, n, sizeof *set->number));
    TRY(mem_alloc(&set->task, n, sizeof *set->task));
    TRY(mem_alloc(&set->subject, n, sizeof *set->subject));
    TRY(mem_alloc(&set->birth, n, sizeof *set->birth));
    TRY(mem_alloc(&set->time, n, sizeof *set->time));
    TRY(mem_alloc(&set->label, n, sizeof *set->label));
    TRY(mem_alloc(&set->unseen, n, sizeof *set->unseen));
    TRY(mem_alloc(&set->window, n, sizeof *set->window));
    TRY(mem_alloc(&set->history, n, sizeof *set->history));
    TRY(mem_alloc(&set->n_static, n, sizeof *set->n_static));
    TRY(mem_alloc(&set->set_offsets, n + 1, sizeof *set->set_offsets));
    TRY(mem_alloc(&set->offsets, n + 1, sizeof *set->offsets));
    return mem_alloc(&set->visit_offsets, n + 1, sizeof *set->visit_offsets);
}

/* The subjects of samples [n] ascend. */
static int read_set(struct builder *b, int64_t n, const struct chosen_sample *samples, struct sample_set *set) {
    struct set_capacity capacity = {0};
    int64_t first = n ? samples[0].subject : 0, count = n ? samples[n - 1].subject - first + 1 : 0;
    cohort_free(&b->cohort);
    TRY(cohort_read(b->path, first, count, &b->cohort));
    TRY(make_set(set, b->data, n));
    for (int64_t i = 0; i < n; i++) TRY(add_sample(b, set, &samples[i], &capacity));
    return STATUS_OK;
}

/* Of a list that is trained on: as the sampler cuts it. */
static int deal_to_sampler(struct builder *b, int list, int64_t *first, double **cost, struct sample_set *set) {
    struct sampler sampler;
    int64_t n = b->choice.n[list];
    TRY(sampler_make(&sampler, b->comm, PARTITION_BLOCK, NULL, 0, 0, "samples", n, b->options->batch, b->cost[list]));
    int64_t n_local = sampler.n_local;
    *first = sampler.first;
    sampler_free(&sampler);
    *cost = b->cost[list];
    b->cost[list] = NULL;
    return read_set(b, n_local, b->choice.samples[list] + *first, set);
}

static int deal_all(struct builder *b) {
    struct ehr_data *d = b->data;
    d->n_train = b->choice.n[SPLIT_TRAIN];
    TRY(sample_choice_repeat(&b->choice, b->windows, &b->cost[LIST_PRETRAIN]));
    d->n_pretrain = b->choice.n[LIST_PRETRAIN];
    TRY(deal_to_sampler(b, SPLIT_TRAIN, &d->train_first, &d->train_cost, &d->sets[SPLIT_TRAIN]));
    if (d->n_pretrain) TRY(deal_to_sampler(b, LIST_PRETRAIN, &d->pretrain_first, &d->pretrain_cost, &d->pretrain));
    for (int s = SPLIT_TUNING; s < N_SPLITS; s++) {
        int64_t first, n;
        cut_by_cost(b->comm, b->choice.n[s], b->cost[s], &first, &n);
        TRY(read_set(b, n, b->choice.samples[s] + first, &d->sets[s]));
    }
    return STATUS_OK;
}

/* ---- the whole ---- */
static int open_tasks(struct builder *b, uint64_t seed) {
    TRY(cohort_read(b->path, 0, 0, &b->cohort));
    TRY(copy_codes(b));
    return sample_choice_make(&b->choice, b->path, &b->cohort, b->options, seed, b->data);
}

static int make(struct builder *b, uint64_t seed, const struct vector_source *source) {
    TRY(comm_agree(b->comm, open_tasks(b, seed)));
    TRY(look_together(b));
    if (source) TRY(find_vectors(b, source));
    int status = number_rows(b);
    if (status == STATUS_OK) status = deal_all(b);
    return comm_agree(b->comm, status);
}

int ehr_data_make(struct ehr_data *data, const struct comm *comm, const char *cohort, const struct ehr_options *options,
                  uint64_t seed, const struct vector_source *source) {
    struct builder b = {
        .comm = comm, .path = cohort, .options = options, .data = data, .train_only = source && source->train_only};
    *data = (struct ehr_data){0};
    int status = make(&b, seed, source);
    cohort_free(&b.cohort);
    sample_choice_free(&b.choice);
    for (int i = 0; i < N_LISTS; i++) free(b.cost[i]);
    free(b.tokens);
    free(b.windows);
    free(b.units);
    free(b.vector);
    history_free(&b.history);
    free(b.events);
    visits_free(&b.visits);
    timeline_free(&b.timeline);
    return status;
}

struct sample_history sample_set_history(const struct sample_set *set, int64_t i) {
    int64_t of = set->history ? set->history[i] : i;
    return (struct sample_history){.n = set->offsets[of + 1] - set->offsets[of],
                                   .n_static = set->n_static[of],
                                   .n_visits = set->visit_offsets[of + 1] - set->visit_offsets[of],
                                   .events = set->events + set->offsets[of],
                                   .visits = set->visits + set->visit_offsets[of],
                                   .birth_code = set->birth_code,
                                   .birth = set->birth[i],
                                   .time = set->time[i],
                                   .code_kind = set->code_kind};
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int is_medical(const struct ehr_data *d, int64_t code) {
    return d->code_kind[code] != CODE_KIND_FACT && d->code_kind[code] != CODE_KIND_VISIT;
}

int ehr_sample_codes(const struct ehr_data *d, const struct sample_set *set, int64_t i, struct sample_codes *codes) {
    struct sample_history h = sample_set_history(set, i);
    int64_t *list, n = 0, different = 0;
    *codes = (struct sample_codes){.frequency = -1};
    TRY(mem_alloc(&list, h.n + 1, sizeof *list));
    for (int64_t k = 0; k < h.n; k++)
        if (is_medical(d, h.events[k].code)) list[n++] = h.events[k].code;
    qsort(list, (size_t)n, sizeof *list, ascending);
    for (int64_t k = 0; k < n; k++)
        if (k == 0 || list[k] != list[k - 1]) list[different++] = list[k];
    for (int64_t k = 0; k < different; k++) {
        list[k] = d->in_train[list[k]];
        codes->unseen += list[k] == 0;
    }
    qsort(list, (size_t)different, sizeof *list, ascending);
    codes->n = different;
    if (different) codes->frequency = list[(different - 1) / 2];
    free(list);
    return STATUS_OK;
}

static void free_set(struct sample_set *set) {
    free(set->number);
    free(set->task);
    free(set->subject);
    free(set->birth);
    free(set->time);
    free(set->label);
    free(set->unseen);
    free(set->set_offsets);
    free(set->set);
    free(set->window);
    free(set->history);
    free(set->offsets);
    free(set->n_static);
    free(set->events);
    free(set->visit_offsets);
    free(set->visits);
}

void ehr_data_free(struct ehr_data *d) {
    for (int s = 0; s < N_SPLITS; s++) free_set(&d->sets[s]);
    free_set(&d->pretrain);
    for (int64_t t = 0; t < d->n_tasks; t++) {
        free(d->tasks[t].name);
        free(d->tasks[t].prior);
    }
    free(d->tasks);
    free(d->train_cost);
    free(d->pretrain_cost);
    free(d->vector);
    free(d->code);
    free(d->code_kind);
    free(d->in_train);
    free(d->row);
    *d = (struct ehr_data){0};
}
