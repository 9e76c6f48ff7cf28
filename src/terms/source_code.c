/* Two passes over the codes: what an OMOP source's values tell of its tables, then each code by itself. */
#include "terms/source_code.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "terms/code_form.h"
#include "terms/meds_code.h"
#include "terms/omop_code.h"
#include "terms/source_pattern.h"

/* Numbers or texts to names SYSTEM/FORM. */
struct name_table {
    struct dictionary keys, names;
    int32_t *name; /* [keys.n] number in names */
    long long capacity;
};

struct source_code_rules {
    struct source_patterns *patterns;
    struct code_map map;
    struct name_table concepts, parents;
    void *reader;
    int (*read)(void *self, struct source_code_rules *rules, const struct dictionary *codes);
    void (*release)(void *self);
};

/* ---- tables of names ---- */
static void name_table_free(struct name_table *t) {
    dictionary_free(&t->keys);
    dictionary_free(&t->names);
    free(t->name);
}

/* Of two names of one key the first stays. */
static int name_table_add(struct name_table *t, const void *key, int64_t size, const char *name) {
    int32_t number, value;
    int64_t known = t->keys.n;
    TRY(dictionary_add(&t->keys, key, size, &number));
    if (t->keys.n == known) return STATUS_OK;
    TRY(dictionary_add(&t->names, name, (int64_t)strlen(name), &value));
    TRY(mem_grow(&t->name, &t->capacity, t->keys.n, sizeof *t->name));
    t->name[number] = value;
    return STATUS_OK;
}

static void copy_text(const struct dictionary *d, int32_t number, char text[CODE_NAME_BYTES]) {
    int64_t size = d->offsets[number + 1] - d->offsets[number];
    if (size >= CODE_NAME_BYTES) size = CODE_NAME_BYTES - 1;
    memcpy(text, d->bytes + d->offsets[number], (size_t)size);
    text[size] = 0;
}

static int name_table_find(const struct name_table *t, const void *key, int64_t size, char name[CODE_NAME_BYTES]) {
    int32_t number = dictionary_find(&t->keys, key, size);
    if (number < 0) return 0;
    copy_text(&t->names, t->name[number], name);
    return 1;
}

/* ---- rules ---- */
int source_code_rules_new(struct source_code_rules **out) {
    TRY(mem_alloc(out, 1, sizeof **out));
    return source_patterns_new(&(*out)->patterns);
}

void source_code_rules_free(struct source_code_rules *r) {
    if (!r) return;
    if (r->release) r->release(r->reader);
    source_patterns_free(r->patterns);
    code_map_free(&r->map);
    name_table_free(&r->concepts);
    name_table_free(&r->parents);
    free(r);
}

int source_code_rules_add_pattern(struct source_code_rules *r, const char *line) {
    return source_patterns_add(r->patterns, line);
}

struct code_map *source_code_rules_map(struct source_code_rules *r) {
    return &r->map;
}

void source_code_rules_set_reader(struct source_code_rules *r, void *self,
                                  int (*read)(void *self, struct source_code_rules *rules,
                                              const struct dictionary *codes),
                                  void (*release)(void *self)) {
    r->reader = self;
    r->read = read;
    r->release = release;
}

int source_code_rules_add_parent(struct source_code_rules *r, const char *code, int64_t code_size, const char *parent) {
    char system[MEDS_PART_BYTES], part[MEDS_PART_BYTES], name[CODE_NAME_BYTES];
    if (!meds_code_split(parent, system, part)) return STATUS_OK;
    code_name_make(system, part, name);
    return name_table_add(&r->parents, code, code_size, name);
}

int source_code_rules_add_concept(struct source_code_rules *r, int64_t concept, const char *vocabulary,
                                  const char *code) {
    char name[CODE_NAME_BYTES];
    code_name_make(vocabulary, code, name);
    return name_table_add(&r->concepts, &concept, sizeof concept, name);
}

