/* One subject's record from what is held of it: visits that stand, the times of events, and their order. The rules are those of
 * record_collector.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/collector_internal.h"

#define ASCENDING(a, b) (((a) > (b)) - ((a) < (b)))

/* Where the visit of an id is: index in visits, or -1: it is left out; and the first row that says it, of held_visits. */
struct visit_place {
    int64_t id, row;
    int32_t index;
};

/* Among equal times. */
enum item_class { ITEM_BIRTH, ITEM_VISIT_START, ITEM_EVENT, ITEM_VISIT_END, ITEM_DEATH };

struct event_item {
    int64_t time;
    uint64_t at; /* position; of a visit's start or end, its place among them */
    int32_t code, visit, class;
    float value;
};

enum event_fault { EVENT_NO_VISIT, EVENT_VISIT_LEFT_OUT, EVENT_VISIT_WITHOUT_END };

struct bad_event {
    uint64_t at;
    int64_t visit;
    enum event_fault fault;
};

void subject_builder_free(struct subject_builder *b) {
    void *const parts[] = {b->held_visits, b->held_events, b->places, b->items, b->bad,
                           b->visits,      b->time,        b->code,   b->visit, b->value};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    *b = (struct subject_builder){0};
}

/* ---- visits ---- */
static int visit_order(const void *a, const void *b) {
    const struct cohort_visit *x = a, *y = b;
    if (x->start != y->start) return ASCENDING(x->start, y->start);
    if (x->end != y->end) return ASCENDING(x->end, y->end);
    if (x->id != y->id) return ASCENDING(x->id, y->id);
    return x->kind != y->kind ? ASCENDING(x->kind, y->kind) : ASCENDING(x->died, y->died); /* visits without an id */
}

static int held_visit_order(const void *a, const void *b) {
    const struct held_visit *x = a, *y = b;
    return x->visit.id != y->visit.id ? ASCENDING(x->visit.id, y->visit.id) : ASCENDING(x->at, y->at);
}

static int place_order(const void *a, const void *b) {
    return ASCENDING(((const struct visit_place *)a)->id, ((const struct visit_place *)b)->id);
}

/* Whether a visit stands, of those of its subject by id. */
static int judge_visit(struct subject_builder *b, int64_t i, int *stands) {
    const struct held_visit *v = &b->held_visits[i];
    struct record_collector *c = b->collector;
    const struct foreign_visit *foreign = collector_foreign_visit(c, v->at);
    char place[FAULT_TEXT_BYTES];
    *stands = 0;
    if (foreign) {
        row_position_text(c->faults.files, position_of(foreign->first), place, sizeof place);
        return collector_fault(c, v->at, "subject %lld has the visit %lld, which is that of subject %lld in %s",
                               (long long)v->subject, (long long)v->visit.id, (long long)foreign->owner, place);
    }
    if (i && v->visit.id != COHORT_NO_VISIT && v->visit.id == v[-1].visit.id)
        return collector_fault(c, v->at, "subject %lld has two visits %lld", (long long)v->subject,
                               (long long)v->visit.id);
    if (v->visit.start == COHORT_NO_TIME)
        return collector_fault(c, v->at, "the visit %lld of subject %lld has no begin", (long long)v->visit.id,
                               (long long)v->subject);
    if (v->visit.end != COHORT_NO_TIME && v->visit.end < v->visit.start)
        return collector_fault(c, v->at, "the visit %lld of subject %lld ends before it begins", (long long)v->visit.id,
                               (long long)v->subject);
    *stands = 1;
    return STATUS_OK;
}

static struct visit_place *find_place(const struct subject_builder *b, int64_t id) {
    struct visit_place key = {.id = id};
    if (b->n_places == 0 || id == COHORT_NO_VISIT) return NULL;
    return bsearch(&key, b->places, (size_t)b->n_places, sizeof key, place_order);
}

