/* The list of tasks, and what is done for each of a set. */
#include "ehr/tasks/tasks.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ehr/tasks/aces.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

/* All definitions. */
static const struct task_kind *const FAMILIES[] = {MORTALITY_TASKS, READMISSION_TASKS, LENGTH_OF_STAY_TASKS,
                                                   PHENOTYPE_TASKS, DRUG_TASKS,        DIAGNOSIS_TASKS,
                                                   EHRSHOT_TASKS,   LAB_TASKS};
enum { N_FAMILIES = sizeof FAMILIES / sizeof *FAMILIES };

#define TASK_FILTER_FACT(constant, unit, why) [FILTER_##constant] = {unit, why},
const struct task_filter_facts TASK_FILTER_FACTS[N_TASK_FILTERS] = {TASK_FILTERS(TASK_FILTER_FACT)};

struct task_set {
    int n;
    struct task *tasks; /* [n] */
    struct code_traits traits;
    struct stays stays;
    enum task_mode mode;
    int ehrshot;
};

/* ---- the list ---- */
static const struct task_kind *find_kind(const char *name) {
    for (int f = 0; f < N_FAMILIES; f++)
        for (const struct task_kind *k = FAMILIES[f]; k->name; k++)
            if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

int task_is_known(const char *name) { return find_kind(name) != NULL; }

int task_default_names(struct string_list *names) {
    for (int f = 0; f < N_FAMILIES; f++)
        for (const struct task_kind *k = FAMILIES[f]; k->name; k++)
            if (k->by_default) TRY(string_list_add(names, k->name));
    return STATUS_OK;
}

static int unknown(const char *name) {
    char list[1024] = "";
    for (int f = 0; f < N_FAMILIES; f++)
        for (const struct task_kind *k = FAMILIES[f]; k->name; k++) {
            size_t at = strlen(list);
            snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", k->name);
        }
    return status_set(STATUS_USAGE,
                      "there is no task %s: there are %s, files of ACES (cohort.aces), and labels of the data set",
                      name, list);
}

/* ---- making a set ---- */
static int copy_names(struct task_samples *samples, const char *const *names) {
    TRY(mem_alloc(&samples->class_names, samples->n_classes, sizeof *samples->class_names));
    for (int32_t i = 0; i < samples->n_classes; i++) {
        samples->class_names[i] = strdup(names[i]);
        if (!samples->class_names[i]) return status_set(STATUS_FAILED, "out of memory");
    }
    return STATUS_OK;
}

static int name_classes(const struct task_set *set, struct task *task) {
    struct task_samples *samples = &task->samples;
    const char *phenotypes[N_PHENOTYPES];
    for (int p = 0; p < N_PHENOTYPES; p++) phenotypes[p] = PHENOTYPES[p].name;
    if (task->kind->form == LABEL_BINARY) return STATUS_OK;
    if (task->kind == PHENOTYPE_TASKS) return copy_names(samples, phenotypes);
    if (task->kind->class_names) return copy_names(samples, task->kind->class_names);
    samples->n_classes = set->traits.n_atc3;
    return copy_names(samples, (const char *const *)set->traits.atc3_names);
}

/* What a task lacks, or NULL. */
static const char *lacking(const struct task_set *set, const struct task_kind *kind) {
    if ((kind->needs & NEEDS_ATC || (set->mode == TASK_MEDTOK && kind->by_default)) && !set->traits.has_atc)
        return "drugs as codes of ATC: name maps from NDC or drug names to ATC (cohort.maps)";
    if (kind->needs & NEEDS_CCS && set->traits.n_phenotypes < N_PHENOTYPES)
        return "the groups of HCUP's CCS: name its files (cohort.groups)";
    return NULL;
}

static int check_name(const struct task_set *set, const char *name) {
    for (int i = 0; i + 1 < set->n; i++)
        if (strcmp(set->tasks[i].samples.name, name) == 0)
            return status_set(STATUS_USAGE, "cohort.tasks and cohort.aces name %s twice", name);
    return STATUS_OK;
}

static int begin_task(struct task_set *set, struct task *task) {
    const struct task_kind *kind = task->kind;
    task->samples.name = strdup(kind->name);
    if (!task->samples.name) return status_set(STATUS_FAILED, "out of memory");
    task->samples.form = kind->form;
    task->samples.n_classes = kind->n_classes;
    task->samples.hidden = kind->hidden[set->mode];
    TRY(check_name(set, kind->name));
    return name_classes(set, task);
}

static int add_kind(struct task_set *set, const char *name) {
    const struct task_kind *kind = find_kind(name);
    if (!kind) return unknown(name);
    const char *what = lacking(set, kind);
    if (what) return status_set(STATUS_USAGE, "the task %s needs %s; or leave it out of cohort.tasks", name, what);
    struct task *task = &set->tasks[set->n++];
    task->kind = kind;
    return begin_task(set, task);
}

static int add_file(struct task_set *set, const struct task_codes *codes, const char *path) {
    struct task *task = &set->tasks[set->n++];
    TRY(aces_task_make(&task->aces, path, codes));
    task->own = (struct task_kind){.name = aces_task_name(task->aces),
                                   .summary = path,
                                   .n_classes = 2,
                                   .label = {aces_task_label, aces_task_label}};
    task->kind = &task->own;
    return begin_task(set, task);
}

static int fill(struct task_set *set, const struct task_options *options, const struct string_list *names,
                const struct task_codes *codes) {
    TRY(mem_alloc(&set->tasks, names->n + options->aces.n, sizeof *set->tasks));
    TRY(code_traits_make(&set->traits, codes));
    for (int i = 0; i < names->n; i++) TRY(add_kind(set, names->items[i]));
    for (int i = 0; i < options->aces.n; i++) TRY(add_file(set, codes, options->aces.items[i]));
    return STATUS_OK;
}

int task_set_make(struct task_set **out, const struct task_options *options, const struct string_list *names,
                  const struct task_codes *codes) {
    struct task_set *set;
    *out = NULL;
    TRY(mem_alloc(&set, 1, sizeof *set));
    set->mode = options->mode;
    set->ehrshot = codes->ehrshot;
    int status = fill(set, options, names, codes);
    if (status == STATUS_OK)
        *out = set;
    else
        task_set_free(set);
    return status;
}

void task_set_free(struct task_set *set) {
    if (!set) return;
    for (int i = 0; i < set->n; i++) {
        task_samples_free(&set->tasks[i].samples);
        aces_task_free(set->tasks[i].aces);
    }
    free(set->tasks);
    code_traits_free(&set->traits);
    stays_free(&set->stays);
    free(set);
}

/* ---- labelling ---- */
int labelling_add(const struct labelling *l, int64_t time, int32_t visit, int32_t label, const int32_t *set) {
    struct task_sample sample = {l->record->index, time, visit, label};
    return task_samples_add(&l->task->samples, &sample, set);
}

void labelling_look_at(const struct labelling *l) { l->task->counts.looked_at++; }

void labelling_leave_out(const struct labelling *l, enum task_filter filter, int64_t time, int32_t visit,
                         const char *detail) {
    l->task->counts.left_out[filter]++;
    if (l->notes) l->notes->left_out(l->notes->self, l->task->kind->name, filter, time, visit, detail);
}

static int is_before(const struct task_sample *a, const struct task_sample *b) {
    return a->time != b->time ? a->time < b->time : a->visit < b->visit;
}

/* Sorts the samples from `first` on, which are one subject's and nearly in order, and their sets, which begin at `first_set`. */
static int sort_samples(struct task_samples *t, long long first, long long first_set) {
    int32_t *sets = NULL;
    int64_t *at = NULL, n = t->n - first;
    for (long long i = first + 1; i < t->n; i++)
        if (is_before(&t->samples[i], &t->samples[i - 1])) goto sort;
    return STATUS_OK;
sort:;
    int status = mem_alloc(&sets, t->n_set - first_set, sizeof *sets);
    if (status == STATUS_OK) status = mem_alloc(&at, n, sizeof *at);
    if (status != STATUS_OK) goto done;
    memcpy(sets, t->set ? t->set + first_set : sets, (size_t)(t->n_set - first_set) * sizeof *sets);
    struct task_sample *s = t->samples + first;
    for (int64_t i = 0, set = 0; i < n; i++) {
        at[i] = set;
        if (t->form == LABEL_SET) set += s[i].label;
    }
    for (int64_t i = 1; i < n; i++)
        for (int64_t k = i; k > 0 && is_before(&s[k], &s[k - 1]); k--) {
            struct task_sample sample = s[k];
            int64_t begin = at[k];
            s[k] = s[k - 1], at[k] = at[k - 1];
            s[k - 1] = sample, at[k - 1] = begin;
        }
    for (int64_t i = 0, set = first_set; i < n && t->form == LABEL_SET; set += s[i++].label)
        memcpy(t->set + set, sets + at[i], (size_t)s[i].label * sizeof *sets);
done:
    free(sets);
    free(at);
    return status;
}

static int label_task(struct task_set *set, struct task *task, const struct subject_record *record,
                      const struct task_notes *notes) {
    struct labelling l = {.task = task,
                          .codes = &set->traits,
                          .mode = set->mode,
                          .ehrshot = set->ehrshot,
                          .record = record,
                          .stays = &set->stays,
                          .notes = notes};
    long long n = task->samples.n, n_set = task->samples.n_set;
    TRY(task->kind->label[set->mode](&l));
    task->counts.subjects += task->samples.n > n;
    return sort_samples(&task->samples, n, n_set);
}

int task_set_explain(struct task_set *set, const struct subject_record *record, const struct task_notes *notes) {
    for (int i = 0; i < set->n; i++) TRY(label_task(set, &set->tasks[i], record, notes));
    return STATUS_OK;
}

int task_set_label(void *self, const struct subject_record *record) { return task_set_explain(self, record, NULL); }

/* ---- what there is ---- */
int task_set_count(const struct task_set *set) { return set->n; }
struct task_samples *task_set_samples(struct task_set *set, int i) {
    return &set->tasks[i].samples;
}
const struct task_counts *task_set_counts(const struct task_set *set, int i) { return &set->tasks[i].counts; }
const char *task_set_summary(const struct task_set *set, int i) { return set->tasks[i].kind->summary; }