/* ---- OMOP ---- */
int source_code_concepts(const char *code, int64_t size, int64_t concepts[2]) {
    char text[CODE_NAME_BYTES];
    struct omop_code parts;
    concepts[0] = concepts[1] = 0;
    if (size >= CODE_NAME_BYTES) return 0;
    memcpy(text, code, (size_t)size);
    text[size] = 0;
    if (omop_code_read(text, &parts)) {
        concepts[0] = parts.source_concept;
        concepts[1] = parts.concept;
        return 1;
    }
    if (strncmp(text, "CONCEPT/", 8) != 0) return 0;
    concepts[1] = strtoll(text + 8, NULL, 10);
    return concepts[1] != 0;
}

static int concept_name(const struct source_code_rules *r, int64_t concept, char name[CODE_NAME_BYTES]) {
    return concept && name_table_find(&r->concepts, &concept, sizeof concept, name);
}

static void name_omop(const struct source_code_rules *r, const struct omop_tables *tables, const struct omop_code *code,
                      char name[CODE_NAME_BYTES]) {
    enum code_system system;
    if (concept_name(r, code->source_concept, name)) return;
    system = omop_value_system(tables, code);
    if (system != SYSTEM_OTHER) {
        code_name_make(code_system_of(system), code->value, name);
    } else if (!concept_name(r, code->concept, name)) {
        if (code->concept)
            snprintf(name, CODE_NAME_BYTES, "CONCEPT/%" PRId64, code->concept);
        else
            snprintf(name, CODE_NAME_BYTES, OMOP_CODE_PREFIX "%s//%s", code->table, code->value);
    }
}

/* ---- one code ---- */
struct maker {
    const struct source_code_rules *rules;
    struct code_targets *targets;
    struct omop_tables tables;
    long long capacity;
    int64_t first; /* of the targets of the code in hand */
};

/* A code on its way. */
struct named {
    char name[CODE_NAME_BYTES]; /* SYSTEM/FORM, or what the source has */
    char drug[CODE_NAME_BYTES]; /* the name of the drug, or "" */
    char unit[CODE_NAME_BYTES]; /* what stands behind the code, with its slashes, or "" */
};

static int is_no_code(const char *system, const char *code) {
    return code_system(system) == SYSTEM_NDC && strspn(code, "0- ") == strlen(code);
}

/* The unit in LAB//ITEM//UNIT. */
static const char *lab_unit(const char *code) {
    const char *item = strncmp(code, "LAB//", 5) == 0 ? code + 5 : NULL, *unit = item ? strstr(item, "//") : NULL;
    return unit ? unit : "";
}

static void name_by_pattern(const char *code, const char *system, const char *part, struct named *named) {
    const char *behind = strncmp(code, "MEDICATION//NDC//", 17) == 0 ? strstr(code + 17, "//") : NULL;
    if (strcmp(system, DRUG_NAME_SYSTEM) == 0)
        snprintf(named->drug, CODE_NAME_BYTES, "%s", part);
    else if (behind)
        snprintf(named->drug, CODE_NAME_BYTES, "%s", behind + 2);
    if (strcmp(system, DRUG_NAME_SYSTEM) == 0 || is_no_code(system, part))
        snprintf(named->name, CODE_NAME_BYTES, "%s", code);
    else
        code_name_make(system, strcmp(system, "RACE/") == 0 ? race_name(part) : part, named->name);
}

/* What the code is called before maps. `code` may be cut at its unit. */
static void name_code(const struct maker *m, char code[CODE_NAME_BYTES], struct named *named) {
    char system[CODE_NAME_BYTES], part[CODE_NAME_BYTES];
    struct omop_code omop;
    int64_t concepts[2], size = (int64_t)strlen(code);
    char *unit = code_name_unit(code);
    named->drug[0] = 0;
    snprintf(named->unit, CODE_NAME_BYTES, "%s", unit ? unit : "");
    if (unit) *unit = 0;
    if (source_patterns_match(m->rules->patterns, code, system, part)) {
        name_by_pattern(code, system, part, named);
    } else if (omop_code_read(code, &omop)) {
        if (omop.unit[0]) snprintf(named->unit, CODE_NAME_BYTES, "//%s", omop.unit);
        name_omop(m->rules, &m->tables, &omop, named->name);
    } else if (source_code_concepts(code, size, concepts) && concept_name(m->rules, concepts[1], named->name)) {
        return;
    } else if (name_table_find(&m->rules->parents, code, size, named->name)) {
        snprintf(named->unit, CODE_NAME_BYTES, "%s", lab_unit(code));
    } else {
        snprintf(named->name, CODE_NAME_BYTES, "%s", code);
    }
}