/* Visits that stand, in order; and the places of all ids. */
static int make_visits(struct subject_builder *b) {
    int64_t n = b->n_held_visits;
    b->n_visits = b->n_places = 0;
    TRY(mem_grow(&b->visits, &b->visits_capacity, n, sizeof *b->visits));
    TRY(mem_grow(&b->places, &b->places_capacity, n, sizeof *b->places));
    if (n) qsort(b->held_visits, (size_t)n, sizeof *b->held_visits, held_visit_order);
    for (int64_t i = 0; i < n; i++) {
        int stands;
        const struct cohort_visit *v = &b->held_visits[i].visit;
        TRY(judge_visit(b, i, &stands));
        if (stands) b->visits[b->n_visits++] = *v;
        /* held visits ascend by id, and so do the places */
        if (v->id != COHORT_NO_VISIT && (b->n_places == 0 || v->id != b->places[b->n_places - 1].id))
            b->places[b->n_places++] = (struct visit_place){v->id, i, -1};
    }
    if (b->n_visits) qsort(b->visits, (size_t)b->n_visits, sizeof *b->visits, visit_order);
    for (int32_t i = 0; i < b->n_visits; i++) {
        struct visit_place *place = find_place(b, b->visits[i].id);
        if (place) place->index = i;
    }
    return STATUS_OK;
}

/* ---- times ---- */
static int is_static(const struct held_event *e) {
    return e->time == COHORT_NO_TIME && position_precision(e->at) == TIME_EXACT;
}

static int64_t time_of(const struct held_event *e, const struct cohort_visit *visit) {
    if (position_precision(e->at) == TIME_EXACT || e->time == COHORT_NO_TIME) return e->time;
    int64_t end = end_of_day(e->time);
    return visit && visit->end != COHORT_NO_TIME && visit->end < end && visit->end > end - DAY_MICROSECONDS ? visit->end
                                                                                                            : end;
}

static int add_bad(struct subject_builder *b, const struct held_event *e, enum event_fault fault) {
    TRY(mem_grow(&b->bad, &b->bad_capacity, b->n_bad + 1, sizeof *b->bad));
    b->bad[b->n_bad++] = (struct bad_event){e->at, e->visit, fault};
    return STATUS_OK;
}

static int add_item(struct subject_builder *b, const struct event_item *item) {
    TRY(mem_grow(&b->items, &b->items_capacity, b->n_items + 1, sizeof *b->items));
    b->items[b->n_items++] = *item;
    return STATUS_OK;
}

/* Whether a row is the second one of a visit, which is left out while the first stands. */
static int is_second_row(const struct subject_builder *b, const struct visit_place *place, uint64_t at) {
    struct row_position row = position_of(at);
    for (int64_t i = place->row + 1; i < b->n_held_visits && b->held_visits[i].visit.id == place->id; i++) {
        struct row_position other = position_of(b->held_visits[i].at);
        if (other.file == row.file && other.line == row.line) return 1;
    }
    return 0;
}

static int take_event(struct subject_builder *b, const struct held_event *e) {
    const struct visit_place *place = find_place(b, e->visit);
    const struct cohort_visit *visit = place && place->index >= 0 ? &b->visits[place->index] : NULL;
    struct event_item item = {.at = e->at, .code = e->code, .visit = -1, .class = ITEM_EVENT, .value = e->value};
    if (is_static(e) && e->visit != COHORT_NO_VISIT && (!visit || is_second_row(b, place, e->at)))
        return add_bad(b, e, place ? EVENT_VISIT_LEFT_OUT : EVENT_NO_VISIT);
    b->collector->oddities[2] += e->visit != COHORT_NO_VISIT && !visit;
    if (visit) item.visit = place->index;
    if (position_precision(e->at) == TIME_DISCHARGE) {
        if (!visit) return add_bad(b, e, place ? EVENT_VISIT_LEFT_OUT : EVENT_NO_VISIT);
        if (visit->end == COHORT_NO_TIME) return add_bad(b, e, EVENT_VISIT_WITHOUT_END);
        item.time = visit->end;
    } else {
        item.time = time_of(e, visit);
    }
    return add_item(b, &item);
}

static int bad_order(const void *a, const void *b) {
    return ASCENDING(((const struct bad_event *)a)->at, ((const struct bad_event *)b)->at);
}

