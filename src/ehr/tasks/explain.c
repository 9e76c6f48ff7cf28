/* A subject's page. */
#include "ehr/tasks/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/cohort_events.h"

enum { HIDDEN_SHOWN = 8 };

/* What a task said of the subject. */
struct note {
    const char *task, *detail;
    enum task_filter filter;
    int64_t time;
    int32_t visit;
};
struct notes {
    struct note *items;
    long long n, capacity;
    int status;
};

static void take_note(void *self, const char *task, enum task_filter filter, int64_t time, int32_t visit,
                      const char *detail) {
    struct notes *notes = self;
    if (notes->status == STATUS_OK)
        notes->status = mem_grow(&notes->items, &notes->capacity, notes->n + 1, sizeof *notes->items);
    if (notes->status == STATUS_OK) notes->items[notes->n++] = (struct note){task, detail, filter, time, visit};
}

/* ---- the record ---- */
static void print_time(FILE *out, int64_t time, const char *none) {
    char text[40];
    cohort_time_text(time, text);
    fputs(time == COHORT_NO_TIME ? none : text, out);
}

static void print_visits(FILE *out, const struct subject_record *r) {
    fprintf(out, "\nvisits: %lld\n", (long long)r->n_visits);
    for (int64_t v = 0; v < r->n_visits; v++) {
        const struct cohort_visit *visit = &r->visits[v];
        fprintf(out, "  %lld  ", (long long)v);
        print_time(out, visit->start, "");
        fputs(" to ", out);
        print_time(out, visit->end, "(end not known)");
        fprintf(out, "  %s", VISIT_KIND_NAMES[visit->kind]);
        if (visit->id != COHORT_NO_VISIT) fprintf(out, ", id %lld", (long long)visit->id);
        fprintf(out, "%s\n", visit->died ? ", died" : "");
    }
}

static void print_events(FILE *out, const struct cohort *c, const struct subject_record *r) {
    fprintf(out, "\nevents: %lld\n", (long long)r->n_events);
    for (int64_t i = 0; i < r->n_events; i++) {
        fputs("  ", out);
        print_time(out, r->time[i], "(static)");
        fprintf(out, "  %s  %s", CODE_KIND_NAMES[c->code_kind[r->code[i]]], cohort_code(c, r->code[i]));
        if (!isnan(r->value[i])) fprintf(out, "  %g", (double)r->value[i]);
        if (r->visit[i] >= 0) fprintf(out, "  visit %d", r->visit[i]);
        fputc('\n', out);
    }
}

/* ---- a sample ---- */
static void print_label(FILE *out, const struct cohort *c, int64_t task, int64_t sample) {
    int32_t label = c->sample_label[sample];
    if (c->task_form[task] == LABEL_BINARY) fputs(label ? "true" : "false", out);
    if (c->task_form[task] == LABEL_CLASS) fprintf(out, "%d (%s)", label, cohort_class(c, task, label));
    if (c->task_form[task] == LABEL_SET && label == 0) fputs("none", out);
    for (int32_t i = 0; c->task_form[task] == LABEL_SET && i < label; i++)
        fprintf(out, "%s%s", i ? " | " : "", cohort_class(c, task, c->set[c->sample_set[sample] + i]));
}

static int is_hidden(const struct cohort *c, const struct subject_record *r, int64_t task, int64_t sample, int64_t i) {
    int32_t visit = c->sample_visit[sample];
    return r->time[i] <= c->sample_time[sample] && visit >= 0 && r->visit[i] == visit &&
           (c->task_hidden[task] >> c->code_kind[r->code[i]] & 1);
}

