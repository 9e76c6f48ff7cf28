/* From settings or the task's name; then unit by unit. */
#include "ehr/models/ethos_outcome.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

static const double DAY = 86400e6; /* microseconds */
enum { LONG_HORIZON = 730 };       /* days; ETHOS's where the task names none */

/* ---- what is asked ---- */
static const struct {
    const char *text;
    enum ethos_event event;
} EVENTS[] = {
    {"admission", ETHOS_ADMITTED}, {"death", ETHOS_DIES}, {"death-in-stay", ETHOS_DIES_IN_STAY}, {"icu", ETHOS_IN_ICU}};

static const struct {
    const char *task;
    enum ethos_event event;
    int days;
} TASKS[] = {{"readmission_15d", ETHOS_ADMITTED, 15},
             {"readmission_30d", ETHOS_ADMITTED, 30},
             {"mortality", ETHOS_DIES_IN_STAY, LONG_HORIZON},
             {"mortality_24h", ETHOS_DIES_IN_STAY, LONG_HORIZON}};

static int find_event(struct ethos_outcome *o, const struct string_list *texts) {
    for (size_t i = 0; texts->n == 1 && i < sizeof EVENTS / sizeof *EVENTS; i++)
        if (strcmp(texts->items[0], EVENTS[i].text) == 0) return o->event = EVENTS[i].event, 1;
    return 0;
}

static int find_codes(struct ethos_outcome *o, const struct string_list *texts, const struct ehr_data *d) {
    long long capacity = 0;
    o->event = ETHOS_GETS_CODE;
    for (int64_t c = 0; c < d->n_cohort_codes; c++) {
        int begins = 0;
        for (int64_t i = 0; i < texts->n; i++)
            begins |= strncmp(ehr_code(d, c), texts->items[i], strlen(texts->items[i])) == 0;
        if (!begins || d->row[c] == TOKEN_MISSING) continue;
        TRY(mem_grow(&o->codes, &capacity, o->n_codes + 1, sizeof *o->codes));
        o->codes[o->n_codes++] = (int32_t)c;
    }
    if (o->n_codes > 0) return STATUS_OK;
    return status_set(STATUS_USAGE,
                      "ehr.outcome: no code of train begins with %s; it is admission, death, death-in-stay, icu, or "
                      "beginnings of codes as the cohort writes them",
                      texts->items[0]);
}

static int find_task(struct ethos_outcome *o, const char *task, int64_t *days) {
    for (size_t i = 0; i < sizeof TASKS / sizeof *TASKS; i++) {
        if (strcmp(task, TASKS[i].task) != 0) continue;
        o->event = TASKS[i].event;
        *days = TASKS[i].days;
        return STATUS_OK;
    }
    return status_set(STATUS_USAGE,
                      "ethos: the name of the task %s does not tell what its futures must hold: say ehr.outcome and "
                      "ehr.horizon, or use ethos-probe",
                      task);
}

int ethos_outcome_make(struct ethos_outcome *o, const struct ehr_options *options, const struct ehr_data *data) {
    const struct ehr_task *task = &data->tasks[0];
    int64_t days = LONG_HORIZON;
    *o = (struct ethos_outcome){0};
    if (task->form != LABEL_BINARY)
        return status_set(STATUS_USAGE, "ethos: the labels of %s are not true or false: use ethos-probe", task->name);
    if (options->outcome.n == 0)
        TRY(find_task(o, task->name, &days));
    else if (!find_event(o, &options->outcome))
        TRY(find_codes(o, &options->outcome, data));
    o->horizon = (int64_t)((options->horizon > 0 ? options->horizon : (double)days) * DAY);
    return STATUS_OK;
}

void ethos_outcome_free(struct ethos_outcome *o) {
    free(o->codes);
    *o = (struct ethos_outcome){0};
}

