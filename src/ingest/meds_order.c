/* The rows of a MEDS data set, in the order of cohort.h5. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "ingest/meds_rows.h"
#include "store/cohort_events.h"

/* ---- orders ---- */
#define ASCENDING(a, b) (((a) > (b)) - ((a) < (b)))

static int by_from(struct meds_position a, struct meds_position b) {
    return a.file != b.file ? ASCENDING(a.file, b.file) : ASCENDING(a.row, b.row);
}

static int split_order(const void *a, const void *b) {
    const struct meds_split *x = a, *y = b;
    return x->subject != y->subject ? ASCENDING(x->subject, y->subject) : by_from(x->from, y->from);
}

static int subject_order(const void *a, const void *b) {
    const struct meds_subject *x = a, *y = b;
    return x->subject != y->subject ? ASCENDING(x->subject, y->subject) : by_from(x->from, y->from);
}

static int sample_order(const void *a, const void *b) {
    const struct meds_sample *x = a, *y = b;
    if (x->task != y->task) return ASCENDING(x->task, y->task);
    if (x->subject != y->subject) return ASCENDING(x->subject, y->subject);
    return x->time != y->time ? ASCENDING(x->time, y->time) : by_from(x->from, y->from);
}

/* ---- names: ranks in ascending order ---- */
struct name {
    const char *text; /* not terminated */
    int64_t size;
    int32_t number;
};

static int name_order(const void *a, const void *b) {
    const struct name *x = a, *y = b;
    int64_t n = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text, y->text, (size_t)n);
    return order ? order : ASCENDING(x->size, y->size);
}

/* Sorts names[n] into packed [n, *bytes], each ending with 0; rank [n] of each number. */
static int pack_names(struct name *names, int64_t n, char **packed, int64_t *bytes, int32_t *rank) {
    *bytes = 1;
    for (int64_t i = 0; i < n; i++)
        if (names[i].size + 1 > *bytes) *bytes = names[i].size + 1;
    qsort(names, (size_t)n, sizeof *names, name_order);
    TRY(mem_alloc(packed, n, *bytes));
    for (int64_t i = 0; i < n; i++) {
        memcpy(*packed + i * *bytes, names[i].text, (size_t)names[i].size);
        rank[names[i].number] = (int32_t)i;
    }
    return STATUS_OK;
}

static int order_codes(const struct meds_rows *m, struct cohort *c, int32_t *rank) {
    const struct dictionary *d = &m->codes;
    struct name *names;
    c->n_codes = d->n;
    TRY(mem_alloc(&names, d->n, sizeof *names));
    for (int64_t i = 0; i < d->n; i++)
        names[i] = (struct name){d->bytes + d->offsets[i], d->offsets[i + 1] - d->offsets[i], (int32_t)i};
    int status = pack_names(names, d->n, &c->code, &c->code_bytes, rank);
    free(names);
    return status;
}

static int order_tasks(const struct meds_rows *m, struct cohort *c, int32_t *rank) {
    struct name *names;
    c->n_tasks = m->tasks.n;
    TRY(mem_alloc(&names, c->n_tasks, sizeof *names));
    for (int i = 0; i < m->tasks.n; i++)
        names[i] = (struct name){m->tasks.items[i], (int64_t)strlen(m->tasks.items[i]), i};
    int status = pack_names(names, c->n_tasks, &c->task, &c->task_bytes, rank);
    free(names);
    return status;
}

/* ---- subjects ---- */
static int order_subjects(struct meds_rows *m, struct cohort *c) {
    int64_t n = c->n_subjects = m->n_splits;
    if (n) qsort(m->splits, (size_t)n, sizeof *m->splits, split_order);
    TRY(mem_alloc(&c->subject, n, sizeof *c->subject));
    TRY(mem_alloc(&c->split, n, sizeof *c->split));
    TRY(mem_alloc(&c->birth, n, sizeof *c->birth));
    for (int64_t i = 0; i < n; i++) {
        const struct meds_split *s = &m->splits[i];
        if (i && s->subject == s[-1].subject)
            return meds_fault(
                m, s->from, "subject %lld is in the split %s, but row %lld has it in %s: a subject is in one",
                (long long)s->subject, SPLIT_NAMES[s->split], (long long)s[-1].from.row, SPLIT_NAMES[s[-1].split]);
        c->subject[i] = s->subject;
        c->split[i] = (uint8_t)s->split;
        c->birth[i] = COHORT_NO_TIME;
    }
    return STATUS_OK;
}

