/* Group by group: first the columns, from codes of train, then what each code has. */
#include "ehr/baselines/code_columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "ehr/baselines/descriptions.h"
#include "terms/code_form.h"
#include "terms/code_hierarchy.h"
#include "terms/meds_code.h"

#define FEATURE_GROUP_NAME(group, name) name,
const char *const FEATURE_GROUP_NAMES[N_FEATURE_GROUPS] = {FEATURE_GROUPS(FEATURE_GROUP_NAME)};

int feature_groups_parse(const struct string_list *names, unsigned *groups) {
    *groups = names->n ? 0 : 1U << FEATURE_CODES | 1U << FEATURE_AGE | 1U << FEATURE_SEX;
    for (int i = 0; i < names->n; i++) {
        int g = 0;
        while (g < N_FEATURE_GROUPS && strcmp(names->items[i], FEATURE_GROUP_NAMES[g]) != 0) g++;
        if (g == N_FEATURE_GROUPS)
            return status_set(STATUS_USAGE,
                              "baseline.features has \"%s\": expected codes, hierarchy, words, age or sex",
                              names->items[i]);
        *groups |= 1U << g;
    }
    return STATUS_OK;
}

struct builder {
    struct code_columns *columns;
    const struct cohort *cohort;
    const uint8_t *in_train;
    unsigned groups;
    struct descriptions descriptions;
};

enum { NAME_BYTES = 256 };

/* ---- what a code is ---- */
static int sex_of(const char *code) {
    const char *slash = strrchr(code, '/'), *last = slash ? slash + 1 : code;
    int letters = strncasecmp(code, "GENDER/", 7) == 0 || strncasecmp(code, "SEX/", 4) == 0; /* one is enough */
    if (strcasecmp(last, "female") == 0 || (letters && strcasecmp(last, "f") == 0)) return SEX_FEMALE;
    return strcasecmp(last, "male") == 0 || (letters && strcasecmp(last, "m") == 0) ? SEX_MALE : SEX_NONE;
}

/* Its system and form; 0 if it is no medical code. */
static int split_code(const char *text, char system[MEDS_PART_BYTES], char form[CODE_FORM_BYTES]) {
    char code[MEDS_PART_BYTES];
    if (!meds_code_split(text, system, code)) return 0;
    code_form(code_system(system), code, form);
    return 1;
}

/* ---- names; `prefix` tells columns of groups apart ---- */
static int add_name(struct builder *b, const char *prefix, const char *name, int64_t size) {
    char text[NAME_BYTES];
    int32_t number;
    int n = snprintf(text, sizeof text, "%s%.*s", prefix, (int)size, name);
    return dictionary_add(&b->columns->names, text, n < NAME_BYTES ? n : NAME_BYTES - 1, &number);
}

static int32_t find_name(const struct builder *b, const char *prefix, const char *name, int64_t size) {
    char text[NAME_BYTES];
    int n = snprintf(text, sizeof text, "%s%.*s", prefix, (int)size, name);
    return dictionary_find(&b->columns->names, text, n < NAME_BYTES ? n : NAME_BYTES - 1);
}

static int name_ages(struct builder *b) {
    char text[32];
    TRY(add_name(b, "", "age", 3));
    for (int decade = 0; decade < AGE_DECADES; decade++) {
        int n = decade + 1 < AGE_DECADES ? snprintf(text, sizeof text, "age %d to %d", 10 * decade, 10 * decade + 9)
                                         : snprintf(text, sizeof text, "age %d or more", 10 * decade);
        TRY(add_name(b, "", text, n));
    }
    return STATUS_OK;
}

static int name_sexes(struct builder *b) {
    TRY(add_name(b, "", "sex female", 10));
    return add_name(b, "", "sex male", 8);
}

static int name_code(struct builder *b, int64_t code) {
    const char *text = cohort_code(b->cohort, code);
    return add_name(b, "code ", text, (int64_t)strlen(text));
}

static int name_ancestors(struct builder *b, int64_t code) {
    char system[MEDS_PART_BYTES], at[CODE_FORM_BYTES], parent[CODE_FORM_BYTES], node[NAME_BYTES];
    if (!split_code(cohort_code(b->cohort, code), system, at)) return STATUS_OK;
    while (code_parent(system, at, parent, sizeof parent) > 0) {
        int n = snprintf(node, sizeof node, "%s/%s", system, parent);
        TRY(add_name(b, "below ", node, n));
        strcpy(at, parent);
    }
    return STATUS_OK;
}

static const char *describe(const struct builder *b, int64_t code, int64_t *size) {
    char system[MEDS_PART_BYTES], form[CODE_FORM_BYTES];
    if (!split_code(cohort_code(b->cohort, code), system, form)) return NULL;
    return descriptions_find(&b->descriptions, system, form, size);
}

static int name_words(struct builder *b, int64_t code) {
    char word[WORD_BYTES];
    int64_t size, at = 0;
    const char *text = describe(b, code, &size);
    for (int n; text && (n = next_word(text, size, &at, word)) > 0;) TRY(add_name(b, "word ", word, n));
    return STATUS_OK;
}

static int name_of_codes(struct builder *b, int (*name)(struct builder *b, int64_t code)) {
    const struct code_columns *c = b->columns;
    for (int64_t i = 0; i < c->n_codes; i++)
        if (b->in_train[i] && !c->sex[i] && !c->birth[i]) TRY(name(b, i));
    return STATUS_OK;
}

