/* The exchange by subjects, and the walk over them: ranges of subjects, one after another, each cut into a part for each rank. */
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "dist/exchange.h"
#include "ingest/collector_internal.h"

/* Records on their way: what this rank sends, and what it got. */
struct stream {
    struct subject_runs *runs;
    char *records;
    long long capacity;
    int64_t n, *count; /* [size] for each rank */
    struct received_rows got;
    int64_t *next; /* [size] record of each rank's piece of `got` that comes next */
};

struct walk {
    struct record_collector *collector;
    int64_t *all, *own; /* [n_subjects] bytes of records of each subject, of all ranks and of this one, about */
    int64_t *cut;       /* [size + 1] subjects where the parts of the range begin */
    struct stream events, visits;
    struct subject_builder builder;
};

/* ---- ranges ---- */
/* The subject that is not before a number; of what is behind all the last, of what is unknown that behind it. */
static int64_t subject_not_before(const struct collected *d, int64_t number) {
    int64_t low = 0, high = d->n_subjects - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (d->subject[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int weigh(struct walk *w) {
    const struct collected *d = &w->collector->collected;
    const struct stream *const streams[] = {&w->events, &w->visits};
    for (int k = 0; k < 2; k++) {
        const struct subject_runs *r = streams[k]->runs;
        for (long long i = 0; i < r->n_groups; i++)
            w->own[subject_not_before(d, r->groups[i].subject)] += r->groups[i].n * r->record_bytes;
    }
    memcpy(w->all, w->own, (size_t)d->n_subjects * sizeof *w->all);
    return comm_sum_int64(w->collector->comm, w->all, d->n_subjects);
}

/* Collective. The end of the range that begins at `first`: what a rank sends is at most a quarter of the memory, and what it gets, if
 * no subject is larger. */
static int choose_end(struct walk *w, int64_t first, int64_t *end) {
    const struct comm *comm = w->collector->comm;
    int64_t most = w->collector->options.memory / 4, all = 0, own = 0;
    for (*end = first; *end < w->collector->collected.n_subjects; ++*end) {
        all += w->all[*end];
        own += w->own[*end];
        if (*end > first && (all > most * comm->size || own > most)) break;
    }
    int64_t negative = -*end; /* the least of all ranks */
    TRY(comm_max_int64(comm, &negative, 1));
    *end = -negative;
    return STATUS_OK;
}

/* Parts of about the same weight; a subject weighs something by itself. */
static void cut_range(struct walk *w, int64_t first, int64_t end) {
    enum { SUBJECT_BYTES = 64 };
    int size = w->collector->comm->size, part = 0;
    double total = 0, sum = 0;
    for (int64_t s = first; s < end; s++) total += (double)w->all[s] + SUBJECT_BYTES;
    w->cut[0] = first;
    for (int64_t s = first; s < end; s++) {
        double weight = (double)w->all[s] + SUBJECT_BYTES;
        while (part < (int)((sum + weight / 2) / total * size) && part < size - 1) w->cut[++part] = s;
        sum += weight;
    }
    while (part < size) w->cut[++part] = end;
}

/* ---- the exchange ---- */
/* Where records of part `part` end, of those that are sent. */
static int64_t part_end(const struct walk *w, const struct stream *s, int part) {
    const struct record_collector *c = w->collector;
    int64_t end = w->cut[part + 1];
    if (part + 1 == c->comm->size || end == c->collected.n_subjects) return s->n;
    return subject_records_find(s->records, s->n, s->runs->record_bytes, c->collected.subject[end]);
}

static int gather(struct walk *w, struct stream *s, int64_t end) {
    const struct record_collector *c = w->collector;
    int last = end == c->collected.n_subjects;
    int64_t before = 0;
    s->n = 0;
    TRY(subject_runs_take(s->runs, last ? 0 : c->collected.subject[end], last, &s->records, &s->capacity, &s->n));
    for (int part = 0; part < c->comm->size; part++) {
        int64_t to = part_end(w, s, part);
        s->count[part] = to - before;
        before = to;
    }
    return STATUS_OK;
}

/* Codes in the numbers that all ranks know. */
static void renumber(const struct record_collector *c, struct stream *events) {
    for (int64_t i = 0; i < events->n; i++) {
        struct held_event *e = (struct held_event *)(void *)events->records + i;
        e->code = c->numbers.of_local[e->code];
    }
}

/* Collective: what is held of the range up to `end` comes to where its part is. */
static int exchange(struct walk *w, int64_t end) {
    struct record_collector *c = w->collector;
    struct stream *const streams[] = {&w->events, &w->visits};
    for (int k = 0; k < 2; k++) {
        struct stream *s = streams[k];
        int status = interrupt_poll();
        if (status == STATUS_OK) status = gather(w, s, end);
        TRY(comm_agree(c->comm, status));
        if (k == 0) renumber(c, s);
        TRY(comm_exchange_rows(c->comm, s->runs->record_bytes, s->count, s->records, &s->got));
        memcpy(s->next, s->got.first, (size_t)c->comm->size * sizeof *s->next);
    }
    return STATUS_OK;
}

/* ---- subjects of a part ---- */
static const char *record_at(const struct stream *s, int64_t i) { return s->got.rows + i * s->runs->record_bytes; }

static int64_t subject_of(const char *record) {
    int64_t subject;
    memcpy(&subject, record, sizeof subject);
    return subject;
}

/* The records of a subject, from all ranks' pieces, into held[*n]. */
static int take_records(const struct walk *w, struct stream *s, int64_t subject, void *held, long long *n,
                        long long *capacity) {
    int64_t bytes = s->runs->record_bytes;
    *n = 0;
    for (int r = 0; r < w->collector->comm->size; r++) {
        int64_t first = s->next[r], end = first;
        while (end < s->got.first[r + 1] && subject_of(record_at(s, end)) == subject) end++;
        if (end == first) continue;
        char *to;
        TRY(mem_grow(held, capacity, *n + end - first, bytes));
        memcpy(&to, held, sizeof to);
        memcpy(to + *n * bytes, record_at(s, first), (size_t)((end - first) * bytes));
        *n += end - first;
        s->next[r] = end;
    }
    return STATUS_OK;
}

static uint64_t position_at(const struct stream *s, int64_t i, size_t offset) {
    uint64_t at;
    memcpy(&at, record_at(s, i) + offset, sizeof at);
    return at;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Records of subjects before `end` (last: all that are left), which are of none: faults, in the order of the source. */
static int refuse_unknown(const struct walk *w, struct stream *s, int64_t end, int last, size_t offset,
                          const char *what) {
    struct record_collector *c = w->collector;
    for (;;) {
        int64_t subject = 0, n = 0, found = 0;
        for (int r = 0; r < c->comm->size; r++) {
            int64_t here = s->next[r] < s->got.first[r + 1] ? subject_of(record_at(s, s->next[r])) : end;
            if (s->next[r] < s->got.first[r + 1] && (last || here < end) && (!found || here < subject)) {
                subject = here;
                found = 1;
            }
        }
        if (!found) return STATUS_OK;
        uint64_t *positions = NULL;
        long long capacity = 0;
        int status = STATUS_OK;
        for (int r = 0; r < c->comm->size && status == STATUS_OK; r++)
            for (; s->next[r] < s->got.first[r + 1] && subject_of(record_at(s, s->next[r])) == subject; s->next[r]++) {
                status = mem_grow(&positions, &capacity, n + 1, sizeof *positions);
                if (status != STATUS_OK) break;
                positions[n++] = position_at(s, s->next[r], offset);
            }
        if (n) qsort(positions, (size_t)n, sizeof *positions, ascending);
        for (int64_t i = 0; i < n && status == STATUS_OK; i++)
            status = collector_fault(c, positions[i], "subject %lld has %s, but does not stand in %s",
                                     (long long)subject, what, c->options.subjects_from);
        free(positions);
        TRY(status);
    }
}

static int refuse_both(struct walk *w, int64_t end, int last) {
    TRY(refuse_unknown(w, &w->events, end, last, offsetof(struct held_event, at), "an event"));
    return refuse_unknown(w, &w->visits, end, last, offsetof(struct held_visit, at), "a visit");
}

static int walk_part(struct walk *w, void *self, int (*each)(void *self, const struct subject_record *record)) {
    struct record_collector *c = w->collector;
    const int64_t *subject = c->collected.subject;
    struct subject_builder *b = &w->builder;
    int rank = c->comm->rank;
    for (int64_t s = w->cut[rank]; s < w->cut[rank + 1]; s++) {
        struct subject_record record;
        TRY(refuse_both(w, subject[s], 0));
        TRY(take_records(w, &w->visits, subject[s], &b->held_visits, &b->n_held_visits, &b->held_visits_capacity));
        TRY(take_records(w, &w->events, subject[s], &b->held_events, &b->n_held_events, &b->held_events_capacity));
        TRY(subject_builder_make(b, s, &record));
        TRY(each(self, &record));
    }
    return refuse_both(w, 0, 1);
}

/* ---- the whole ---- */
static int make_stream(struct stream *s, const struct comm *comm, struct subject_runs *runs) {
    s->runs = runs;
    TRY(mem_alloc(&s->count, comm->size, sizeof *s->count));
    return mem_alloc(&s->next, comm->size, sizeof *s->next);
}

static void free_stream(struct stream *s) {
    free(s->records);
    free(s->count);
    free(s->next);
    received_rows_free(&s->got);
}

static int make_walk(struct walk *w) {
    struct record_collector *c = w->collector;
    w->builder.collector = c;
    TRY(mem_alloc(&w->all, c->collected.n_subjects, sizeof *w->all));
    TRY(mem_alloc(&w->own, c->collected.n_subjects, sizeof *w->own));
    TRY(mem_alloc(&w->cut, c->comm->size + 1, sizeof *w->cut));
    TRY(make_stream(&w->events, c->comm, &c->events));
    return make_stream(&w->visits, c->comm, &c->visits);
}

static int walk_ranges(struct walk *w, void *self, int (*each)(void *self, const struct subject_record *record)) {
    struct record_collector *c = w->collector;
    struct progress progress;
    int64_t end;
    TRY(comm_agree(c->comm, make_walk(w)));
    TRY(weigh(w));
    progress_begin(&progress, "order", c->collected.n_subjects, "subjects");
    for (int64_t first = 0; first < c->collected.n_subjects; first = end) {
        TRY(choose_end(w, first, &end));
        cut_range(w, first, end);
        TRY(exchange(w, end));
        TRY(comm_agree(c->comm, walk_part(w, self, each)));
        progress_update(&progress, end);
    }
    progress_end(&progress, c->collected.n_subjects);
    return collector_check_faults(c);
}

int record_collector_walk(struct record_collector *c, void *self,
                          int (*each)(void *self, const struct subject_record *record)) {
    struct walk w = {.collector = c};
    int status = walk_ranges(&w, self, each);
    free(w.all);
    free(w.own);
    free(w.cut);
    free_stream(&w.events);
    free_stream(&w.visits);
    subject_builder_free(&w.builder);
    return status;
}
