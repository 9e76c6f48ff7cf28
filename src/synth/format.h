/* A format in which a hospital is written: a list of tables, and a function that puts one patient's rows into them. One file each
 * (mimic3.c, mimic4.c, ehrshot.c, omop.c, meds.c), which says what the format cannot hold.
 *
 * How to add one: a file with a constant struct synth_format, and a line in FORMATS.
 */
#ifndef MEDTOK_SYNTH_FORMAT_H
#define MEDTOK_SYNTH_FORMAT_H

#include "synth/bayes.h"
#include "synth/patient.h"
#include "synth/rows.h"

/* In the order in which they are made; constant, name. */
#define SYNTH_FORMATS(FORMAT)                                                                                          \
    FORMAT(MIMIC3, "mimic3")                                                                                           \
    FORMAT(MIMIC4, "mimic4") FORMAT(EHRSHOT, "ehrshot") FORMAT(OMOP, "omop") FORMAT(MEDS, "meds")
#define SYNTH_FORMAT_NUMBER(constant, name) SYNTH_##constant,
enum synth_format_number { SYNTH_FORMATS(SYNTH_FORMAT_NUMBER) N_SYNTH_FORMATS };
#undef SYNTH_FORMAT_NUMBER

struct synth_table {
    const char *name;   /* of its file in the format's folder, without .csv and .gz: "hosp/admissions" */
    const char *header; /* without the line's end */
};

struct synth_hospital {
    const struct synth_model *model;
    const struct catalogue *catalogue;
};

/* The kinds of faulty rows that are planted for tests of readers. */
#define SYNTH_FAULTS(FAULT)                                                                                            \
    FAULT(BAD_DATE, "bad date")                                                                                        \
    FAULT(ENDS_EARLY, "discharge before admission")                                                                    \
    FAULT(DIES_EARLY, "death before birth")                                                                            \
    FAULT(TWICE, "duplicate id") FAULT(UNKNOWN, "unknown patient") FAULT(NO_NUMBER, "text for a number")
#define SYNTH_FAULT_NUMBER(constant, name) FAULT_##constant,
enum synth_fault { SYNTH_FAULTS(SYNTH_FAULT_NUMBER) N_SYNTH_FAULTS };
#undef SYNTH_FAULT_NUMBER

struct synth_format {
    const char *name;
    int n_tables;
    const struct synth_table *tables;
    /* Rows that are no patient's: the list of codes. NULL: there are none. */
    void (*lists)(const struct synth_hospital *hospital, struct rows *tables);
    void (*patient)(const struct synth_hospital *hospital, const struct synth_patient *patient,
                    const struct synth_samples *samples, struct rows *tables);
    /* Puts one faulty row behind the patient's own, which stay as they are; returns the table, or -1 if the format cannot have this
     * fault, or not with this patient (who has no admission). */
    int (*fault)(const struct synth_patient *patient, enum synth_fault fault, struct rows *tables);
};

extern const struct synth_format *const SYNTH_FORMAT_LIST[N_SYNTH_FORMATS];

/* What is written in several formats alike. */
extern const char *const SYNTH_RACES[5], *const SYNTH_ADMISSION_TYPES[5], *const SYNTH_UNITS[6];

static inline int64_t synth_version(int version) { return version == ICD9 ? 9 : 10; }

/* Added to the numbers of patients and admissions, it gives numbers that no good row has. */
#define SYNTH_FAULT_IDS 500000000000

/* The id of a prescription, test or other item of a patient: different for all patients. */
static inline int64_t item_id(const struct synth_patient *p, long long item) { return p->number * 65536 + item + 1; }

#endif