static int name_group(struct builder *b, enum feature_group group) {
    if (!(b->groups & 1U << group)) return STATUS_OK;
    switch (group) {
        case FEATURE_AGE: return name_ages(b);
        case FEATURE_SEX: return name_sexes(b);
        case FEATURE_CODES: return name_of_codes(b, name_code);
        case FEATURE_HIERARCHY: return name_of_codes(b, name_ancestors);
        default: return name_of_codes(b, name_words);
    }
}

/* ---- the columns of a code ---- */
static int add_column(struct builder *b, int64_t code, int32_t column) {
    struct code_columns *c = b->columns;
    int64_t at = c->offsets[code + 1];
    if (column < 0) return STATUS_OK;
    for (int64_t i = c->offsets[code]; i < at; i++)
        if (c->columns[i] == column) return STATUS_OK;
    TRY(mem_grow(&c->columns, &c->columns_capacity, at + 1, sizeof *c->columns));
    c->columns[at] = column;
    c->offsets[code + 1] = at + 1;
    return STATUS_OK;
}

static int add_code(struct builder *b, int64_t code) {
    const char *text = cohort_code(b->cohort, code);
    return add_column(b, code, find_name(b, "code ", text, (int64_t)strlen(text)));
}

static int add_ancestors(struct builder *b, int64_t code) {
    char system[MEDS_PART_BYTES], at[CODE_FORM_BYTES], parent[CODE_FORM_BYTES], node[NAME_BYTES];
    if (!split_code(cohort_code(b->cohort, code), system, at)) return STATUS_OK;
    do { /* with the code itself: others may be below it */
        int n = snprintf(node, sizeof node, "%s/%s", system, at);
        TRY(add_column(b, code, find_name(b, "below ", node, n)));
        code_parent(system, at, parent, sizeof parent);
        strcpy(at, parent);
    } while (at[0]);
    return STATUS_OK;
}

static int add_words(struct builder *b, int64_t code) {
    char word[WORD_BYTES];
    int64_t size, at = 0;
    const char *text = describe(b, code, &size);
    for (int n; text && (n = next_word(text, size, &at, word)) > 0;)
        TRY(add_column(b, code, find_name(b, "word ", word, n)));
    return STATUS_OK;
}

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int add_columns(struct builder *b, int64_t code) {
    struct code_columns *c = b->columns;
    c->offsets[code + 1] = c->offsets[code];
    if (c->sex[code] || c->birth[code]) return STATUS_OK;
    if (b->groups & 1U << FEATURE_CODES) TRY(add_code(b, code));
    if (b->groups & 1U << FEATURE_HIERARCHY) TRY(add_ancestors(b, code));
    if (b->groups & 1U << FEATURE_WORDS) TRY(add_words(b, code));
    int64_t n = c->offsets[code + 1] - c->offsets[code];
    if (n > 1) qsort(c->columns + c->offsets[code], (size_t)n, sizeof *c->columns, ascending);
    return STATUS_OK;
}

/* ---- the whole ---- */
static int look_at_codes(struct builder *b) {
    struct code_columns *c = b->columns;
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES];
    TRY(mem_alloc(&c->sex, c->n_codes, 1));
    TRY(mem_alloc(&c->birth, c->n_codes, 1));
    TRY(mem_alloc(&c->medical, c->n_codes, 1));
    for (int64_t i = 0; i < c->n_codes; i++) {
        const char *text = cohort_code(b->cohort, i);
        c->medical[i] = (uint8_t)meds_code_split(text, system, code);
        c->sex[i] = (uint8_t)(c->medical[i] ? SEX_NONE : sex_of(text));
        c->birth[i] = strcmp(text, "MEDS_BIRTH") == 0;
    }
    return STATUS_OK;
}

static int make(struct builder *b, const char *vocabulary) {
    struct code_columns *c = b->columns;
    if (b->groups & 1U << FEATURE_WORDS) TRY(descriptions_open(&b->descriptions, vocabulary));
    TRY(look_at_codes(b));
    for (int g = 0; g < N_FEATURE_GROUPS; g++) {
        TRY(name_group(b, (enum feature_group)g));
        c->first[g + 1] = c->names.n;
    }
    TRY(mem_alloc(&c->offsets, c->n_codes + 1, sizeof *c->offsets));
    for (int64_t i = 0; i < c->n_codes; i++) TRY(add_columns(b, i));
    return STATUS_OK;
}

int code_columns_make(struct code_columns *c, const struct cohort *cohort, const uint8_t *in_train, unsigned groups,
                      const char *vocabulary) {
    struct builder b = {.columns = c, .cohort = cohort, .in_train = in_train, .groups = groups};
    *c = (struct code_columns){.n_codes = cohort->n_codes};
    int status = make(&b, vocabulary);
    descriptions_free(&b.descriptions);
    return status;
}

void code_columns_free(struct code_columns *c) {
    dictionary_free(&c->names);
    free(c->offsets);
    free(c->columns);
    free(c->sex);
    free(c->birth);
    free(c->medical);
    *c = (struct code_columns){0};
}

void code_columns_name(const struct code_columns *c, int64_t column, char *text, size_t size) {
    int64_t at = c->names.offsets[column], n = c->names.offsets[column + 1] - at;
    snprintf(text, size, "%.*s", (int)n, c->names.bytes + at);
}