static int number_order(const void *a, const void *b) { return ASCENDING(*(const int64_t *)a, *(const int64_t *)b); }

/* Index of a subject, or -1. */
static int64_t find_subject(const struct cohort *c, int64_t subject) {
    const int64_t *found = bsearch(&subject, c->subject, (size_t)c->n_subjects, sizeof *c->subject, number_order);
    return found ? found - c->subject : -1;
}

/* ---- events ---- */
struct oddities {
    int64_t before_birth, after_death, without_events;
};

/* Puts the events of one subject behind `at`, those without time first. */
static void copy_events(const struct meds_event *events, int64_t n, const int32_t *rank, struct cohort_events *to,
                        int64_t at) {
    for (int timed = 0; timed < 2; timed++)
        for (int64_t i = 0; i < n; i++) {
            if ((events[i].time != COHORT_NO_TIME) != timed) continue;
            to->time[at] = events[i].time;
            to->code[at] = rank[events[i].code];
            to->value[at++] = events[i].value;
        }
}

/* Sets *time to that of the subject's event `code`, which has no other; a static one does not count. */
static int find_only(const struct meds_rows *m, const struct meds_subject *s, int32_t code, const char *name,
                     int64_t *time) {
    char one[40], other[40];
    *time = COHORT_NO_TIME;
    for (int64_t i = s->first; code >= 0 && i < s->first + s->n; i++) {
        const struct meds_event *e = &m->events[i];
        if (e->code != code || e->time == COHORT_NO_TIME || e->time == *time) continue;
        if (*time != COHORT_NO_TIME) {
            cohort_time_text(*time, one);
            cohort_time_text(e->time, other);
            return meds_fault(m, s->from, "subject %lld, who begins here, has %s at %s and at %s",
                              (long long)s->subject, name, one, other);
        }
        *time = e->time;
    }
    return STATUS_OK;
}

static int take_life(const struct meds_rows *m, const struct meds_subject *s, int64_t *birth, struct oddities *odd) {
    int64_t death;
    TRY(find_only(m, s, dictionary_find(&m->codes, "MEDS_BIRTH", 10), "MEDS_BIRTH", birth));
    TRY(find_only(m, s, dictionary_find(&m->codes, "MEDS_DEATH", 10), "MEDS_DEATH", &death));
    for (int64_t i = s->first; i < s->first + s->n; i++) {
        int64_t time = m->events[i].time;
        odd->before_birth += time != COHORT_NO_TIME && time < *birth;
        odd->after_death += death != COHORT_NO_TIME && time > death;
    }
    return STATUS_OK;
}

static int check_subjects(const struct meds_rows *m) {
    for (int64_t i = 1; i < m->n_subjects; i++) {
        const struct meds_subject *s = &m->subjects[i];
        if (s->subject == s[-1].subject)
            return meds_fault(m, s->from,
                              "subject %lld goes on here, but its rows began at row %lld of %s: MEDS keeps all "
                              "rows of a subject together in one file",
                              (long long)s->subject, (long long)s[-1].from.row, m->files.items[s[-1].from.file]);
    }
    return STATUS_OK;
}

static int make_events(struct cohort *c, int64_t n) {
    TRY(mem_alloc(&c->events, 1, sizeof *c->events));
    c->events->n_subjects = c->n_subjects;
    TRY(mem_alloc(&c->events->offsets, c->n_subjects + 1, sizeof *c->events->offsets));
    TRY(mem_alloc(&c->events->time, n, sizeof *c->events->time));
    TRY(mem_alloc(&c->events->code, n, sizeof *c->events->code));
    return mem_alloc(&c->events->value, n, sizeof *c->events->value);
}

static int order_events(struct meds_rows *m, struct cohort *c, const int32_t *rank, struct oddities *odd) {
    int64_t at = 0, next = 0; /* next: subject of the cohort */
    if (m->n_subjects) qsort(m->subjects, (size_t)m->n_subjects, sizeof *m->subjects, subject_order);
    TRY(check_subjects(m));
    TRY(make_events(c, m->n_events));
    for (int64_t i = 0; i < m->n_subjects; i++) {
        const struct meds_subject *s = &m->subjects[i];
        int64_t index = find_subject(c, s->subject);
        if (index < 0)
            return meds_fault(m, s->from, "subject %lld has events, but no split in subject_splits.parquet",
                              (long long)s->subject);
        for (; next <= index; next++) c->events->offsets[next] = at;
        copy_events(m->events + s->first, s->n, rank, c->events, at);
        TRY(take_life(m, s, &c->birth[index], odd));
        at += s->n;
    }
    for (; next <= c->n_subjects; next++) c->events->offsets[next] = at;
    odd->without_events = c->n_subjects - m->n_subjects;
    return STATUS_OK;
}

