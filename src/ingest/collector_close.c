/* When all files are read: the lists that every rank has, of subjects and of codes. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dist/gather.h"
#include "ingest/collector_internal.h"
#include "store/cohort.h"

#define ASCENDING(a, b) (((a) > (b)) - ((a) < (b)))

/* ---- subjects ---- */
static int subject_order(const void *a, const void *b) {
    const struct held_subject *x = a, *y = b;
    if (x->subject != y->subject) return ASCENDING(x->subject, y->subject);
    return x->adds != y->adds ? ASCENDING(x->adds, y->adds) : ASCENDING(x->at, y->at);
}

/* Faults of subjects are told by rank 0: every rank sees them. */
#define SUBJECT_FAULT(collector, at, ...)                                                                              \
    ((collector)->comm->rank == 0 ? collector_fault(collector, at, __VA_ARGS__) : STATUS_OK)

/* A birth that one row of a subject gives and another gave before. */
static int take_birth(struct record_collector *c, const struct held_subject *row, uint64_t *from, int64_t *known) {
    char place[FAULT_TEXT_BYTES], one[40], other[40];
    if (row->birth == COHORT_NO_TIME || row->birth == *known) return STATUS_OK;
    if (*known == COHORT_NO_TIME) {
        *known = row->birth;
        *from = row->at;
        return STATUS_OK;
    }
    row_position_text(c->faults.files, position_of(*from), place, sizeof place);
    cohort_time_text(row->birth, one);
    cohort_time_text(*known, other);
    return SUBJECT_FAULT(c, row->at, "subject %lld is born at %s, but at %s in %s", (long long)row->subject, one, other,
                         place);
}

/* An exact time wins over a day, which is its end; of two alike the earlier one. */
static void take_death(const struct held_subject *row, uint64_t *from, int64_t *known) {
    if (row->death == COHORT_NO_TIME) return;
    int is_day = position_precision(row->at) == TIME_DAY, known_day = position_precision(*from) == TIME_DAY;
    int64_t death = is_day ? end_of_day(row->death) : row->death;
    if (*known != COHORT_NO_TIME && (is_day != known_day ? is_day : death >= *known)) return;
    *known = death;
    *from = row->at;
}

static int take_split(struct record_collector *c, const struct held_subject *row, uint64_t *from, int32_t *known) {
    char place[FAULT_TEXT_BYTES];
    if (row->split < 0 || row->split == *known) return STATUS_OK;
    if (*known < 0) {
        *known = row->split;
        *from = row->at;
        return STATUS_OK;
    }
    row_position_text(c->faults.files, position_of(*from), place, sizeof place);
    return SUBJECT_FAULT(c, row->at, "subject %lld is in the split %s, but in %s in %s: a subject is in one",
                         (long long)row->subject, SPLIT_NAMES[row->split], SPLIT_NAMES[*known], place);
}

/* Whether a row is the subject's own second one. */
static int is_second(struct record_collector *c, const struct held_subject *first, const struct held_subject *row,
                     int *second) {
    char place[FAULT_TEXT_BYTES];
    *second = !row->adds && row != first && (row->split < 0 || row->split == first->split);
    if (!*second) return STATUS_OK;
    row_position_text(c->faults.files, position_of(first->at), place, sizeof place);
    return SUBJECT_FAULT(c, row->at, "subject %lld stands here again: it stands in %s", (long long)row->subject, place);
}

/* All rows [n] of one subject, its own first. */
static int merge_subject(struct record_collector *c, const struct held_subject *rows, int64_t n,
                         struct held_subject *merged) {
    uint64_t birth_from = 0, death_from = 0, split_from = 0;
    *merged = (struct held_subject){
        .subject = rows->subject, .birth = COHORT_NO_TIME, .death = COHORT_NO_TIME, .at = rows->at, .split = -1};
    for (int64_t i = 0; i < n; i++) {
        int second;
        TRY(is_second(c, rows, &rows[i], &second));
        if (second) continue;
        TRY(take_birth(c, &rows[i], &birth_from, &merged->birth));
        take_death(&rows[i], &death_from, &merged->death);
        TRY(take_split(c, &rows[i], &split_from, &merged->split));
    }
    if (merged->death == COHORT_NO_TIME || merged->death >= merged->birth) return STATUS_OK;
    char birth[40], death[40];
    cohort_time_text(merged->birth, birth);
    cohort_time_text(merged->death, death);
    merged->death = COHORT_NO_TIME;
    return SUBJECT_FAULT(c, death_from, "subject %lld died at %s, before its birth at %s", (long long)rows->subject,
                         death, birth);
}

