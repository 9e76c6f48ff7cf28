/* What the files of tasks share: what a task is, and what its labeller gets and gives. */
#ifndef MEDTOK_EHR_TASKS_LABELLER_H
#define MEDTOK_EHR_TASKS_LABELLER_H

#include "ehr/tasks/code_traits.h"
#include "ehr/tasks/tasks.h"

static const int64_t MINUTE = (int64_t)60 * 1000000, HOUR = (int64_t)3600 * 1000000, DAY = (int64_t)86400 * 1000000;

struct task;
struct stays; /* ehr/tasks/stays.h */

/* One subject and one task. */
struct labelling {
    struct task *task;
    const struct task_set *set;
    const struct code_traits *codes;
    enum task_mode mode;
    int ehrshot;
    const struct subject_record *record;
    struct stays *stays;            /* memory that labellers share */
    const struct task_notes *notes; /* or NULL */
};

/* What a definition needs of the codes; without it task_set_make says what to do. */
enum task_need { NEEDS_ATC = 1, NEEDS_CCS = 2 };

/* A definition: a constant of its family's file. */
struct task_kind {
    const char *name, *summary;
    enum label_form form;
    int32_t n_classes;
    const char *const *class_names; /* [n_classes] or NULL */
    unsigned hidden[N_TASK_MODES];
    int argument; /* of the family: days, a set of codes, an analyte */
    unsigned needs;
    int by_default; /* labelled if no tasks are named */
    int (*label[N_TASK_MODES])(const struct labelling *l);
};

struct task {
    const struct task_kind *kind; /* its constant, or `own` */
    struct task_kind own;         /* of a task file */
    struct aces_task *aces;       /* owned; NULL: it is of no file */
    struct task_samples samples;
    struct task_counts counts;
};

/* Adds a sample. label: as in struct task_sample, of LABEL_SET the number of classes in set (ascending). */
int labelling_add(const struct labelling *l, int64_t time, int32_t visit, int32_t label, const int32_t *set);

/* Counts a visit, result or trigger that is looked at; and one of them that gives no sample, which is told. */
void labelling_look_at(const struct labelling *l);
void labelling_leave_out(const struct labelling *l, enum task_filter filter, int64_t time, int32_t visit,
                         const char *detail);

/* The families. */
extern const struct task_kind MORTALITY_TASKS[], READMISSION_TASKS[], LENGTH_OF_STAY_TASKS[], PHENOTYPE_TASKS[],
    DRUG_TASKS[], DIAGNOSIS_TASKS[], EHRSHOT_TASKS[], LAB_TASKS[]; /* each ends with one that has no name */

#endif
