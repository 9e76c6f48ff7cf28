/* Evaluating a task file of ACES on one subject.
 *
 * As es-aces 0.7.3 (aces/extract_subtree.py, aggregate.py): events of one time are one row, with a count of each plain predicate; and(), or()
 * are 1 where all, or any, of their inputs are in the row. Each row with the trigger is tried. From it the starts and ends of windows are
 * found: so long away, or at the next or last row of a predicate, which may be the row itself where that end of the window is within.
 * What a window holds is the sum of its rows' counts. A window without an end gives no sample, nor one that does not hold what it must.
 */
#include "ehr/tasks/aces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "ehr/tasks/aces_codes.h"

struct aces_task {
    char *name, *path;
    struct aces_spec spec;
    /* of the subject in hand */
    int64_t n_rows;
    int64_t *time; /* [n_rows] */
    int64_t *sums; /* [n_rows + 1, n_columns] of the rows before, for each predicate and the special ones */
    long long time_capacity, sums_capacity;
};

static int n_columns(const struct aces_task *t) { return t->spec.n_predicates + N_ACES_SPECIAL; }

const char *aces_task_name(const struct aces_task *task) { return task->name; }

void aces_task_free(struct aces_task *task) {
    if (!task) return;
    aces_spec_free(&task->spec);
    free(task->name);
    free(task->path);
    free(task->time);
    free(task->sums);
    free(task);
}

/* ---- a file ---- */
static char *name_of(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    int yaml = dot && dot > name && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
    return yaml ? strndup(name, (size_t)(dot - name)) : strdup(name);
}

int aces_task_make(struct aces_task **out, const char *path, const struct task_codes *codes) {
    struct aces_task *task;
    TRY(mem_alloc(&task, 1, sizeof *task));
    task->path = strdup(path);
    task->name = name_of(path);
    int status =
        task->path && task->name ? aces_spec_read(&task->spec, path) : status_set(STATUS_FAILED, "out of memory");
    if (status == STATUS_OK) status = aces_find_codes(&task->spec, path, codes);
    if (status == STATUS_OK && aces_label_is_past(&task->spec))
        log_warn_once(
            "task %s: the window %s, whose events are the label, lies before the prediction time: the history says the "
            "label",
            task->name, task->spec.windows[task->spec.label_window].name);
    *out = status == STATUS_OK ? task : NULL;
    if (status != STATUS_OK) aces_task_free(task);
    return status;
}

/* ---- rows of a subject ---- */
static int is_event(const struct aces_predicate *p, int32_t code, float value) {
    if (!p->is_code[code]) return 0;
    if (p->has_least && !(p->least_in ? value >= p->least : value > p->least)) return 0;
    return !p->has_most || (p->most_in ? value <= p->most : value < p->most); /* NaN is in no bounds */
}

/* The counts of a row, in whose place they are added to the sums before. */
static void finish_row(const struct aces_task *t, int64_t row) {
    const struct aces_spec *s = &t->spec;
    int n = n_columns(t);
    int64_t *counts = t->sums + (row + 1) * n;
    for (int d = 0; d < s->n_derived; d++) {
        const struct aces_predicate *p = &s->predicates[s->derived[d]];
        int n_in = 0;
        for (int i = 0; i < p->n_texts; i++) n_in += counts[p->inputs[i]] > 0;
        counts[s->derived[d]] = p->form == ACES_AND ? n_in == p->n_texts : n_in > 0;
    }
    counts[s->n_predicates + ACES_ANY_EVENT] = 1;
    counts[s->n_predicates + ACES_RECORD_START] = row == 0;
    counts[s->n_predicates + ACES_RECORD_END] = row + 1 == t->n_rows;
}

static int count_rows(struct aces_task *t, const struct subject_record *r) {
    int n = n_columns(t);
    t->n_rows = 0;
    TRY(mem_grow(&t->time, &t->time_capacity, r->n_events, sizeof *t->time));
    for (int64_t i = 0; i < r->n_events; i++)
        if (r->time[i] != COHORT_NO_TIME && (t->n_rows == 0 || t->time[t->n_rows - 1] != r->time[i]))
            t->time[t->n_rows++] = r->time[i];
    TRY(mem_grow(&t->sums, &t->sums_capacity, (t->n_rows + 1) * n, sizeof *t->sums));
    memset(t->sums, 0, (size_t)((t->n_rows + 1) * n) * sizeof *t->sums);
    for (int64_t i = 0, row = -1; i < r->n_events; i++) {
        if (r->time[i] == COHORT_NO_TIME) continue;
        while (row < 0 || t->time[row] != r->time[i]) row++;
        for (int p = 0; p < t->spec.n_predicates; p++)
            if (t->spec.predicates[p].is_code)
                t->sums[(row + 1) * n + p] += is_event(&t->spec.predicates[p], r->code[i], r->value[i]);
    }
    for (int64_t row = 0; row < t->n_rows; row++) finish_row(t, row);
    for (int64_t i = n; i < (t->n_rows + 1) * n; i++) t->sums[i] += t->sums[i - n];
    return STATUS_OK;
}