static int count_codes(struct cohort *c) {
    const struct cohort_events *e = c->events;
    TRY(mem_alloc(&c->code_count, c->n_codes, sizeof *c->code_count));
    TRY(mem_alloc(&c->code_count_train, c->n_codes, sizeof *c->code_count_train));
    for (int64_t s = 0; s < c->n_subjects; s++)
        for (int64_t i = e->offsets[s]; i < e->offsets[s + 1]; i++) {
            c->code_count[e->code[i]]++;
            c->code_count_train[e->code[i]] += c->split[s] == SPLIT_TRAIN;
        }
    return STATUS_OK;
}

/* ---- samples ---- */
static int check_sample(const struct meds_rows *m, const struct cohort *c, const struct meds_sample *s,
                        int64_t subject) {
    char time[40], birth[40];
    cohort_time_text(s->time, time);
    if (subject < 0)
        return meds_fault(m, s->from, "subject %lld has a label, but no split in subject_splits.parquet",
                          (long long)s->subject);
    if (s->time < c->birth[subject]) {
        cohort_time_text(c->birth[subject], birth);
        return meds_fault(m, s->from, "the prediction time of subject %lld, %s, is before its birth, %s",
                          (long long)s->subject, time, birth);
    }
    return STATUS_OK;
}

static int order_samples(struct meds_rows *m, struct cohort *c, const int32_t *rank) {
    int64_t n = m->n_samples;
    TRY(mem_alloc(&c->task_offsets, c->n_tasks + 1, sizeof *c->task_offsets));
    TRY(mem_alloc(&c->sample_subject, n, sizeof *c->sample_subject));
    TRY(mem_alloc(&c->sample_time, n, sizeof *c->sample_time));
    TRY(mem_alloc(&c->sample_label, n, sizeof *c->sample_label));
    for (int64_t i = 0; i < n; i++) m->samples[i].task = rank[m->samples[i].task];
    if (n) qsort(m->samples, (size_t)n, sizeof *m->samples, sample_order);
    for (int64_t i = 0; i < n; i++) {
        const struct meds_sample *s = &m->samples[i];
        int64_t subject = find_subject(c, s->subject);
        TRY(check_sample(m, c, s, subject));
        if (i && s->task == s[-1].task && s->subject == s[-1].subject && s->time == s[-1].time)
            return meds_fault(m, s->from,
                              "subject %lld has a second label at the same prediction time; the first is row %lld",
                              (long long)s->subject, (long long)s[-1].from.row);
        c->sample_subject[i] = (int32_t)subject;
        c->sample_time[i] = s->time;
        c->sample_label[i] = (uint8_t)s->label;
        c->task_offsets[s->task + 1]++;
    }
    for (int64_t t = 0; t < c->n_tasks; t++) c->task_offsets[t + 1] += c->task_offsets[t];
    return STATUS_OK;
}

static void warn(const struct oddities *odd) {
    if (odd->without_events) log_warn("%lld subjects have a split, but no events", (long long)odd->without_events);
    if (odd->before_birth) log_warn("%lld events are before their subject's birth", (long long)odd->before_birth);
    if (odd->after_death) log_warn("%lld events are after their subject's death", (long long)odd->after_death);
}

int meds_order(struct meds_rows *m, struct cohort *c) {
    struct oddities odd = {0};
    int32_t *code_rank = NULL, *task_rank = NULL;
    int status;
    if (m->n_splits > INT32_MAX) return status_set(STATUS_FAILED, "more than 2^31 - 1 subjects");
    TRY_DONE(mem_alloc(&code_rank, m->codes.n, sizeof *code_rank));
    TRY_DONE(mem_alloc(&task_rank, m->tasks.n, sizeof *task_rank));
    TRY_DONE(order_codes(m, c, code_rank));
    TRY_DONE(order_tasks(m, c, task_rank));
    TRY_DONE(order_subjects(m, c));
    TRY_DONE(order_events(m, c, code_rank, &odd));
    TRY_DONE(count_codes(c));
    TRY_DONE(order_samples(m, c, task_rank));
    warn(&odd);
done:
    free(code_rank);
    free(task_rank);
    return status;
}