/* Events without a time, in the order of the source, so that the events of a row stand together. */
static int tell_bad(struct subject_builder *b, int64_t subject) {
    struct record_collector *c = b->collector;
    if (b->n_bad) qsort(b->bad, (size_t)b->n_bad, sizeof *b->bad, bad_order);
    for (int64_t i = 0; i < b->n_bad; i++) {
        const struct bad_event *e = &b->bad[i];
        if (e->fault == EVENT_VISIT_LEFT_OUT)
            TRY(row_faults_leave_out(&c->faults, position_of(e->at), "of a visit that is left out"));
        else if (e->fault == EVENT_VISIT_WITHOUT_END)
            TRY(collector_fault(c, e->at, "the visit %lld has no end, so what happened in it has no time",
                                (long long)e->visit));
        else if (e->visit == COHORT_NO_VISIT)
            TRY(collector_fault(c, e->at, "subject %lld: neither a time nor a visit", (long long)subject));
        else
            TRY(collector_fault(c, e->at, "subject %lld has no visit %lld, so what happened in it has no time",
                                (long long)subject, (long long)e->visit));
    }
    return STATUS_OK;
}

/* ---- static facts ---- */
/* The value as bits, since NaN, which is no value, is like itself. */
static uint32_t value_bits(const struct event_item *e) {
    uint32_t bits;
    memcpy(&bits, &e->value, sizeof bits);
    return bits;
}

/* Facts alike stand together, of those what is said of the subject before what a visit says, and then the one that stands first in the
 * source. */
static int fact_order(const void *a, const void *b) {
    const struct event_item *x = a, *y = b;
    if (x->code != y->code) return ASCENDING(x->code, y->code);
    uint32_t of_x = value_bits(x), of_y = value_bits(y);
    if (of_x != of_y) return ASCENDING(of_x, of_y);
    return x->visit != y->visit ? ASCENDING(x->visit, y->visit) : ASCENDING(x->at, y->at);
}

static int same_fact(const struct event_item *a, const struct event_item *b) {
    return a->code == b->code && value_bits(a) == value_bits(b);
}

/* Leaves of the static facts those that stand: what no visit says, and what the first visit says that says any. That is known from the
 * beginning if it is the subject's first, or else when that visit begins: before, nobody had asked. Items are in order, so that static ones
 * come first; they are not afterwards. */
static int settle_facts(struct subject_builder *b) {
    int64_t n = 0, kept = 0;
    int32_t first = INT32_MAX; /* visit that says any */
    while (n < b->n_items && b->items[n].time == COHORT_NO_TIME) n++;
    for (int64_t i = 0; i < n; i++)
        if (b->items[i].visit >= 0 && b->items[i].visit < first) first = b->items[i].visit;
    if (n == 0) return STATUS_OK;
    if (first == 0) /* what the subject's first visit says is said of the subject */
        for (int64_t i = 0; i < n; i++)
            if (b->items[i].visit == 0) b->items[i].visit = -1;
    qsort(b->items, (size_t)n, sizeof *b->items, fact_order);
    for (int64_t i = 0; i < n; i++) {
        struct event_item e = b->items[i];
        if (e.visit > first || (kept && same_fact(&e, &b->items[kept - 1]))) {
            TRY(row_faults_leave_out(&b->collector->faults, position_of(e.at), "a static fact that stands already"));
            continue;
        }
        if (e.visit >= 0) e.time = b->visits[e.visit].start;
        b->items[kept++] = e;
    }
    memmove(b->items + kept, b->items + n, (size_t)(b->n_items - n) * sizeof *b->items);
    b->n_items -= n - kept;
    return STATUS_OK;
}

/* ---- visits from events ---- */
static const char *code_text(const struct subject_builder *b, int32_t source, int64_t *size) {
    const struct dictionary *d = &b->collector->numbers.sources;
    *size = d->offsets[source + 1] - d->offsets[source] - 1;
    return d->bytes + d->offsets[source] + 1;
}

