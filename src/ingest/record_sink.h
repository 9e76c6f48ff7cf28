/* Where readers of health records (MIMIC, EHRSHOT, OMOP, MEDS) put what they find, in any order, from any rank. What is behind it, and in
 * what order subjects, visits and events come out, is not the reader's matter (ingest/record_collector.h; a list in tests).
 *
 * Codes are given as the source has them, with what tells their system in front, in the words of MIMIC-IV-MEDS:
 *   DIAGNOSIS//ICD//9//4280   PROCEDURE//ICD//10//0FT44ZZ   MEDICATION//NDC//00904198861   MEDICATION//NAME//Heparin
 *   LAB//50912//mg/dL   ICU_ADMISSION//MICU   GENDER//F   RACE//WHITE      or SYSTEM/CODE: ICD9CM/428.0, CONCEPT/201826
 * Their normal form, maps to other systems and concept names are applied to the list of codes later (terms/source_code.h), once a
 * code and not once an event. A visit's begin and end, birth and death become events by themselves: readers give visits and subjects.
 */
#ifndef MEDTOK_INGEST_RECORD_SINK_H
#define MEDTOK_INGEST_RECORD_SINK_H

#include "store/subject_record.h"

/* Where something stands: for messages, and as the order of the source among equal times. */
struct row_position {
    int32_t file; /* index in the list of files that are read, at most 65,535 */
    int64_t line; /* CSV: the line where the row begins, the header is 1; Parquet: the row, from 1 */
};

/* How exact a time is. A day counts as known at its end (23:59:59.999999), or at the end of the event's visit if that is before: so what
 * has no time of day is never known too early. */
enum time_precision {
    TIME_EXACT,
    TIME_DAY,
    TIME_DISCHARGE /* no time at all: at the end of its visit (MIMIC's diagnoses); `time` is not looked at */
};

struct found_subject {
    int64_t subject;
    int64_t birth, death;                /* COHORT_NO_TIME: not known */
    enum time_precision death_precision; /* TIME_EXACT or TIME_DAY: at the end of that day */
    int split;                           /* enum cohort_split, or -1: the data set has no split */
    int adds; /* it adds to a subject that has a row of its own elsewhere (MEDS_BIRTH): alone it is a fault */
};

struct found_event {
    int64_t subject, visit; /* visit: its id, or COHORT_NO_VISIT */
    int64_t time;           /* COHORT_NO_TIME with TIME_EXACT: a static fact; its visit is the one that says it */
    enum time_precision precision;
    enum code_kind kind;
    const char *code; /* [code_size] not terminated; copied */
    int64_t code_size;
    float value; /* NaN: none */
};

struct found_label {
    const char *task; /* copied */
    int64_t subject, time;
    int32_t label; /* of a binary task 0 or 1; else the class, less than LABEL_MOST_CLASSES */
};
enum { LABEL_MOST_CLASSES = 65536 };

/* Functions return a status; a fault beyond what is bearable is an error of `fault` itself. */
struct record_sink {
    void *self;
    int (*subject)(void *self, struct row_position at, const struct found_subject *subject);
    /* A death that does not stand in the subject's row (admissions.deathtime, OMOP's table of deaths): an exact one wins over a day, and of
     * two alike the earlier one. */
    int (*death)(void *self, struct row_position at, int64_t subject, int64_t time, enum time_precision precision);
    int (*visit)(void *self, struct row_position at, int64_t subject, const struct cohort_visit *visit);
    int (*event)(void *self, struct row_position at, const struct found_event *event);
    int (*label)(void *self, struct row_position at, const struct found_label *label);
    /* A row that cannot be used, and why ("admittime is 2180-13-01: no time"): it is left out, counted and listed with file and line,
     * until there are more of them than cohort.most_bad allows. */
    int (*fault)(void *self, struct row_position at, const char *format, ...) __attribute__((format(printf, 3, 4)));
    /* A row that is left out by a rule that has a name ("an empty code"): counted by file and rule, no fault. */
    int (*leave_out)(void *self, struct row_position at, const char *rule);
};

#endif
