/* Rows of health records on any rank, in any order, with little memory or much, come out as the same subjects; and a cohort of them is
 * the same file. With an argument: so many million events, and the time that they take. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "ingest/record_collector.h"
#include "store/cohort_writer.h"
#include "mpi_check.h"

/* ---- made-up rows ---- */
/* Subjects have 3 visits and some events each; of the rows of subjects, visits and events i each is a function of i. */
struct made {
    int64_t subjects, events;
    int shuffled; /* rows are looked at in another order */
};
static const int64_t DAY = (int64_t)86400 * 1000000;
enum { FILE_SUBJECTS, FILE_VISITS, FILE_EVENTS, N_FILES, VISITS = 3, CODES = 5000 };

static double draw(uint32_t what, int64_t i) { return rng_uniform(31, 1, what, (uint64_t)i); }

static int64_t subject_of(int64_t i) { return 7 * i - 100; }

static int give_subject(int64_t i, const struct record_sink *sink) {
    struct found_subject s = {.subject = subject_of(i), .birth = (int64_t)(draw(1, i) * 9000) * DAY, .split = -1};
    s.death = i % 9 ? COHORT_NO_TIME : s.birth + 20000 * DAY;
    s.death_precision = i % 2 ? TIME_DAY : TIME_EXACT;
    return sink->subject(sink->self, (struct row_position){FILE_SUBJECTS, i + 2}, &s);
}

static int64_t visit_start(int64_t subject, int64_t k) { return (9000 + 300 * k + subject % 50) * DAY + 5; }

/* Faults: it ends before it begins; its id is that of another subject's. */
static int ends_early(int64_t i) { return i % 502 == 5; }
static int is_foreign(int64_t i) { return i % 1009 == 500; }

static int give_visit(int64_t i, const struct record_sink *sink) {
    int64_t s = i / VISITS, k = i % VISITS;
    struct cohort_visit v = {.id = 1000000 + i - (is_foreign(i) ? 300 : 0),
                             .start = visit_start(s, k),
                             .end = visit_start(s, k) + (int64_t)(draw(2, i) * 20 * (double)DAY),
                             .kind = (uint8_t)(i % N_VISIT_KINDS),
                             .died = i % 37 == 0};
    if (ends_early(i)) v.end = v.start - 1;
    return sink->visit(sink->self, (struct row_position){FILE_VISITS, i + 2}, subject_of(s), &v);
}

static int give_event(const struct made *m, int64_t i, const struct record_sink *sink) {
    char code[32];
    int64_t s = (int64_t)(draw(3, i) * (double)m->subjects), k = i % VISITS;
    int n = snprintf(code, sizeof code, "DIAGNOSIS//X//%d", (int)(draw(4, i) * draw(5, i) * CODES));
    struct found_event e = {.subject = subject_of(s) + (i % 5003 == 7), /* a fault: no such subject */
                            .visit = i % 4 ? 1000000 + VISITS * s + k : COHORT_NO_VISIT,
                            .time = visit_start(s, k) + (int64_t)(draw(6, i) * 30) * DAY,
                            .precision = i % 4 ? (enum time_precision)(i % 3) : TIME_DAY,
                            .kind = (enum code_kind)(1 + i % 4),
                            .code = code,
                            .code_size = n,
                            .value = i % 3 ? NAN : (float)i};
    if (i % 97 == 0) e.time = COHORT_NO_TIME, e.precision = TIME_EXACT;
    return sink->event(sink->self, (struct row_position){FILE_EVENTS, i + 2}, &e);
}

/* Row i of n as it is looked at: runs of rows are dealt to ranks; shuffled, in another order within the rank. */
static int give_rows(const struct comm *comm, const struct made *m, const struct record_sink *sink) {
    enum { RUN = 1000 };
    int64_t n = m->subjects * (1 + VISITS) + m->events;
    int64_t n_runs = (n + RUN - 1) / RUN;
    for (int64_t r = 0; r < n_runs; r++) {
        int64_t run = m->shuffled ? n_runs - 1 - r : r;
        if (run % comm->size != comm->rank) continue;
        for (int64_t i = run * RUN; i < (run + 1) * RUN && i < n; i++) {
            int64_t at = i;
            if (at < m->subjects) {
                TRY(give_subject(at, sink));
            } else if ((at -= m->subjects) < m->subjects * VISITS) {
                TRY(give_visit(at, sink));
            } else {
                TRY(give_event(m, at - m->subjects * VISITS, sink));
            }
        }
    }
    return STATUS_OK;
}