/* The first row at `time` or later; behind: later. */
static int64_t row_at(const struct aces_task *t, int64_t time, int behind) {
    int64_t low = 0, high = t->n_rows;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (t->time[middle] < time || (behind && t->time[middle] == time))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t sum(const struct aces_task *t, int predicate, int64_t from, int64_t to) {
    int n = n_columns(t);
    return to > from ? t->sums[to * n + predicate] - t->sums[from * n + predicate] : 0;
}

/* ---- windows ---- */
/* The next row with the predicate from `row` on, n_rows if there is none; the last one before `row`, -1. By halves, since sums ascend. */
static int64_t next_row(const struct aces_task *t, int predicate, int64_t row) {
    int64_t low = row, high = t->n_rows;
    if (sum(t, predicate, row, t->n_rows) == 0) return t->n_rows;
    while (high - low > 1) { /* rows from `row` to before high have it, those to before low do not */
        int64_t middle = low + (high - low) / 2;
        if (sum(t, predicate, row, middle) > 0)
            high = middle;
        else
            low = middle;
    }
    return low;
}

static int64_t last_row(const struct aces_task *t, int predicate, int64_t row) {
    int64_t low = 0, high = row;
    if (sum(t, predicate, 0, row) == 0) return -1;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (sum(t, predicate, middle, row) > 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The time of a node, from its parent's; 0: there is none. The near end of a window itself may be the event if the far end is within. */
static int place(const struct aces_task *t, const struct aces_node *node, int64_t from, int64_t *time) {
    const struct aces_window *w = node->window >= 0 ? &t->spec.windows[node->window] : NULL;
    int64_t row;
    switch (node->bound) {
        case ACES_SAME: *time = from; return 1;
        case ACES_OFFSET: *time = from + node->offset; return 1;
        case ACES_NEXT: row = next_row(t, node->predicate, row_at(t, from, !(w && w->end_in))); break;
        default: row = last_row(t, node->predicate, row_at(t, from, w && w->start_in)); break;
    }
    if (row < 0 || row >= t->n_rows) return 0;
    *time = t->time[row];
    return 1;
}

/* What the window holds of a predicate, between two times. */
static int64_t held(const struct aces_task *t, const struct aces_window *w, int predicate, int64_t a, int64_t b) {
    int64_t start = a < b ? a : b, end = a < b ? b : a;
    return sum(t, predicate, row_at(t, start, !w->start_in), row_at(t, end, w->end_in));
}

static int holds(const struct aces_task *t, const struct aces_window *w, int64_t a, int64_t b) {
    for (int i = 0; i < w->n_ranges; i++) {
        int64_t n = held(t, w, w->ranges[i].predicate, a, b);
        if (n < w->ranges[i].least || n > w->ranges[i].most) return 0;
    }
    return 1;
}

/* Tries a trigger: *failed is the window because of which there is no sample, or NULL. */
static void try_trigger(const struct aces_task *t, int64_t trigger, int64_t *index, int32_t *label,
                        const struct aces_window **failed) {
    const struct aces_spec *s = &t->spec;
    int64_t times[ACES_MOST_NODES] = {trigger};
    for (int i = 1; i < s->n_nodes; i++) {
        int n = s->order[i];
        const struct aces_node *node = &s->nodes[n];
        int64_t from = times[node->parent];
        *failed = &s->windows[(n - 1) / 2];
        if (!place(t, node, from, &times[n])) return;
        if (node->window >= 0 && !holds(t, &s->windows[node->window], from, times[n])) return;
        if (node->window >= 0 && node->window == s->label_window)
            *label = held(t, &s->windows[node->window], s->label_predicate, from, times[n]) > 0;
    }
    *failed = NULL;
    *index = times[s->index_node];
}

int aces_task_label(const struct labelling *l) {
    struct aces_task *t = l->task->aces;
    long long first = l->task->samples.n;
    TRY(count_rows(t, l->record));
    for (int64_t row = 0; row < t->n_rows; row++) {
        const struct aces_window *failed;
        int64_t index = 0;
        int32_t label = 0, twice = 0;
        if (sum(t, t->spec.trigger, row, row + 1) == 0) continue;
        labelling_look_at(l);
        try_trigger(t, t->time[row], &index, &label, &failed);
        for (long long i = first; i < l->task->samples.n && !failed; i++)
            if (l->task->samples.samples[i].time == index) twice = 1;
        if (failed)
            labelling_leave_out(l, FILTER_WINDOW, t->time[row], -1, failed->name);
        else if (twice)
            labelling_leave_out(l, FILTER_TWICE, index, -1, NULL);
        else
            TRY(labelling_add(l, index, -1, label, NULL));
    }
    return STATUS_OK;
}
