/* The hash of a thing says which rank keeps its name; that one knows by which rank it was named first. */
#include "dist/shared_numbers.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/exchange.h"

/* The arrays of all kinds are one, kind after kind. */
void shared_numbers_free(struct shared_numbers *kinds) {
    free(kinds->number);
    free(kinds->home);
    free(kinds->at);
    *kinds = (struct shared_numbers){0};
}

/* The things of this rank of the kinds before kind k. */
static int64_t own_before(const struct shared_numbers *kinds, int k) {
    int64_t n = 0;
    for (int i = 0; i < k; i++) n += kinds[i].n_own;
    return n;
}

/* A thing of this rank: its kind, and its index within that. */
struct thing {
    int32_t kind, index;
};

static struct thing thing_of(const struct shared_numbers *kinds, int64_t i) {
    struct thing thing = {0};
    for (; i >= kinds[thing.kind].n_own; thing.kind++) i -= kinds[thing.kind].n_own;
    thing.index = (int32_t)i;
    return thing;
}

/* ---- rows by the rank that they go to ---- */
struct sorted {
    int64_t *count, *order; /* [size] rows for each rank; [n] their indices, by rank, ascending */
};

static void sorted_free(struct sorted *s) {
    free(s->count);
    free(s->order);
}

/* to[n]: the rank of each; -1: of none. */
static int sort_by_rank(struct sorted *s, int size, int64_t n, const int32_t *to) {
    int64_t *next = NULL;
    TRY(mem_alloc(&s->count, size, sizeof *s->count));
    TRY(mem_alloc(&s->order, n, sizeof *s->order));
    TRY(mem_alloc(&next, size, sizeof *next));
    for (int64_t i = 0; i < n; i++)
        if (to[i] >= 0) s->count[to[i]]++;
    for (int r = 1; r < size; r++) next[r] = next[r - 1] + s->count[r - 1];
    for (int64_t i = 0; i < n; i++)
        if (to[i] >= 0) s->order[next[to[i]]++] = i;
    free(next);
    return STATUS_OK;
}

static int64_t sum(const int64_t *count, int size) {
    int64_t n = 0;
    for (int r = 0; r < size; r++) n += count[r];
    return n;
}

/* ---- who was first ---- */
struct naming {
    struct shared_name name;
    struct thing thing; /* on the rank that names */
};
struct first_naming {
    int32_t rank, index;
};

static int is_same(const struct naming *a, const struct naming *b) {
    return a->thing.kind == b->thing.kind && memcmp(&a->name, &b->name, sizeof a->name) == 0;
}

/* Of namings[n], by rank as in first[size + 1]: who named each thing first. */
static int find_first(const struct naming *namings, int64_t n, const int64_t *first, int size,
                      struct first_naming *firsts) {
    int64_t n_slots = 16, *slots = NULL;
    while (n_slots < 2 * n) n_slots *= 2;
    TRY(mem_alloc(&slots, n_slots, sizeof *slots)); /* number of a naming + 1; 0: empty */
    for (int r = 0; r < size; r++)
        for (int64_t i = first[r]; i < first[r + 1]; i++) {
            uint64_t at = namings[i].name.low & (uint64_t)(n_slots - 1);
            while (slots[at] && !is_same(&namings[slots[at] - 1], &namings[i])) at = (at + 1) & (uint64_t)(n_slots - 1);
            if (!slots[at]) {
                slots[at] = i + 1;
                firsts[i] = (struct first_naming){r, namings[i].thing.index};
            } else {
                firsts[i] = firsts[slots[at] - 1];
            }
        }
    free(slots);
    return STATUS_OK;
}

/* Rows back to those who asked, as many as each asked. */
static int answer(const struct comm *comm, const struct received_rows *asked, int64_t row_bytes, const void *rows,
                  struct received_rows *answers, int status) {
    int64_t *count = NULL;
    if (status == STATUS_OK) status = mem_alloc(&count, comm->size, sizeof *count);
    status = comm_agree(comm, status);
    for (int r = 0; r < comm->size && status == STATUS_OK; r++) count[r] = asked->first[r + 1] - asked->first[r];
    if (status == STATUS_OK) status = comm_exchange_rows(comm, row_bytes, count, rows, answers);
    free(count);
    return status;
}