/* ---- a future ---- */
struct ethos_progress ethos_progress_begin(const struct ethos_outcome *o, const struct ethos_timeline *t) {
    struct ethos_progress p = {
        .time = t->n > 0 ? t->time[t->n - 1] : t->now, .until = t->now + o->horizon, .now = t->now};
    for (int64_t i = 0; i < t->n; i++)
        if (t->unit[i] == ETHOS_ADMISSION || t->unit[i] == ETHOS_DISCHARGE) p.in_stay = t->unit[i] == ETHOS_ADMISSION;
    p.has_begun = p.in_stay;
    if (t->n == 0) return p;
    int32_t interval;
    p.gap = p.now - p.time;
    p.n_silent = ethos_intervals(p.gap, &interval);
    if (p.n_silent == 0) p.n_silent = 1;
    return p;
}

double ethos_progress_share(const struct ethos_progress *p, int32_t unit) {
    if (p->n_silent == 0 || unit == ETHOS_END) return 1;
    return ethos_share_behind(unit, p->gap);
}

void ethos_progress_move(struct ethos_progress *p, int32_t unit) {
    if (p->n_silent == 0) {
        p->time += ethos_duration(unit);
        return;
    }
    p->time += ethos_duration_behind(unit, p->gap);
    p->n_silent--;
    if (p->n_silent == 0 && p->time < p->now) p->time = p->now; /* of several intervals, rounded */
}

/* Whether the last units spell one of the codes. */
static int spells_code(const struct ethos_outcome *o, const struct ethos_vocabulary *v,
                       const struct ethos_timeline *t) {
    for (int64_t i = 0; i < o->n_codes; i++) {
        int64_t first = v->offsets[o->codes[i]], n = v->offsets[o->codes[i] + 1] - first;
        if (n > 0 && n <= t->n && memcmp(v->spelling + first, t->unit + t->n - n, (size_t)n * sizeof *t->unit) == 0)
            return 1;
    }
    return 0;
}

/* A stay ends with its discharge, but a death at that very time is in it: the next interval or admission decides. */
static enum ethos_verdict step_stay(const struct ethos_progress *p, int32_t unit) {
    int is_over = p->has_begun && !p->in_stay;
    if (unit == ETHOS_DEATH) return p->has_begun ? ETHOS_HIT : ETHOS_MISS;
    return is_over && (ethos_duration(unit) > 0 || unit == ETHOS_ADMISSION) ? ETHOS_MISS : ETHOS_OPEN;
}

static int is_hit(const struct ethos_outcome *o, const struct ethos_vocabulary *v, const struct ethos_timeline *t,
                  int32_t unit) {
    switch (o->event) {
        case ETHOS_ADMITTED: return unit == ETHOS_ADMISSION;
        case ETHOS_DIES: return unit == ETHOS_DEATH;
        case ETHOS_IN_ICU: return unit == ETHOS_ICU_ADMISSION;
        case ETHOS_GETS_CODE: return spells_code(o, v, t);
        default: return 0; /* step_stay's */
    }
}

enum ethos_verdict ethos_progress_step(struct ethos_progress *p, const struct ethos_outcome *o,
                                       const struct ethos_vocabulary *v, const struct ethos_timeline *t) {
    int32_t unit = t->unit[t->n - 1];
    if (p->time > p->until || unit == ETHOS_END) return ETHOS_MISS;
    if (is_hit(o, v, t, unit)) return ETHOS_HIT;
    if (o->event == ETHOS_DIES_IN_STAY) {
        enum ethos_verdict verdict = step_stay(p, unit);
        if (verdict != ETHOS_OPEN) return verdict;
    } else if (unit == ETHOS_DEATH || (o->event == ETHOS_IN_ICU && unit == ETHOS_DISCHARGE)) {
        return ETHOS_MISS;
    }
    if (unit == ETHOS_ADMISSION) p->in_stay = p->has_begun = 1;
    if (unit == ETHOS_DISCHARGE) p->in_stay = 0;
    return ETHOS_OPEN;
}