static void print_hidden(FILE *out, const struct cohort *c, const struct subject_record *r, int64_t task,
                         int64_t sample) {
    int64_t n = 0;
    for (int64_t i = 0; i < r->n_events; i++) n += is_hidden(c, r, task, sample, i);
    if (n == 0) return;
    fprintf(out, "      hidden, since they are asked for: %lld events of visit %d:", (long long)n,
            c->sample_visit[sample]);
    for (int64_t i = 0, shown = 0; i < r->n_events && shown < HIDDEN_SHOWN; i++)
        if (is_hidden(c, r, task, sample, i)) fprintf(out, "%s %s", shown++ ? "," : "", cohort_code(c, r->code[i]));
    fprintf(out, "%s\n", n > HIDDEN_SHOWN ? ", ..." : "");
}

static int print_sample(FILE *out, const struct cohort *c, const struct subject_record *r, int64_t task,
                        int64_t sample) {
    struct history history = {0};
    int status = cohort_history(c, sample, &history);
    fputs("  sample at ", out);
    print_time(out, c->sample_time[sample], "");
    if (c->sample_visit[sample] >= 0) fprintf(out, ", visit %d", c->sample_visit[sample]);
    fputs(": ", out);
    print_label(out, c, task, sample);
    fprintf(out, "; %lld of %lld events are known\n", (long long)history.n, (long long)r->n_events);
    print_hidden(out, c, r, task, sample);
    history_free(&history);
    return status;
}

/* ---- a task ---- */
static void print_notes(FILE *out, const char *task, const struct notes *notes) {
    for (long long i = 0; i < notes->n; i++) {
        const struct note *note = &notes->items[i];
        if (strcmp(note->task, task) != 0) continue;
        fprintf(out, "  left out: %s", TASK_FILTER_FACTS[note->filter].unit);
        if (note->visit >= 0) fprintf(out, " %d", note->visit);
        if (note->time != COHORT_NO_TIME) {
            fputs(" at ", out);
            print_time(out, note->time, "");
        }
        fprintf(out, ": %s", TASK_FILTER_FACTS[note->filter].why);
        if (note->detail) fprintf(out, " (%s)", note->detail);
        fputc('\n', out);
    }
}

static int find_in_set(struct task_set *set, const char *name) {
    for (int i = 0; set && i < task_set_count(set); i++)
        if (strcmp(task_set_samples(set, i)->name, name) == 0) return i;
    return -1;
}

static int print_task(FILE *out, const struct cohort *c, const struct subject_record *r, int64_t task,
                      struct task_set *set, const struct notes *notes) {
    const char *name = cohort_task(c, task);
    int own = find_in_set(set, name);
    long long n = 0;
    fprintf(out, "\n%s: %s\n", name,
            own < 0 ? "its labels came with the data set, or need files that are not named here"
                    : task_set_summary(set, own));
    for (int64_t i = c->task_offsets[task]; i < c->task_offsets[task + 1]; i++) {
        if (c->sample_subject[i] != r->index) continue;
        TRY(print_sample(out, c, r, task, i));
        n++;
    }
    print_notes(out, name, notes);
    if (own >= 0 && n != task_set_samples(set, own)->n)
        fprintf(out, "  these settings give %lld samples here: the cohort was made with others\n",
                task_set_samples(set, own)->n);
    if (n == 0 && (own < 0 || task_set_counts(set, own)->looked_at == 0)) fputs("  no sample\n", out);
    return STATUS_OK;
}

int explain_subject(FILE *out, const struct cohort *c, int64_t subject, struct task_set *set) {
    struct subject_record r = cohort_subject(c, subject);
    struct notes notes = {0};
    struct task_notes told = {&notes, take_note};
    int status = set ? task_set_explain(set, &r, &told) : STATUS_OK;
    if (status == STATUS_OK) status = notes.status;
    fprintf(out, "subject %lld, %s; born ", (long long)r.subject, SPLIT_NAMES[r.split]);
    print_time(out, r.birth, "(not known)");
    fputs(", died ", out);
    print_time(out, r.death, "(not known)");
    fputc('\n', out);
    print_visits(out, &r);
    print_events(out, c, &r);
    for (int64_t t = 0; t < c->n_tasks && status == STATUS_OK; t++) status = print_task(out, c, &r, t, set, &notes);
    free(notes.items);
    return status;
}