static int add_target(struct maker *m, const char *name, const char *unit) {
    struct code_targets *t = m->targets;
    char whole[2 * CODE_NAME_BYTES];
    int32_t number;
    int n = snprintf(whole, sizeof whole, "%s%s", name, unit);
    TRY(dictionary_add(&t->names, whole, n, &number));
    for (int64_t i = m->first; i < t->n_targets; i++)
        if (t->target[i] == number) return STATUS_OK;
    TRY(mem_grow(&t->target, &m->capacity, t->n_targets + 1, sizeof *t->target));
    t->target[t->n_targets++] = number;
    return STATUS_OK;
}

enum { MOST_MAPS = 8 };

/* Adds what the name becomes; `chain` has the entries that led to it. */
static int add_mapped(struct maker *m, const char *name, const char *unit, int32_t entry, int32_t chain[MOST_MAPS],
                      int depth) {
    const struct code_map *map = &m->rules->map;
    char next[CODE_NAME_BYTES];
    if (entry < 0) return add_target(m, name, unit);
    for (; entry >= 0; entry = map->entries[entry].next) {
        int32_t to = map->entries[entry].to;
        copy_text(&map->to, to, next);
        int same = strcmp(name, next) == 0, again = depth == MOST_MAPS;
        for (int i = 0; i < depth; i++) again |= chain[i] == to;
        if (again)
            return status_set(STATUS_FAILED,
                              "the maps go in a circle: %s becomes %s, which was there before: name only one "
                              "direction of a map in cohort.maps",
                              name, next);
        chain[depth] = to;
        TRY(add_mapped(m, next, unit, same ? -1 : code_map_find(map, next), chain, depth + 1));
    }
    return STATUS_OK;
}

static int add_code(struct maker *m, char code[CODE_NAME_BYTES]) {
    struct named named;
    int32_t chain[MOST_MAPS];
    name_code(m, code, &named);
    int32_t entry = code_map_find(&m->rules->map, named.name);
    if (entry < 0 && named.drug[0]) entry = code_map_find_drug(&m->rules->map, named.drug);
    m->first = m->targets->n_targets;
    return add_mapped(m, named.name, named.unit, entry, chain, 0);
}

/* ---- all of them ---- */
static int make(struct maker *m, const struct dictionary *codes) {
    char code[CODE_NAME_BYTES];
    struct omop_code omop;
    struct code_targets *t = m->targets;
    t->n = codes->n;
    TRY(mem_alloc(&t->offsets, t->n + 1, sizeof *t->offsets));
    for (int64_t i = 0; i < t->n; i++) {
        copy_text(codes, (int32_t)i, code);
        if (omop_code_read(code, &omop)) omop_tables_count(&m->tables, &omop);
    }
    for (int64_t i = 0; i < t->n; i++) {
        copy_text(codes, (int32_t)i, code);
        TRY(add_code(m, code));
        t->offsets[i + 1] = t->n_targets;
    }
    return STATUS_OK;
}

int code_targets_make(struct code_targets *targets, const struct source_code_rules *rules,
                      const struct dictionary *codes) {
    struct maker maker = {.rules = rules, .targets = targets};
    *targets = (struct code_targets){0};
    int status = rules->read ? rules->read(rules->reader, (struct source_code_rules *)rules, codes) : STATUS_OK;
    if (status == STATUS_OK) status = make(&maker, codes);
    if (status != STATUS_OK) code_targets_free(targets);
    return status;
}

void code_targets_free(struct code_targets *t) {
    free(t->offsets);
    free(t->target);
    dictionary_free(&t->names);
    *t = (struct code_targets){0};
}