static int allocate(struct shared_numbers *kinds, int n_kinds) {
    int64_t n = own_before(kinds, n_kinds);
    TRY(mem_alloc(&kinds->number, n, sizeof *kinds->number));
    TRY(mem_alloc(&kinds->home, n, sizeof *kinds->home));
    TRY(mem_alloc(&kinds->at, n, sizeof *kinds->at));
    for (int k = 1; k < n_kinds; k++) {
        kinds[k].number = kinds[k - 1].number + kinds[k - 1].n_own;
        kinds[k].home = kinds[k - 1].home + kinds[k - 1].n_own;
        kinds[k].at = kinds[k - 1].at + kinds[k - 1].n_own;
    }
    return STATUS_OK;
}

static int name_things(struct shared_numbers *kinds, int n_kinds, int size, const struct shared_name *names,
                       struct sorted *sorted, struct naming **namings) {
    int64_t n = own_before(kinds, n_kinds);
    TRY(allocate(kinds, n_kinds));
    for (int64_t i = 0; i < n; i++) kinds->home[i] = (int32_t)(names[i].high % (uint64_t)size); /* for now the keeper */
    TRY(sort_by_rank(sorted, size, n, kinds->home));
    TRY(mem_alloc(namings, n, sizeof **namings));
    for (int64_t k = 0; k < n; k++)
        (*namings)[k] = (struct naming){names[sorted->order[k]], thing_of(kinds, sorted->order[k])};
    return STATUS_OK;
}

/* A rank alone has seen each thing once. */
static int all_are_first(struct shared_numbers *kinds, int n_kinds) {
    TRY(allocate(kinds, n_kinds));
    for (int64_t i = 0, n = own_before(kinds, n_kinds); i < n; i++) kinds->at[i] = thing_of(kinds, i).index;
    return STATUS_OK;
}

static int find_homes(struct shared_numbers *kinds, const struct comm *comm, int n_kinds,
                      const struct shared_name *names, int status) {
    struct sorted sorted = {0};
    struct naming *namings = NULL;
    struct received_rows asked = {0}, answers = {0};
    struct first_naming *firsts = NULL;
    int64_t n = own_before(kinds, n_kinds);
    if (comm->size == 1) return status == STATUS_OK ? all_are_first(kinds, n_kinds) : status;
    if (status == STATUS_OK) status = name_things(kinds, n_kinds, comm->size, names, &sorted, &namings);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_exchange_rows(comm, sizeof *namings, sorted.count, namings, &asked));
    status = mem_alloc(&firsts, asked.n, sizeof *firsts);
    if (status == STATUS_OK)
        status = find_first((const struct naming *)(const void *)asked.rows, asked.n, asked.first, comm->size, firsts);
    TRY_DONE(answer(comm, &asked, sizeof *firsts, firsts, &answers, status));
    for (int64_t k = 0; k < n; k++) {
        struct first_naming first;
        memcpy(&first, answers.rows + k * (int64_t)sizeof first, sizeof first);
        kinds->home[sorted.order[k]] = first.rank;
        kinds->at[sorted.order[k]] = first.index;
    }
done:
    sorted_free(&sorted);
    free(namings);
    free(firsts);
    received_rows_free(&asked);
    received_rows_free(&answers);
    return status;
}

/* ---- what the first ones know ---- */
/* The others of n things, by the ranks that know: questions[n]. */
static int make_questions(const struct shared_numbers *kinds, const struct comm *comm, int64_t n, struct sorted *sorted,
                          struct thing **questions) {
    int32_t *to = NULL;
    int status = mem_alloc(&to, n, sizeof *to);
    if (status == STATUS_OK) status = mem_alloc(questions, n, sizeof **questions);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++)
        to[i] = shared_numbers_is_first(kinds, comm, i) ? -1 : kinds->home[i];
    if (status == STATUS_OK) status = sort_by_rank(sorted, comm->size, n, to);
    free(to);
    for (int64_t k = 0, n_asked = status == STATUS_OK ? sum(sorted->count, comm->size) : 0; k < n_asked; k++) {
        int64_t i = sorted->order[k];
        (*questions)[k] = (struct thing){thing_of(kinds, i).kind, kinds->at[i]};
    }
    return status;
}

