/* The hash of a thing says which rank keeps its name; that one knows by which rank it was named first. */
#include "dist/shared_numbers.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/exchange.h"
#include "dist/gather.h"

void shared_numbers_free(struct shared_numbers *s) {
    free(s->number);
    free(s->home);
    free(s->at);
    *s = (struct shared_numbers){0};
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
    int64_t index; /* on the rank that names */
};
struct first_naming {
    int32_t rank, index;
};

/* Of namings[n], by rank as in first[size + 1]: who named each thing first. */
static int find_first(const struct naming *namings, int64_t n, const int64_t *first, int size,
                      struct first_naming *firsts) {
    int64_t n_slots = 16, *slots = NULL;
    while (n_slots < 2 * n) n_slots *= 2;
    TRY(mem_alloc(&slots, n_slots, sizeof *slots)); /* number of a naming + 1; 0: empty */
    for (int r = 0; r < size; r++)
        for (int64_t i = first[r]; i < first[r + 1]; i++) {
            uint64_t at = namings[i].name.low & (uint64_t)(n_slots - 1);
            while (slots[at] && memcmp(&namings[slots[at] - 1].name, &namings[i].name, sizeof namings[i].name) != 0)
                at = (at + 1) & (uint64_t)(n_slots - 1);
            if (!slots[at]) {
                slots[at] = i + 1;
                firsts[i] = (struct first_naming){r, (int32_t)namings[i].index};
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

static int name_things(struct shared_numbers *s, int size, const struct shared_name *names, struct sorted *sorted,
                       struct naming **namings) {
    TRY(mem_alloc(&s->number, s->n_own, sizeof *s->number));
    TRY(mem_alloc(&s->home, s->n_own, sizeof *s->home));
    TRY(mem_alloc(&s->at, s->n_own, sizeof *s->at));
    for (int64_t i = 0; i < s->n_own; i++)
        s->home[i] = (int32_t)(names[i].high % (uint64_t)size); /* for now the keeper */
    TRY(sort_by_rank(sorted, size, s->n_own, s->home));
    TRY(mem_alloc(namings, s->n_own, sizeof **namings));
    for (int64_t k = 0; k < s->n_own; k++) (*namings)[k] = (struct naming){names[sorted->order[k]], sorted->order[k]};
    return STATUS_OK;
}

static int find_homes(struct shared_numbers *s, const struct comm *comm, const struct shared_name *names, int status) {
    struct sorted sorted = {0};
    struct naming *namings = NULL;
    struct received_rows asked = {0}, answers = {0};
    struct first_naming *firsts = NULL;
    if (status == STATUS_OK) status = name_things(s, comm->size, names, &sorted, &namings);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_exchange_rows(comm, sizeof *namings, sorted.count, namings, &asked));
    status = mem_alloc(&firsts, asked.n, sizeof *firsts);
    if (status == STATUS_OK)
        status = find_first((const struct naming *)(const void *)asked.rows, asked.n, asked.first, comm->size, firsts);
    TRY_DONE(answer(comm, &asked, sizeof *firsts, firsts, &answers, status));
    for (int64_t k = 0; k < s->n_own; k++) {
        struct first_naming first;
        memcpy(&first, answers.rows + k * (int64_t)sizeof first, sizeof first);
        s->home[sorted.order[k]] = first.rank;
        s->at[sorted.order[k]] = first.index;
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
int shared_numbers_look_up(const struct shared_numbers *s, const struct comm *comm, int64_t *values) {
    struct sorted sorted = {0};
    struct received_rows asked = {0}, answers = {0};
    int32_t *to = NULL, *at = NULL;
    int64_t *known = NULL, n_asked = 0;
    if (comm->size == 1) return STATUS_OK;
    int status = mem_alloc(&to, s->n_own, sizeof *to);
    if (status == STATUS_OK) status = mem_alloc(&at, s->n_own, sizeof *at);
    for (int64_t i = 0; i < s->n_own && status == STATUS_OK; i++)
        to[i] = shared_numbers_is_first(s, comm, i) ? -1 : s->home[i];
    if (status == STATUS_OK) status = sort_by_rank(&sorted, comm->size, s->n_own, to);
    TRY_DONE(comm_agree(comm, status));
    n_asked = sum(sorted.count, comm->size);
    for (int64_t k = 0; k < n_asked; k++) at[k] = s->at[sorted.order[k]];
    TRY_DONE(comm_exchange_rows(comm, sizeof *at, sorted.count, at, &asked));
    status = mem_alloc(&known, asked.n, sizeof *known);
    for (int64_t k = 0; k < asked.n && status == STATUS_OK; k++)
        known[k] = values[((const int32_t *)(const void *)asked.rows)[k]];
    TRY_DONE(answer(comm, &asked, sizeof *known, known, &answers, status));
    for (int64_t k = 0; k < n_asked; k++)
        memcpy(&values[sorted.order[k]], answers.rows + k * (int64_t)sizeof *values, sizeof *values);
done:
    sorted_free(&sorted);
    free(to);
    free(at);
    free(known);
    received_rows_free(&asked);
    received_rows_free(&answers);
    return status;
}

/* Collective: the numbers of those that are first here. */
static int count_firsts(struct shared_numbers *s, const struct comm *comm) {
    int64_t *counts = NULL, n_ranks;
    for (int64_t i = 0; i < s->n_own; i++) s->count += shared_numbers_is_first(s, comm, i);
    TRY(comm_gather_rows(comm, 1, sizeof s->count, &s->count, &n_ranks, &counts));
    for (int r = 0; r < comm->rank; r++) s->first += counts[r];
    s->n = sum(counts, comm->size);
    free(counts);
    return s->n <= INT32_MAX ? STATUS_OK : status_set(STATUS_FAILED, "more than 2^31 - 1 different texts or words");
}

static int number_things(struct shared_numbers *s, const struct comm *comm) {
    int64_t *values = NULL, next;
    int status;
    TRY_DONE(count_firsts(s, comm));
    TRY_DONE(comm_agree(comm, mem_alloc(&values, s->n_own, sizeof *values)));
    next = s->first;
    for (int64_t i = 0; i < s->n_own; i++)
        if (shared_numbers_is_first(s, comm, i)) values[i] = next++;
    TRY_DONE(shared_numbers_look_up(s, comm, values));
    for (int64_t i = 0; i < s->n_own; i++) s->number[i] = (int32_t)values[i];
done:
    free(values);
    return status;
}

int shared_numbers_make(struct shared_numbers *s, const struct comm *comm, int64_t n_own,
                        const struct shared_name *names, int status) {
    *s = (struct shared_numbers){.n_own = n_own};
    if (status == STATUS_OK && n_own > INT32_MAX)
        status = status_set(STATUS_FAILED, "more than 2^31 - 1 different texts or words");
    status = find_homes(s, comm, names, status);
    return status == STATUS_OK ? number_things(s, comm) : status;
}