/* ---- collecting ---- */
struct collection {
    struct record_collector *collector;
    struct collected collected;
    struct collected_counts counts;
    struct cohort_writer *writer; /* NULL: none */
    uint64_t *hash;               /* [n_subjects] of each record; 0: it was not here */
    int64_t last, n;
    int in_order;
};

static uint64_t hash_bytes(uint64_t hash, const void *bytes, int64_t n) {
    return n ? XXH3_64bits_withSeed(bytes, (size_t)n, hash) : hash + 1;
}

static uint64_t hash_record(const struct subject_record *r) {
    int64_t facts[] = {r->index, r->subject, r->birth, r->death, r->split, r->n_visits, r->n_events};
    uint64_t hash = hash_bytes(1, facts, sizeof facts);
    for (int64_t i = 0; i < r->n_visits; i++) {
        int64_t visit[] = {r->visits[i].id, r->visits[i].start, r->visits[i].end, r->visits[i].kind, r->visits[i].died};
        hash = hash_bytes(hash, visit, sizeof visit);
    }
    hash = hash_bytes(hash, r->time, r->n_events * (int64_t)sizeof *r->time);
    hash = hash_bytes(hash, r->code, r->n_events * (int64_t)sizeof *r->code);
    hash = hash_bytes(hash, r->visit, r->n_events * (int64_t)sizeof *r->visit);
    for (int64_t i = 0; i < r->n_events; i++) {
        float value = isnan(r->value[i]) ? -1 : r->value[i];
        hash = hash_bytes(hash, &value, sizeof value);
    }
    return hash;
}

static int take(void *self, const struct subject_record *r) {
    struct collection *c = self;
    c->in_order &= r->index > c->last;
    c->last = r->index;
    c->n++;
    if (c->hash) c->hash[r->index] = hash_record(r);
    return c->writer ? cohort_writer_add(c->writer, r) : STATUS_OK;
}

static int collect(struct collection *c, const struct comm *comm, const struct made *m, int64_t memory,
                   const struct string_list *files, const char *path) {
    struct collector_options options = {.memory = memory,
                                        .most_bad = 1,
                                        .kinds = (1U << N_CODE_KINDS) - 1,
                                        .seed = 5,
                                        .share = {7, 1, 2},
                                        .beside = path,
                                        .subjects_from = "subjects"};
    double began = clock_seconds();
    *c = (struct collection){.last = -1, .in_order = 1};
    TRY(record_collector_make(&c->collector, comm, &options, files));
    struct record_sink sink = record_collector_sink(c->collector);
    TRY(comm_agree(comm, give_rows(comm, m, &sink)));
    double given = clock_seconds();
    TRY(record_collector_close(c->collector, NULL, &c->collected));
    double closed = clock_seconds();
    if (m->events < 10000000) TRY(mem_alloc(&c->hash, c->collected.n_subjects, sizeof *c->hash));
    TRY(cohort_writer_make(&c->writer, comm, path, c->collected.n_subjects, c->collected.n_codes));
    TRY(record_collector_walk(c->collector, c, take));
    double walked = clock_seconds();
    log_info("rows given %.1f s, closed %.1f s, walked %.1f s", given - began, closed - given, walked - closed);
    return record_collector_counts(c->collector, &c->counts);
}

static int write_file(struct collection *c) {
    struct provenance provenance = {.job = "cohort", .config = "", .inputs = strdup("")};
    struct cohort_contents contents = {.code_bytes = c->collected.code_bytes,
                                       .code = c->collected.code,
                                       .code_kind = c->collected.code_kind,
                                       .subject = c->collected.subject,
                                       .birth = c->collected.birth,
                                       .death = c->collected.death,
                                       .split = c->collected.split};
    double began = clock_seconds();
    provenance_finish(&provenance, KIND_COHORT);
    int status = cohort_writer_finish(c->writer, &contents, &provenance);
    provenance_free(&provenance);
    log_info("written %.1f s", clock_seconds() - began);
    return status;
}

