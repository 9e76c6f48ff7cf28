/* Shared by the files of record_collector.h. */
#ifndef MEDTOK_INGEST_COLLECTOR_INTERNAL_H
#define MEDTOK_INGEST_COLLECTOR_INTERNAL_H

#include "base/dictionary.h"
#include "ingest/record_collector.h"
#include "ingest/row_faults.h"
#include "ingest/subject_runs.h"

/* A position in 64 bits, which ascend with it: file, line, number of the event in the line, precision of its time. */
enum { POSITION_MOST_FILES = 1 << 16, POSITION_MOST_EVENTS = 64 };
#define POSITION_MOST_LINE ((int64_t)1 << 40)
static inline uint64_t position_pack(struct row_position at, int number, enum time_precision precision) {
    return (uint64_t)at.file << 48 | (uint64_t)at.line << 8 | (uint64_t)number << 2 | (uint64_t)precision;
}
static inline struct row_position position_of(uint64_t at) {
    return (struct row_position){(int32_t)(at >> 48), (int64_t)(at >> 8 & (POSITION_MOST_LINE - 1))};
}
static inline enum time_precision position_precision(uint64_t at) { return (enum time_precision)(at & 3); }

/* The last microsecond of the day of a time, also before 1970. */
#define DAY_MICROSECONDS ((int64_t)86400 * 1000000)
static inline int64_t end_of_day(int64_t time) {
    int64_t into = time % DAY_MICROSECONDS;
    return time - (into < 0 ? into + DAY_MICROSECONDS : into) + DAY_MICROSECONDS - 1;
}

/* What is spilled: both begin with the subject (subject_runs.h). */
struct held_event {
    int64_t subject, time, visit;
    uint64_t at;
    int32_t code; /* in the rank's dictionary; after the exchange, among the sources */
    float value;
};
struct held_visit {
    int64_t subject;
    struct cohort_visit visit;
    uint64_t at;
};

struct held_subject {
    int64_t subject, birth, death;
    uint64_t at;
    int32_t split, adds;
};
/* A row of a visit whose id is that of another subject's: the row that came first, and its subject. */
struct foreign_visit {
    uint64_t at, first;
    int64_t owner;
};
struct held_label {
    int64_t subject, time;
    uint64_t at;
    int32_t task, label; /* task: in the rank's dictionary; after gathering, in all tasks */
};

enum { STEP_READ, STEP_KNOWN, STEP_SOUND, STEP_COHORT, N_STEPS };

/* Code i of the sources became codes target[offsets[i]] .. target[offsets[i + 1] - 1] of the cohort. */
struct code_numbers {
    int64_t n;        /* sources, a kind and a code each, the same on every rank */
    int64_t *offsets; /* [n + 1] */
    int32_t *target;
    int32_t *of_local; /* source of each code of this rank's dictionary */
    struct dictionary sources;
};

struct record_collector {
    const struct comm *comm;
    struct collector_options options;
    struct record_sink sink;
    int closed;
    struct row_faults faults, all_faults; /* all: gathered */
    struct subject_runs events, visits;
    struct held_subject *subjects;
    struct held_label *labels;
    long long n_subjects, subjects_capacity, n_labels, labels_capacity;
    struct dictionary codes; /* a kind (a byte), then the code */
    struct dictionary tasks;
    struct row_position last; /* of events, and how many it has given */
    int last_events;
    unsigned visit_kinds; /* bits of those that were met */
    /* after close */
    struct collected collected;
    struct foreign_visit *foreign; /* [n_foreign] by `at`, on every rank the same */
    int64_t n_foreign;
    struct code_numbers numbers;
    int32_t birth_code, death_code; /* sources; -1: there is none */
    int32_t visit_code[N_VISIT_KINDS][2];
    /* counts, of this rank until record_collector_counts */
    int64_t counted[N_STEPS][3], oddities[4];
    struct collected_step steps[N_STEPS];
    struct collected_file *files;
    struct collected_left_out *left_out;
};

/* Number of a code of a kind among the rank's. */
int collector_add_code(struct record_collector *collector, enum code_kind kind, const char *code, int64_t size,
                       int32_t *number);

/* What the begin of a visit is called, or its end. */
void collector_visit_code(enum visit_kind kind, int end, char name[64]);

/* A fault at a packed position. */
int collector_fault(struct record_collector *collector, uint64_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Collective. An error if some file has too many faults by now. */
int collector_check_faults(struct record_collector *collector);

/* Index of a subject, or -1. */
int64_t collector_find(const struct record_collector *collector, int64_t subject);

/* Collective, of record_collector_close. */
int collector_close_subjects(struct record_collector *collector);
int collector_close_visits(struct record_collector *collector); /* after the subjects */
int collector_close_codes(struct record_collector *collector, const struct source_code_rules *rules);

/* What a visit's row at `at` claims in vain, or NULL. */
const struct foreign_visit *collector_foreign_visit(const struct record_collector *collector, uint64_t at);

/* Collective: all texts of the ranks' dictionaries, in one that is the same on every rank and ascends; number [local->n] of each of this
 * rank's texts in it. */
int collector_gather_texts(const struct comm *comm, const struct dictionary *local, struct dictionary *all,
                           int32_t *number);

/* What is known of a subject when its record is made, with memory that is reused. */
struct subject_builder {
    struct record_collector *collector;
    struct held_visit *held_visits; /* of the subject, in the order of the source */
    struct held_event *held_events;
    long long n_held_visits, n_held_events, held_visits_capacity, held_events_capacity;
    struct visit_place *places; /* by id */
    struct event_item *items;
    struct bad_event *bad;
    struct cohort_visit *visits;
    long long n_places, n_items, n_bad, n_visits;
    long long places_capacity, items_capacity, bad_capacity, visits_capacity;
    int64_t *time;
    int32_t *code, *visit;
    float *value;
    long long capacity[4];
};

/* The record of the subject with that index, from what is held of it. */
int subject_builder_make(struct subject_builder *builder, int64_t index, struct subject_record *record);
void subject_builder_free(struct subject_builder *builder);

#endif