/* values: of the things of all these kinds. */
static int look_up(const struct shared_numbers *kinds, int n_kinds, const struct comm *comm, int64_t *values) {
    struct sorted sorted = {0};
    struct received_rows asked = {0}, answers = {0};
    struct thing *questions = NULL;
    int64_t *known = NULL;
    if (comm->size == 1) return STATUS_OK;
    int status = make_questions(kinds, comm, own_before(kinds, n_kinds), &sorted, &questions);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_exchange_rows(comm, sizeof *questions, sorted.count, questions, &asked));
    status = mem_alloc(&known, asked.n, sizeof *known);
    for (int64_t k = 0; k < asked.n && status == STATUS_OK; k++) {
        const struct thing *thing = (const struct thing *)(const void *)asked.rows + k;
        known[k] = values[own_before(kinds, thing->kind) + thing->index];
    }
    TRY_DONE(answer(comm, &asked, sizeof *known, known, &answers, status));
    for (int64_t k = 0; k < answers.n; k++)
        memcpy(&values[sorted.order[k]], answers.rows + k * (int64_t)sizeof *values, sizeof *values);
done:
    sorted_free(&sorted);
    free(questions);
    free(known);
    received_rows_free(&asked);
    received_rows_free(&answers);
    return status;
}

int shared_numbers_look_up(const struct shared_numbers *numbers, const struct comm *comm, int64_t *values) {
    return look_up(numbers, 1, comm, values);
}

/* Collective: the numbers of those that are first here. counts, before, all [n_kinds]: scratch. */
static int count_firsts(struct shared_numbers *kinds, const struct comm *comm, int n_kinds, int64_t *counts,
                        int64_t *before, int64_t *all) {
    for (int k = 0; k < n_kinds; k++)
        for (int64_t i = 0; i < kinds[k].n_own; i++) counts[k] += shared_numbers_is_first(&kinds[k], comm, i);
    TRY(comm_sum_before(comm, n_kinds, counts, before, all));
    for (int k = 0; k < n_kinds; k++) {
        kinds[k].first = before[k];
        kinds[k].count = counts[k];
        kinds[k].n = all[k];
        if (all[k] > INT32_MAX) return status_set(STATUS_FAILED, "more than 2^31 - 1 different texts or words");
    }
    return STATUS_OK;
}

static int number_things(struct shared_numbers *kinds, const struct comm *comm, int n_kinds) {
    int64_t *values = NULL, *counts = NULL, n = own_before(kinds, n_kinds), at = 0;
    int status = mem_alloc(&values, n, sizeof *values);
    if (status == STATUS_OK) status = mem_alloc(&counts, 3 * (int64_t)n_kinds, sizeof *counts);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(count_firsts(kinds, comm, n_kinds, counts, counts + n_kinds, counts + 2 * n_kinds));
    for (int k = 0; k < n_kinds; k++)
        for (int64_t i = 0, next = kinds[k].first; i < kinds[k].n_own; i++, at++)
            if (shared_numbers_is_first(&kinds[k], comm, i)) values[at] = next++;
    TRY_DONE(look_up(kinds, n_kinds, comm, values));
    for (int64_t i = 0; i < n; i++) kinds->number[i] = (int32_t)values[i];
done:
    free(values);
    free(counts);
    return status;
}

int shared_numbers_make(struct shared_numbers *kinds, const struct comm *comm, int n_kinds, const int64_t *n_own,
                        const struct shared_name *names, int status) {
    for (int k = 0; k < n_kinds; k++) {
        kinds[k] = (struct shared_numbers){.n_own = status == STATUS_OK ? n_own[k] : 0};
        if (status == STATUS_OK && n_own[k] > INT32_MAX)
            status = status_set(STATUS_FAILED, "more than 2^31 - 1 different texts or words");
    }
    status = find_homes(kinds, comm, n_kinds, names, status);
    return status == STATUS_OK ? number_things(kinds, comm, n_kinds) : status;
}