/* The split by a number of the subject alone and of the seed. */
static int drawn_split(const struct record_collector *c, int64_t subject) {
    double u = rng_uniform(c->options.seed, RNG_SPLIT, 0, (uint64_t)subject), sum = 0, total = 0;
    int split = 0;
    for (int s = 0; s < N_SPLITS; s++) total += c->options.share[s];
    while (split < N_SPLITS - 1 && u * total >= (sum += c->options.share[split])) split++;
    return split;
}

static int keep_subjects(struct record_collector *c, const struct held_subject *subjects, int64_t n, int given) {
    int64_t *subject, *birth, *death;
    uint8_t *split;
    struct collected *d = &c->collected;
    TRY(mem_alloc(&subject, n, sizeof *subject));
    d->subject = subject;
    TRY(mem_alloc(&birth, n, sizeof *birth));
    d->birth = birth;
    TRY(mem_alloc(&death, n, sizeof *death));
    d->death = death;
    TRY(mem_alloc(&split, n, sizeof *split));
    d->split = split;
    d->n_subjects = n;
    for (int64_t i = 0; i < n; i++) {
        subject[i] = subjects[i].subject;
        birth[i] = subjects[i].birth;
        death[i] = subjects[i].death;
        split[i] = (uint8_t)(given && subjects[i].split >= 0 ? subjects[i].split : drawn_split(c, subject[i]));
        if (given && subjects[i].split < 0)
            TRY(SUBJECT_FAULT(c, subjects[i].at, "subject %lld has no split, but others have", (long long)subject[i]));
    }
    return STATUS_OK;
}

/* Sorted rows [n] become subjects, in their place; given: some have a split. */
static int merge_all(struct record_collector *c, struct held_subject *rows, int64_t n, int64_t *n_subjects,
                     int *given) {
    int64_t end;
    *n_subjects = *given = 0;
    for (int64_t i = 0; i < n; i = end) {
        struct held_subject merged;
        for (end = i + 1; end < n && rows[end].subject == rows[i].subject;) end++;
        if (rows[i].adds) {
            for (int64_t k = i; k < end; k++)
                TRY(SUBJECT_FAULT(c, rows[k].at, "subject %lld does not stand in %s", (long long)rows[k].subject,
                                  c->options.subjects_from));
            continue;
        }
        TRY(merge_subject(c, rows + i, end - i, &merged));
        *given |= merged.split >= 0;
        rows[(*n_subjects)++] = merged;
    }
    if (*n_subjects == 0) return status_set(STATUS_FAILED, "there is no subject in %s", c->options.subjects_from);
    return STATUS_OK;
}

int collector_close_subjects(struct record_collector *c) {
    struct held_subject *all = NULL;
    int64_t n = 0, n_subjects;
    int given;
    TRY(comm_gather_rows(c->comm, c->n_subjects, sizeof *all, c->subjects, &n, &all));
    if (n) qsort(all, (size_t)n, sizeof *all, subject_order);
    int status = merge_all(c, all, n, &n_subjects, &given);
    if (status == STATUS_OK) status = keep_subjects(c, all, n_subjects, given);
    free(all);
    free(c->subjects);
    c->subjects = NULL;
    return comm_agree(c->comm, status);
}

/* ---- texts of all ranks ---- */
struct text {
    const char *bytes;
    int64_t size;
    int32_t number;
};

static int text_order(const void *a, const void *b) {
    const struct text *x = a, *y = b;
    int64_t n = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->bytes, y->bytes, (size_t)n);
    return order ? order : ASCENDING(x->size, y->size);
}

/* Texts of one dictionary, in ascending order in another. */
static int sort_texts(const struct dictionary *unsorted, struct dictionary *sorted) {
    struct text *texts;
    int32_t number;
    TRY(mem_alloc(&texts, unsorted->n, sizeof *texts));
    for (int64_t i = 0; i < unsorted->n; i++)
        texts[i] = (struct text){unsorted->bytes + unsorted->offsets[i],
                                 unsorted->offsets[i + 1] - unsorted->offsets[i], (int32_t)i};
    if (unsorted->n) qsort(texts, (size_t)unsorted->n, sizeof *texts, text_order);
    int status = STATUS_OK;
    for (int64_t i = 0; i < unsorted->n && status == STATUS_OK; i++)
        status = dictionary_add(sorted, texts[i].bytes, texts[i].size, &number);
    free(texts);
    return status;
}

