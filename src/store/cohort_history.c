/* What a cohort tells: the history of a sample, which ends at its prediction time; all of a subject, for those who may know it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "store/cohort_events.h"

int cohort_find_task(const struct cohort *c, const char *path, const char *name, int64_t *task) {
    char names[1024] = "";
    size_t used = 0;
    for (*task = 0; *task < c->n_tasks; ++*task) {
        if (strcmp(cohort_task(c, *task), name) == 0) return STATUS_OK;
        if (used < sizeof names)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", cohort_task(c, *task));
    }
    return status_set(STATUS_FAILED, "%s has no task %s; it has %s", path, name, used ? names : "none");
}

/* ---- all of a subject ---- */
struct subject_record cohort_subject(const struct cohort *c, int64_t subject) {
    const struct cohort_events *e = c->events;
    int64_t s = subject - e->first, first = e->offsets[s], first_visit = e->visit_offsets[s];
    return (struct subject_record){.index = subject,
                                   .subject = c->subject[subject],
                                   .birth = c->birth[subject],
                                   .death = e->death[s],
                                   .split = (enum cohort_split)c->split[subject],
                                   .n_visits = e->visit_offsets[s + 1] - first_visit,
                                   .visits = e->visits + first_visit,
                                   .n_events = e->offsets[s + 1] - first,
                                   .time = e->time + first,
                                   .code = e->code + first,
                                   .value = e->value + first,
                                   .visit = e->visit + first};
}

/* ---- histories ---- */
/* The visits that had begun; they come first. */
static int take_visits(struct history *h, const struct subject_record *r, int64_t time) {
    h->n_visits = 0;
    TRY(mem_grow(&h->visits, &h->visits_capacity, r->n_visits, sizeof *h->visits));
    for (int64_t i = 0; i < r->n_visits && r->visits[i].start <= time; i++) {
        struct cohort_visit *visit = &h->visits[h->n_visits++];
        *visit = r->visits[i];
        if (visit->end == COHORT_NO_TIME || visit->end <= time) continue;
        visit->end = COHORT_NO_TIME;
        visit->died = 0;
    }
    return STATUS_OK;
}

/* The number of events at or before a time. */
static int64_t events_until(const struct subject_record *r, int64_t time) {
    int64_t low = 0, high = r->n_events;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (r->time[middle] <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int take_events(struct history *h, const struct cohort *c, const struct subject_record *r, int64_t time,
                       int32_t visit, unsigned hidden) {
    int64_t n = events_until(r, time);
    TRY(mem_grow(&h->time, &h->capacity[0], n, sizeof *h->time));
    TRY(mem_grow(&h->code, &h->capacity[1], n, sizeof *h->code));
    TRY(mem_grow(&h->value, &h->capacity[2], n, sizeof *h->value));
    TRY(mem_grow(&h->visit, &h->capacity[3], n, sizeof *h->visit));
    h->n = h->n_static = 0;
    for (int64_t i = 0; i < n; i++) {
        if (hidden && visit >= 0 && r->visit[i] == visit && (hidden >> c->code_kind[r->code[i]] & 1)) continue;
        h->time[h->n] = r->time[i];
        h->code[h->n] = r->code[i];
        h->value[h->n] = r->value[i];
        h->visit[h->n++] = r->visit[i] < h->n_visits ? r->visit[i] : -1;
        h->n_static += r->time[i] == COHORT_NO_TIME;
    }
    return STATUS_OK;
}

static int64_t task_of(const struct cohort *c, int64_t sample) {
    int64_t task = 0;
    while (sample >= c->task_offsets[task + 1]) task++;
    return task;
}

static int check_read(const struct cohort *c, int64_t subject) {
    int64_t s = subject - c->events->first;
    if (s >= 0 && s < c->events->n_subjects) return STATUS_OK;
    return status_set(STATUS_FAILED, "a history is asked for of subject %lld, whose events were not read",
                      (long long)c->subject[subject]);
}

int cohort_history(const struct cohort *c, int64_t sample, struct history *h) {
    int64_t subject = c->sample_subject[sample];
    TRY(check_read(c, subject));
    struct subject_record record = cohort_subject(c, subject);
    TRY(take_visits(h, &record, c->sample_time[sample]));
    return take_events(h, c, &record, c->sample_time[sample], c->sample_visit[sample],
                       (unsigned)c->task_hidden[task_of(c, sample)]);
}

int cohort_train_history(const struct cohort *c, int64_t subject, struct history *h) {
    if (c->split[subject] != SPLIT_TRAIN)
        return status_set(STATUS_FAILED,
                          "subject %lld is not in the split train: all that is known of it is not to be read",
                          (long long)c->subject[subject]);
    TRY(check_read(c, subject));
    struct subject_record record = cohort_subject(c, subject);
    TRY(take_visits(h, &record, INT64_MAX));
    return take_events(h, c, &record, INT64_MAX, -1, 0);
}

void history_free(struct history *h) {
    free(h->time);
    free(h->code);
    free(h->value);
    free(h->visit);
    free(h->visits);
    *h = (struct history){0};
}

void cohort_time_text(int64_t time, char text[40]) {
    enum { SECOND = 1000000 };
    int64_t part = time % SECOND;
    time_t seconds = (time_t)(time / SECOND);
    if (part < 0) {
        part += SECOND;
        seconds--;
    }
    struct tm parts;
    if (time == COHORT_NO_TIME || !gmtime_r(&seconds, &parts)) {
        snprintf(text, 40, "no time");
        return;
    }
    size_t n = strftime(text, 40, "%Y-%m-%d %H:%M:%S", &parts);
    if (part) snprintf(text + n, 40 - n, ".%06d", (int)part);
}