static int begins_with(const char *text, int64_t size, const char *prefix) {
    return size >= (int64_t)strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

static int says_dead(const char *text, int64_t size) {
    return memmem(text, (size_t)size, "DIED", 4) || memmem(text, (size_t)size, "EXPIRED", 7);
}

static int open_visit(struct subject_builder *b, int64_t start) {
    TRY(mem_grow(&b->visits, &b->visits_capacity, b->n_visits + 1, sizeof *b->visits));
    b->visits[b->n_visits++] =
        (struct cohort_visit){.id = COHORT_NO_VISIT, .start = start, .end = COHORT_NO_TIME, .kind = VISIT_INPATIENT};
    return STATUS_OK;
}

/* Items are in order. An admission while a visit is open leaves that without an end. */
static int derive_visits(struct subject_builder *b) {
    int open = 0;
    b->n_visits = 0;
    for (int64_t i = 0; i < b->n_items; i++) {
        int64_t size;
        const char *code = code_text(b, b->items[i].code, &size);
        if (b->items[i].time == COHORT_NO_TIME) continue;
        if (begins_with(code, size, "HOSPITAL_ADMISSION")) {
            TRY(open_visit(b, b->items[i].time));
            open = 1;
        } else if (open && begins_with(code, size, "HOSPITAL_DISCHARGE")) {
            b->visits[b->n_visits - 1].end = b->items[i].time;
            b->visits[b->n_visits - 1].died = says_dead(code, size) != 0;
            open = 0;
        }
    }
    return STATUS_OK;
}

/* Each event is in the last visit that had begun, if that had not ended. Starts of visits and events both ascend. */
static void place_in_derived(struct subject_builder *b) {
    int32_t visit = -1;
    for (int64_t i = 0; i < b->n_items; i++) {
        struct event_item *e = &b->items[i];
        if (e->time == COHORT_NO_TIME) continue;
        while (visit + 1 < b->n_visits && b->visits[visit + 1].start <= e->time) visit++;
        /* of a visit that begins where another ended, its own discharge is not in the next */
        int32_t own = visit;
        if (own > 0 && b->visits[own].start == e->time && b->visits[own - 1].end == e->time) {
            int64_t size;
            const char *code = code_text(b, e->code, &size);
            if (begins_with(code, size, "HOSPITAL_DISCHARGE") && b->visits[own].end != e->time) own--;
        }
        if (own >= 0 && (b->visits[own].end == COHORT_NO_TIME || e->time <= b->visits[own].end)) e->visit = own;
    }
}

/* ---- what is made of visits and lives ---- */
static int add_made(struct subject_builder *b, int32_t code, int64_t time, int32_t visit, enum item_class class,
                    uint64_t at) {
    struct event_item item = {.time = time, .at = at, .code = code, .visit = visit, .class = class, .value = NAN};
    return code < 0 || time == COHORT_NO_TIME ? STATUS_OK : add_item(b, &item);
}

static int add_begins_and_ends(struct subject_builder *b) {
    const struct record_collector *c = b->collector;
    for (int32_t i = 0; i < b->n_visits; i++) {
        const struct cohort_visit *v = &b->visits[i];
        TRY(add_made(b, c->visit_code[v->kind][0], v->start, i, ITEM_VISIT_START, (uint64_t)i));
        TRY(add_made(b, c->visit_code[v->kind][1], v->end, i, ITEM_VISIT_END, UINT64_MAX - (uint64_t)i));
    }
    return STATUS_OK;
}

static void mark_deaths(struct subject_builder *b, int64_t death) {
    for (int64_t i = 0; i < b->n_visits && death != COHORT_NO_TIME; i++) {
        struct cohort_visit *v = &b->visits[i];
        v->died |= v->end != COHORT_NO_TIME && v->start <= death && death <= end_of_day(v->end);
    }
}

static int item_order(const void *a, const void *b) {
    const struct event_item *x = a, *y = b;
    if (x->time != y->time) return ASCENDING(x->time, y->time);
    return x->class != y->class ? ASCENDING(x->class, y->class) : ASCENDING(x->at, y->at);
}

static void sort_items(struct subject_builder *b) {
    int64_t i = 1;
    while (i < b->n_items && item_order(&b->items[i - 1], &b->items[i]) <= 0) i++;
    if (i < b->n_items) qsort(b->items, (size_t)b->n_items, sizeof *b->items, item_order);
}

/* ---- the record ---- */
/* Sources become codes of the cohort. */
static int fill(struct subject_builder *b, struct subject_record *r) {
    const struct code_numbers *numbers = &b->collector->numbers;
    int64_t n = 0, most = 0;
    for (int64_t i = 0; i < b->n_items; i++)
        most += numbers->offsets[b->items[i].code + 1] - numbers->offsets[b->items[i].code];
    TRY(mem_grow(&b->time, &b->capacity[0], most, sizeof *b->time));
    TRY(mem_grow(&b->code, &b->capacity[1], most, sizeof *b->code));
    TRY(mem_grow(&b->value, &b->capacity[2], most, sizeof *b->value));
    TRY(mem_grow(&b->visit, &b->capacity[3], most, sizeof *b->visit));
    for (int64_t i = 0; i < b->n_items; i++) {
        const struct event_item *e = &b->items[i];
        for (int64_t k = numbers->offsets[e->code]; k < numbers->offsets[e->code + 1]; k++, n++) {
            b->time[n] = e->time;
            b->code[n] = numbers->target[k];
            b->value[n] = e->value;
            b->visit[n] = e->visit;
        }
    }
    r->n_visits = b->n_visits;
    r->visits = b->visits;
    r->n_events = n;
    r->time = b->time;
    r->code = b->code;
    r->value = b->value;
    r->visit = b->visit;
    return STATUS_OK;
}

static void count(struct subject_builder *b, const struct subject_record *r, int64_t n_sound) {
    struct record_collector *c = b->collector;
    const int64_t counts[N_STEPS][3] = {[STEP_KNOWN] = {1, b->n_held_visits, b->n_held_events},
                                        [STEP_SOUND] = {1, r->n_visits, n_sound},
                                        [STEP_COHORT] = {1, r->n_visits, r->n_events}};
    for (int s = 0; s < N_STEPS; s++)
        for (int k = 0; k < 3; k++) c->counted[s][k] += counts[s][k];
    for (int64_t i = 0; i < b->n_items; i++) {
        int64_t time = b->items[i].time;
        if (time == COHORT_NO_TIME || (b->items[i].class != ITEM_EVENT && b->items[i].class != ITEM_VISIT_START))
            continue;
        c->oddities[0] += time < r->birth;
        c->oddities[1] += r->death != COHORT_NO_TIME && time > r->death;
    }
    c->oddities[3] += r->n_events == 0;
}

int subject_builder_make(struct subject_builder *b, int64_t index, struct subject_record *r) {
    struct record_collector *c = b->collector;
    const struct collected *d = &c->collected;
    *r = (struct subject_record){.index = index,
                                 .subject = d->subject[index],
                                 .birth = d->birth[index],
                                 .death = d->death[index],
                                 .split = (enum cohort_split)d->split[index]};
    b->n_items = b->n_bad = 0;
    TRY(make_visits(b));
    for (int64_t i = 0; i < b->n_held_events; i++) TRY(take_event(b, &b->held_events[i]));
    TRY(tell_bad(b, r->subject));
    int64_t n_sound = b->n_items;
    sort_items(b);
    TRY(settle_facts(b));
    if (c->options.derive_visits) {
        sort_items(b);
        TRY(derive_visits(b));
        place_in_derived(b);
    } else {
        TRY(add_begins_and_ends(b));
    }
    if (c->options.derive_visits || c->options.derive_died) mark_deaths(b, r->death);
    TRY(add_made(b, c->birth_code, r->birth, -1, ITEM_BIRTH, 0));
    TRY(add_made(b, c->death_code, r->death, -1, ITEM_DEATH, 0));
    sort_items(b);
    TRY(fill(b, r));
    count(b, r, n_sound);
    return STATUS_OK;
}