int collector_gather_texts(const struct comm *comm, const struct dictionary *local, struct dictionary *all,
                           int32_t *number) {
    struct dictionary unsorted = {0};
    int64_t *sizes = NULL, *all_sizes = NULL, n, n_bytes, at = 0;
    char *bytes = NULL;
    int32_t some;
    int status = mem_alloc(&sizes, local->n, sizeof *sizes);
    for (int64_t i = 0; i < local->n && status == STATUS_OK; i++) sizes[i] = local->offsets[i + 1] - local->offsets[i];
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_gather_rows(comm, local->n, sizeof *sizes, sizes, &n, &all_sizes));
    TRY_DONE(comm_gather_rows(comm, local->n ? local->offsets[local->n] : 0, 1, local->bytes, &n_bytes, &bytes));
    for (int64_t i = 0; i < n && status == STATUS_OK; at += all_sizes[i++])
        status = dictionary_add(&unsorted, bytes + at, all_sizes[i], &some);
    if (status == STATUS_OK) status = sort_texts(&unsorted, all);
    for (int64_t i = 0; i < local->n && status == STATUS_OK; i++)
        number[i] = dictionary_find(all, local->bytes + local->offsets[i], sizes[i]);
    status = comm_agree(comm, status);
done:
    dictionary_free(&unsorted);
    free(sizes);
    free(all_sizes);
    free(bytes);
    return status;
}

/* ---- codes ---- */
/* Every code stays as it is. */
static int targets_identity(struct code_targets *t, const struct dictionary *codes) {
    t->n = t->n_targets = codes->n;
    TRY(mem_alloc(&t->offsets, codes->n + 1, sizeof *t->offsets));
    TRY(mem_alloc(&t->target, codes->n, sizeof *t->target));
    for (int64_t i = 0; i < codes->n; i++) {
        t->offsets[i + 1] = i + 1;
        TRY(dictionary_add(&t->names, codes->bytes + codes->offsets[i], codes->offsets[i + 1] - codes->offsets[i],
                           &t->target[i]));
    }
    return STATUS_OK;
}

/* The codes of births, deaths, and begins and ends of visits, where there are any. */
static int add_made_codes(struct record_collector *c) {
    int32_t number;
    int born = 0, died = 0;
    for (int64_t i = 0; i < c->collected.n_subjects; i++) {
        born |= c->collected.birth[i] != COHORT_NO_TIME;
        died |= c->collected.death[i] != COHORT_NO_TIME;
    }
    if (!(c->options.kinds >> CODE_KIND_FACT & 1)) return STATUS_OK;
    if (born) TRY(collector_add_code(c, CODE_KIND_FACT, "MEDS_BIRTH", 10, &number));
    if (died) TRY(collector_add_code(c, CODE_KIND_FACT, "MEDS_DEATH", 10, &number));
    return STATUS_OK;
}

/* Names [n] in ascending order: rows of one text, and the place [n] of each. */
static int pack_codes(struct record_collector *c, const struct dictionary *names, int32_t *place) {
    struct text *texts;
    char *packed = NULL;
    struct collected *d = &c->collected;
    d->n_codes = names->n;
    d->code_bytes = 1;
    TRY(mem_alloc(&texts, names->n, sizeof *texts));
    for (int64_t i = 0; i < names->n; i++) {
        texts[i] =
            (struct text){names->bytes + names->offsets[i], names->offsets[i + 1] - names->offsets[i], (int32_t)i};
        if (texts[i].size + 1 > d->code_bytes) d->code_bytes = texts[i].size + 1;
    }
    if (names->n) qsort(texts, (size_t)names->n, sizeof *texts, text_order);
    int status = mem_alloc(&packed, names->n, d->code_bytes);
    for (int64_t i = 0; i < names->n && status == STATUS_OK; i++) {
        memcpy(packed + i * d->code_bytes, texts[i].bytes, (size_t)texts[i].size);
        place[texts[i].number] = (int32_t)i;
    }
    d->code = packed;
    free(texts);
    return status;
}

/* The kind of a code: of those of its sources the first but OTHER. */
static int take_kinds(struct record_collector *c, const struct dictionary *sources) {
    uint8_t *kind;
    TRY(mem_alloc(&kind, c->collected.n_codes, sizeof *kind));
    c->collected.code_kind = kind;
    for (int64_t i = 0; i < sources->n; i++)
        for (int64_t k = c->numbers.offsets[i]; k < c->numbers.offsets[i + 1]; k++) {
            uint8_t *have = &kind[c->numbers.target[k]], one = (uint8_t)sources->bytes[sources->offsets[i]];
            if (*have == CODE_KIND_OTHER || (one != CODE_KIND_OTHER && one < *have)) *have = one;
        }
    return STATUS_OK;
}

