/* Ids of visits that several subjects claim. Claims are dealt to ranks by their ids, in as many rounds as the memory asks for, and what is found
 * is known to every rank afterwards. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/exchange.h"
#include "dist/gather.h"
#include "ingest/collector_internal.h"
#include "store/cohort.h"

#define ASCENDING(a, b) (((a) > (b)) - ((a) < (b)))

struct claim {
    int64_t id, subject;
    uint64_t at;
};

struct claims {
    const struct record_collector *collector;
    int64_t round, n_rounds;
    struct claim *rows, *dealt; /* [n] as they come, and by the rank that they go to */
    long long n, rows_capacity, dealt_capacity;
    int64_t *count, *next; /* [size] */
    int status;
    struct foreign_visit *found;
    long long n_found, found_capacity;
};

static uint64_t scatter(int64_t id) { return ((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15)) >> 20; }

static int goes_to(const struct claims *c, int64_t id) {
    return (int)(scatter(id) / (uint64_t)c->n_rounds % (uint64_t)c->collector->comm->size);
}

/* A visit of a subject that is known, if its id is of this round. */
static void claim(void *self, const void *record) {
    struct claims *c = self;
    const struct held_visit *v = record;
    if (c->status != STATUS_OK || v->visit.id == COHORT_NO_VISIT) return;
    if ((int64_t)(scatter(v->visit.id) % (uint64_t)c->n_rounds) != c->round) return;
    if (collector_find(c->collector, v->subject) < 0) return;
    c->status = mem_grow(&c->rows, &c->rows_capacity, c->n + 1, sizeof *c->rows);
    if (c->status == STATUS_OK) c->rows[c->n++] = (struct claim){v->visit.id, v->subject, v->at};
}

static int deal(struct claims *c, struct subject_runs *visits) {
    int size = c->collector->comm->size;
    c->n = 0;
    TRY(subject_runs_each(visits, c, claim));
    TRY(c->status);
    TRY(mem_grow(&c->dealt, &c->dealt_capacity, c->n, sizeof *c->dealt));
    memset(c->count, 0, (size_t)size * sizeof *c->count);
    for (int64_t i = 0; i < c->n; i++) c->count[goes_to(c, c->rows[i].id)]++;
    c->next[0] = 0;
    for (int r = 1; r < size; r++) c->next[r] = c->next[r - 1] + c->count[r - 1];
    for (int64_t i = 0; i < c->n; i++) c->dealt[c->next[goes_to(c, c->rows[i].id)]++] = c->rows[i];
    return STATUS_OK;
}

static int claim_order(const void *a, const void *b) {
    const struct claim *x = a, *y = b;
    return x->id != y->id ? ASCENDING(x->id, y->id) : ASCENDING(x->at, y->at);
}

/* Of the claims [n] of all ids that came here: those of another subject than the first row has. */
static int judge(struct claims *c, struct claim *rows, int64_t n) {
    const struct claim *first = rows;
    if (n) qsort(rows, (size_t)n, sizeof *rows, claim_order);
    for (int64_t i = 1; i < n; i++) {
        if (rows[i].id != first->id) first = &rows[i];
        if (rows[i].subject == first->subject) continue;
        TRY(mem_grow(&c->found, &c->found_capacity, c->n_found + 1, sizeof *c->found));
        c->found[c->n_found++] = (struct foreign_visit){rows[i].at, first->at, first->subject};
    }
    return STATUS_OK;
}

static int foreign_order(const void *a, const void *b) {
    return ASCENDING(((const struct foreign_visit *)a)->at, ((const struct foreign_visit *)b)->at);
}

/* Collective. */
static int in_rounds(struct claims *c, struct record_collector *collector) {
    const struct comm *comm = collector->comm;
    struct received_rows got = {0};
    int status = mem_alloc(&c->count, comm->size, sizeof *c->count);
    if (status == STATUS_OK) status = mem_alloc(&c->next, comm->size, sizeof *c->next);
    TRY(comm_agree(comm, status));
    int64_t most = collector->counted[STEP_READ][1]; /* visits of this rank */
    TRY(comm_max_int64(comm, &most, 1));
    c->n_rounds = 1 + most * (int64_t)sizeof(struct claim) / (collector->options.memory / 8 + 1);
    for (c->round = 0; c->round < c->n_rounds && status == STATUS_OK; c->round++) {
        status = comm_agree(comm, deal(c, &collector->visits));
        if (status == STATUS_OK) status = comm_exchange_rows(comm, sizeof *c->dealt, c->count, c->dealt, &got);
        if (status == STATUS_OK)
            status = comm_agree(comm, judge(c, (struct claim *)(void *)got.rows, got.first[comm->size]));
    }
    received_rows_free(&got);
    return status;
}

int collector_close_visits(struct record_collector *collector) {
    struct claims c = {.collector = collector};
    int status = in_rounds(&c, collector);
    if (status == STATUS_OK)
        status = comm_gather_rows(collector->comm, c.n_found, sizeof *c.found, c.found, &collector->n_foreign,
                                  &collector->foreign);
    if (status == STATUS_OK && collector->n_foreign)
        qsort(collector->foreign, (size_t)collector->n_foreign, sizeof *collector->foreign, foreign_order);
    void *const parts[] = {c.rows, c.dealt, c.count, c.next, c.found};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    return status;
}

const struct foreign_visit *collector_foreign_visit(const struct record_collector *c, uint64_t at) {
    struct foreign_visit key = {.at = at};
    return c->n_foreign ? bsearch(&key, c->foreign, (size_t)c->n_foreign, sizeof key, foreign_order) : NULL;
}
