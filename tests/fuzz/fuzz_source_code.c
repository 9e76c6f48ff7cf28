/* Any fields are rows or faults to EHRSHOT, OMOP and MEDS CSV; any code becomes one or more, with and without maps, and
 * what is a code of a known system in its normal form becomes itself. The first byte picks the table; then fields,
 * separated by zeros; the first is a code too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/ehrshot_rows.h"
#include "ingest/meds_csv_rows.h"
#include "ingest/omop_rows.h"
#include "terms/code_form.h"
#include "terms/drug_name.h"
#include "terms/omop_code.h"
#include "terms/source_code.h"
#include "terms/source_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define HOLDS(condition)                                                                                               \
    if (!(condition)) abort()

const char *const SPLIT_NAMES[N_SPLITS] = {"train", "tuning", "held_out"}; /* store/, whose rest needs HDF5, has them */

enum { MOST_FIELDS = 2 * SOURCE_MOST_COLUMNS };

static struct source_code_rules *rules, *with_maps;

/* ---- a sink that looks at what it gets, and keeps the codes ---- */
static int subject(void *self, struct row_position at, const struct found_subject *s) {
    (void)self, (void)at;
    HOLDS(s->split >= -1 && s->split < N_SPLITS);
    return 0;
}

static int death(void *self, struct row_position at, int64_t who, int64_t time, enum time_precision precision) {
    (void)self, (void)at, (void)who;
    HOLDS(time != COHORT_NO_TIME && precision != TIME_DISCHARGE);
    return 0;
}

static int visit(void *self, struct row_position at, int64_t who, const struct cohort_visit *v) {
    (void)self, (void)at, (void)who;
    HOLDS(v->start != COHORT_NO_TIME && v->kind < N_VISIT_KINDS && v->died <= 1);
    return 0;
}

static int event(void *self, struct row_position at, const struct found_event *e) {
    int32_t number;
    (void)at;
    HOLDS(e->code_size > 0 && e->kind < N_CODE_KINDS && (isnan(e->value) || isfinite(e->value)));
    HOLDS(e->time != COHORT_NO_TIME || e->precision == TIME_EXACT);
    return dictionary_add(self, e->code, e->code_size, &number);
}

static int label(void *self, struct row_position at, const struct found_label *l) {
    (void)self, (void)at;
    HOLDS(l->time != COHORT_NO_TIME && l->label >= 0);
    return 0;
}

static int fault(void *self, struct row_position at, const char *format, ...) {
    (void)self, (void)at, (void)format;
    return 0;
}

static int leave_out(void *self, struct row_position at, const char *rule) {
    (void)self, (void)at, (void)rule;
    return 0;
}

/* ---- codes ---- */
static void look_at_targets(const struct source_code_rules *r, const struct dictionary *codes) {
    struct code_targets t, again;
    HOLDS(code_targets_make(&t, r, codes) == 0);
    HOLDS(t.n == codes->n);
    for (int64_t i = 0; i < t.n; i++) HOLDS(t.offsets[i + 1] > t.offsets[i]);
    if (r == rules) {
        HOLDS(code_targets_make(&again, r, &t.names) == 0);
        for (int64_t i = 0; i < again.n; i++) {
            const char *name = t.names.bytes + t.names.offsets[i];
            int64_t n = t.names.offsets[i + 1] - t.names.offsets[i];
            const char *slash = memchr(name, '/', (size_t)n);
            char system[32];
            if (!slash || slash - name >= 32 || n > 64 || memchr(slash + 1, '/', (size_t)(name + n - slash - 1)))
                continue;
            memcpy(system, name, (size_t)(slash - name));
            system[slash - name] = 0;
            if (code_system(system) == SYSTEM_OTHER || strcmp(code_system_name(system), system) != 0) continue;
            int32_t self = dictionary_find(&again.names, name, n);
            HOLDS(again.offsets[i + 1] == again.offsets[i] + 1 && again.target[again.offsets[i]] == self);
        }
        code_targets_free(&again);
    }
    code_targets_free(&t);
}

static void make_rules(void) {
    HOLDS(source_code_rules_new(&rules) == 0 && source_code_rules_new(&with_maps) == 0);
    struct code_map *map = source_code_rules_map(with_maps);
    HOLDS(source_code_rules_add_pattern(with_maps, "DX: -> ICD9CM") == 0);
    HOLDS(code_map_add(map, DRUG_NAME_SYSTEM, "heparin", "ATC", "B01AB01") == 0);
    HOLDS(code_map_add(map, "NDC", "0002-1200-01", "RxNorm", "161") == 0);
    HOLDS(code_map_add(map, "RxNorm", "161", "ATC", "N02BE01") == 0);
    HOLDS(source_code_rules_add_parent(with_maps, "LAB//1//x", 9, "LOINC/718-7") == 0);
    HOLDS(source_code_rules_add_concept(with_maps, 7, "SNOMED", "1") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static char *tasks[] = {"chexpert"};
    static const struct label_files labels = {{1, tasks}};
    const struct table_kind *kinds[6 + N_OMOP_TABLES] = {&EHRSHOT_SPLITS,  &EHRSHOT_EVENTS,  &EHRSHOT_LABELS,
                                                         &MEDS_CSV_SPLITS, &MEDS_CSV_EVENTS, &MEDS_CSV_LABELS};
    struct field fields[MOST_FIELDS];
    struct dictionary codes = {0};
    int32_t number;
    if (!rules) make_rules();
    if (size < 2) return 0;
    memcpy(kinds + 6, OMOP_TABLES, N_OMOP_TABLES * sizeof *kinds);
    const char *p = (const char *)bytes + 1, *end = (const char *)bytes + size;
    for (int i = 0; i < MOST_FIELDS; i++) {
        const char *stop = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
        if (!stop) stop = end;
        fields[i] = (struct field){p, stop - p};
        p = stop < end ? stop + 1 : end;
    }
    struct record_sink sink = {&codes, subject, death, visit, event, label, fault, leave_out};
    HOLDS(kinds[bytes[0] % (6 + N_OMOP_TABLES)]->row(&labels, fields, (struct row_position){0, 1}, &sink) == 0);
    if (fields[0].size > 0 && fields[0].size < 1024)
        HOLDS(dictionary_add(&codes, fields[0].text, fields[0].size, &number) == 0);
    look_at_targets(rules, &codes);
    look_at_targets(with_maps, &codes);
    dictionary_free(&codes);
    return 0;
}