/* From sources (a kind and a code) to codes (names of targets, in order). */
static int number_codes(struct record_collector *c, const struct dictionary *sources, const struct dictionary *codes,
                        const struct code_targets *targets, const int32_t *place) {
    struct code_numbers *numbers = &c->numbers;
    long long capacity = 0;
    int64_t n = 0;
    numbers->n = sources->n;
    TRY(mem_alloc(&numbers->offsets, sources->n + 1, sizeof *numbers->offsets));
    for (int64_t i = 0; i < sources->n; i++) {
        int64_t at = sources->offsets[i] + 1;
        int32_t code = dictionary_find(codes, sources->bytes + at, sources->offsets[i + 1] - at);
        int64_t first = targets->offsets[code], count = targets->offsets[code + 1] - first;
        TRY(mem_grow(&numbers->target, &capacity, n + count, sizeof *numbers->target));
        for (int64_t k = 0; k < count; k++) numbers->target[n++] = place[targets->target[first + k]];
        numbers->offsets[i + 1] = n;
    }
    return STATUS_OK;
}

/* Codes alone, without kinds, of sources. */
static int plain_codes(const struct dictionary *sources, struct dictionary *codes) {
    struct dictionary unsorted = {0};
    int32_t number;
    int status = STATUS_OK;
    for (int64_t i = 0; i < sources->n && status == STATUS_OK; i++) {
        int64_t at = sources->offsets[i] + 1;
        status = dictionary_add(&unsorted, sources->bytes + at, sources->offsets[i + 1] - at, &number);
    }
    if (status == STATUS_OK) status = sort_texts(&unsorted, codes);
    dictionary_free(&unsorted);
    return status;
}

static int32_t find_made(const struct dictionary *sources, enum code_kind kind, const char *code) {
    char key[64];
    key[0] = (char)kind;
    strcpy(key + 1, code);
    return dictionary_find(sources, key, (int64_t)strlen(code) + 1);
}

static void find_made_codes(struct record_collector *c) {
    const struct dictionary *sources = &c->numbers.sources;
    char name[64];
    c->birth_code = find_made(sources, CODE_KIND_FACT, "MEDS_BIRTH");
    c->death_code = find_made(sources, CODE_KIND_FACT, "MEDS_DEATH");
    for (int kind = 0; kind < N_VISIT_KINDS; kind++)
        for (int end = 0; end < 2; end++) {
            collector_visit_code((enum visit_kind)kind, end, name);
            c->visit_code[kind][end] = find_made(sources, CODE_KIND_VISIT, name);
        }
}

/* ---- events of train ---- */
struct counting {
    const struct record_collector *collector;
    int64_t *count;  /* [n_codes] */
    int64_t subject; /* in hand */
    int in_train;
};

static void count_event(void *self, const void *record) {
    struct counting *n = self;
    const struct held_event *e = record;
    const struct code_numbers *numbers = &n->collector->numbers;
    if (e->subject != n->subject) {
        int64_t index = collector_find(n->collector, e->subject);
        n->subject = e->subject;
        n->in_train = index >= 0 && n->collector->collected.split[index] == SPLIT_TRAIN;
    }
    if (!n->in_train) return;
    int32_t source = numbers->of_local[e->code];
    for (int64_t k = numbers->offsets[source]; k < numbers->offsets[source + 1]; k++) n->count[numbers->target[k]]++;
}

/* Collective. */
static int count_train(struct record_collector *c) {
    struct counting counting = {.collector = c, .subject = INT64_MIN};
    int status = mem_alloc(&counting.count, c->collected.n_codes, sizeof *counting.count);
    c->collected.train_count = counting.count;
    if (status == STATUS_OK) status = subject_runs_each(&c->events, &counting, count_event);
    TRY(comm_agree(c->comm, status));
    return comm_sum_int64(c->comm, counting.count, c->collected.n_codes);
}

int collector_close_codes(struct record_collector *c, const struct source_code_rules *rules) {
    struct dictionary codes = {0};
    struct code_targets targets = {0};
    int32_t *place = NULL;
    int status = add_made_codes(c);
    if (status == STATUS_OK) status = mem_alloc(&c->numbers.of_local, c->codes.n, sizeof *c->numbers.of_local);
    TRY_DONE(comm_agree(c->comm, status));
    struct dictionary *sources = &c->numbers.sources;
    TRY_DONE(collector_gather_texts(c->comm, &c->codes, sources, c->numbers.of_local));
    status = plain_codes(sources, &codes);
    if (status == STATUS_OK)
        status = rules ? code_targets_make(&targets, rules, &codes) : targets_identity(&targets, &codes);
    if (status == STATUS_OK) status = mem_alloc(&place, targets.names.n, sizeof *place);
    if (status == STATUS_OK) status = pack_codes(c, &targets.names, place);
    if (status == STATUS_OK) status = number_codes(c, sources, &codes, &targets, place);
    if (status == STATUS_OK) status = take_kinds(c, sources);
    if (status == STATUS_OK) find_made_codes(c);
    TRY_DONE(comm_agree(c->comm, status));
    status = count_train(c);
done:
    dictionary_free(&codes);
    code_targets_free(&targets);
    free(place);
    return status;
}