static void collection_free(struct collection *c) {
    cohort_writer_free(c->writer);
    record_collector_free(c->collector);
    free(c->hash);
}

static int same_counts(const struct collection *a, const struct collection *b) {
    int same = a->counts.n_left_out == b->counts.n_left_out && a->counts.without_visit == b->counts.without_visit &&
               a->counts.before_birth == b->counts.before_birth && a->counts.after_death == b->counts.after_death;
    for (int i = 0; i < N_FILES; i++)
        same &= a->counts.files[i].rows == b->counts.files[i].rows &&
                a->counts.files[i].faults == b->counts.files[i].faults;
    for (int s = 0; s < a->counts.n_steps; s++)
        same &= a->counts.steps[s].events == b->counts.steps[s].events &&
                a->counts.steps[s].visits == b->counts.steps[s].visits;
    return same;
}

static int same_file(const char *one, const char *other) {
    char *ids[2] = {NULL, NULL};
    for (int k = 0; k < 2; k++) {
        struct h5file *file;
        if (h5file_open(&file, k ? other : one, KIND_COHORT) != STATUS_OK) break;
        h5file_get_text(file, "content_id", &ids[k]);
        h5file_close(file);
    }
    int same = ids[0] && ids[1] && strcmp(ids[0], ids[1]) == 0;
    free(ids[0]);
    free(ids[1]);
    return same;
}

/* ---- behaviours ---- */
static void nothing_depends_on_ranks_order_and_memory(const struct comm *comm, const struct string_list *files) {
    struct comm self = comm_self();
    struct made m = {.subjects = 3000, .events = 120000};
    struct collection whole, parts;
    char path[PATH_MAX], alone[PATH_MAX];
    int process = (int)getpid();
    CHECK(comm_broadcast(comm, &process, sizeof process) == STATUS_OK);
    snprintf(path, sizeof path, "/tmp/test_collector.%d.h5", process);
    snprintf(alone, sizeof alone, "/tmp/test_collector.%d.alone-%d.h5", process, comm->rank);
    CHECK(collect(&whole, &self, &m, (int64_t)1 << 30, files, alone) == STATUS_OK);
    CHECK(write_file(&whole) == STATUS_OK);
    CHECK(whole.in_order && whole.n == m.subjects);
    int64_t bad_visits = 0;
    for (int64_t i = 0; i < m.subjects * VISITS; i++) bad_visits += ends_early(i) || is_foreign(i);
    CHECK(whole.counts.files[FILE_EVENTS].faults > 0 && whole.counts.files[FILE_VISITS].faults == bad_visits);
    CHECK(whole.counts.files[FILE_EVENTS].rows == m.events && whole.counts.n_left_out == 2);
    for (int k = 0; k < 3; k++) {
        m.shuffled = k > 0;
        CHECK(collect(&parts, comm, &m, k == 1 ? (int64_t)64 << 20 : (int64_t)1 << 20, files, path) == STATUS_OK);
        CHECK(parts.in_order && same_counts(&whole, &parts));
        int64_t n = parts.n, differ = 0;
        for (int64_t i = 0; i < m.subjects; i++) differ += parts.hash[i] && parts.hash[i] != whole.hash[i];
        CHECK(differ == 0);
        CHECK(comm_sum_int64(comm, &n, 1) == STATUS_OK && n == m.subjects);
        CHECK(write_file(&parts) == STATUS_OK && same_file(path, alone));
        collection_free(&parts);
        CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
    }
    collection_free(&whole);
    unlink(alone);
    if (comm->rank == 0) unlink(path);
}

static int fail_once(void *self, const struct subject_record *r) {
    return r->index == *(int64_t *)self ? status_set(STATUS_FAILED, "subject %lld is not liked", (long long)r->index)
                                        : STATUS_OK;
}

static void a_failure_on_one_rank_is_every_ranks(const struct comm *comm, const struct string_list *files) {
    struct made m = {.subjects = 300, .events = 1000};
    struct collector_options options = {
        .memory = 1 << 20, .most_bad = 1, .kinds = ~0U, .share = {1}, .beside = "/tmp/x", .subjects_from = "subjects"};
    struct record_collector *collector;
    struct collected collected;
    int64_t bad = 200;
    CHECK(record_collector_make(&collector, comm, &options, files) == STATUS_OK);
    struct record_sink sink = record_collector_sink(collector);
    CHECK(give_rows(comm, &m, &sink) == STATUS_OK);
    CHECK(record_collector_close(collector, NULL, &collected) == STATUS_OK);
    CHECK(record_collector_walk(collector, &bad, fail_once) == STATUS_FAILED);
    CHECK(strstr(status_message(), "subject 200 is not liked") != NULL);
    record_collector_free(collector);
}

/* The same fault is the error, whichever rank met it. */
static void too_many_faults_are_every_ranks_error(const struct comm *comm, const struct string_list *files) {
    struct collector_options options = {.memory = 1 << 20,
                                        .most_bad = 0.1,
                                        .kinds = ~0U,
                                        .share = {1},
                                        .beside = "/tmp/x",
                                        .subjects_from = "subjects"};
    struct record_collector *collector;
    struct collected collected;
    CHECK(record_collector_make(&collector, comm, &options, files) == STATUS_OK);
    struct record_sink sink = record_collector_sink(collector);
    for (int64_t i = comm->rank; i < 100; i += comm->size) {
        CHECK(give_subject(i, &sink) == STATUS_OK);
        struct row_position at = {FILE_EVENTS, 100 - i};
        if (i % 5 == 0) CHECK(sink.fault(sink.self, at, "row %d is bad", (int)(100 - i)) == STATUS_OK);
        if (i % 5 != 0) CHECK(sink.leave_out(sink.self, at, "a rule") == STATUS_OK);
    }
    CHECK(record_collector_close(collector, NULL, &collected) == STATUS_FAILED);
    CHECK(strncmp(status_message(), "events.csv, line 5: row 5 is bad; events.csv, line 10: ", 55) == 0);
    CHECK(strstr(status_message(), "of 100 rows of this file, 20 cannot be used") != NULL);
    record_collector_free(collector);
}

static void time_it(const struct comm *comm, const struct string_list *files, double millions) {
    struct made m = {.subjects = (int64_t)(millions * 13500), .events = (int64_t)(millions * 1e6)};
    struct collection c;
    CHECK(collect(&c, comm, &m, (int64_t)1 << 30, files, "/tmp/test_collector.timed.h5") == STATUS_OK);
    CHECK(write_file(&c) == STATUS_OK);
    collection_free(&c);
}

int main(int argc, char **argv) {
    struct comm comm;
    struct string_list files = {0};
    int bad = 0;
    if (comm_start(&comm, &argc, &argv) != STATUS_OK) return 1;
    log_configure(comm.rank, argc > 1 ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
    CHECK(string_list_add(&files, "subjects.csv") == STATUS_OK);
    CHECK(string_list_add(&files, "visits.csv") == STATUS_OK);
    CHECK(string_list_add(&files, "events.csv") == STATUS_OK);
    if (argc > 1) {
        time_it(&comm, &files, atof(argv[1]));
    } else {
        nothing_depends_on_ranks_order_and_memory(&comm, &files);
        bad |= behaviour_failed(&comm, "nothing_depends_on_ranks_order_and_memory");
        a_failure_on_one_rank_is_every_ranks(&comm, &files);
        bad |= behaviour_failed(&comm, "a_failure_on_one_rank_is_every_ranks");
        too_many_faults_are_every_ranks_error(&comm, &files);
        bad |= behaviour_failed(&comm, "too_many_faults_are_every_ranks_error");
    }
    string_list_clear(&files);
    comm_stop(&comm);
    return bad || faults > 0;
}
