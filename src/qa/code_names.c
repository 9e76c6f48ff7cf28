#include "qa/code_names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "ingest/byte_source.h"
#include "ingest/delimited.h"
#include "terms/code_form.h"
#include "terms/code_hierarchy.h"

void code_names_free(struct code_names *x) {
    code_index_free(&x->codes);
    term_index_free(&x->terms);
    vocabulary_free(&x->vocabulary);
    free(x->system);
    *x = (struct code_names){0};
}

/* ---- systems ---- */
enum code_topic code_names_topic(const struct code_names *x, int64_t row) {
    switch ((enum code_system)x->system[row]) {
        case SYSTEM_ICD9CM:
        case SYSTEM_ICD10CM:
        case SYSTEM_SNOMED: return TOPIC_DISEASE;
        case SYSTEM_NDC:
        case SYSTEM_ATC:
        case SYSTEM_RXNORM: return TOPIC_MEDICATION;
        case SYSTEM_ICD9PROC:
        case SYSTEM_ICD10PCS:
        case SYSTEM_CPT:
        case SYSTEM_HCPCS: return TOPIC_PROCEDURE;
        default: return TOPIC_OTHER;
    }
}

/* ATC has a substance once for each use: those for the mouth, the gut, veins, skin, vagina, nose, throat, eyes and ears, and its
 * diagnostics, are not what is meant by the name alone. */
static int is_local(const struct code_names *x, int64_t row) {
    static const char *const GROUPS[] = {"A01", "A07", "B02BC", "B05C", "C05", "D",
                                         "G01", "R01", "R02",   "S",    "V04", NULL};
    if (x->system[row] != SYSTEM_ATC) return 0;
    for (const char *const *group = GROUPS; *group; group++)
        if (text_begins(vocabulary_code(&x->vocabulary, row), *group)) return 1;
    return 0;
}

int code_names_preference(const struct code_names *x, int64_t row) {
    static const enum code_system ORDER[] = {SYSTEM_ICD10CM,  SYSTEM_ICD9CM, SYSTEM_ATC, SYSTEM_ICD10PCS,
                                             SYSTEM_ICD9PROC, SYSTEM_RXNORM, SYSTEM_NDC, SYSTEM_SNOMED,
                                             SYSTEM_CPT,      SYSTEM_HCPCS};
    const int n = sizeof ORDER / sizeof *ORDER;
    for (int i = 0; i < n; i++)
        if (ORDER[i] == (enum code_system)x->system[row]) return 2 * i + is_local(x, row);
    return 2 * n;
}

/* ---- further names ---- */
struct name_columns {
    int system, code, end, name; /* system -1: `implied`; end -1: no range */
    const char *implied;
};

static int find_columns(const struct delimited *d, struct name_columns *c) {
    const char *const KINDS[][4] = {{"code", "system", "", "description"},
                                    {"atc_code", "", "", "drug"},
                                    {"code_start", "", "code_end", "chapter_desc"}};
    static const char *const IMPLIED[] = {"", "ATC", "ICD10CM"};
    for (int k = 0; k < 3; k++) {
        c->code = delimited_column(d, KINDS[k][0]);
        c->system = KINDS[k][1][0] ? delimited_column(d, KINDS[k][1]) : -1;
        c->end = KINDS[k][2][0] ? delimited_column(d, KINDS[k][2]) : -1;
        c->name = delimited_column(d, KINDS[k][3]);
        c->implied = IMPLIED[k];
        if (c->code >= 0 && c->name >= 0 && (c->system >= 0) == !IMPLIED[k][0] && (k < 2 || c->end >= 0))
            return STATUS_OK;
    }
    return status_set(STATUS_FAILED,
                      "%s: no file of names: expected the columns system, code, description, or drug, atc_code, or "
                      "code_start, code_end, chapter_desc",
                      d->path);
}

static void field_text(const struct delimited *d, int column, char text[96]) {
    const struct field *f = &d->fields[column];
    snprintf(text, 96, "%.*s", (int)f->size, f->text);
}

static int add_synonym(struct code_names *x, const struct delimited *d, const struct name_columns *c) {
    char system[96], code[200], end[96];
    field_text(d, c->code, code);
    snprintf(system, sizeof system, "%s", c->implied);
    if (c->system >= 0) field_text(d, c->system, system);
    if (c->end >= 0) {
        field_text(d, c->end, end);
        snprintf(code + strlen(code), sizeof code - strlen(code), "-%s", end);
    }
    int64_t row = code_index_same(&x->codes, system, code);
    x->n_synonyms++;
    x->n_unknown += row < 0;
    if (row < 0) return STATUS_OK;
    return term_index_add(&x->terms, d->fields[c->name].text, d->fields[c->name].size,
                          code_names_topic(x, row) == TOPIC_MEDICATION && c->system < 0 ? NAME_BRAND : NAME_DESCRIPTION,
                          (int32_t)row);
}

static int read_synonyms(struct code_names *x, const char *path) {
    struct delimited d = {0};
    struct name_columns columns;
    int more = 1;
    int status = delimited_open(&d, path);
    if (status == STATUS_OK) status = find_columns(&d, &columns);
    while (status == STATUS_OK && (status = delimited_next(&d, &more)) == STATUS_OK && more)
        status = add_synonym(x, &d, &columns);
    delimited_close(&d);
    return status;
}

/* ---- further rules ---- */
static int read_rules(struct code_names *x, const char *path) {
    enum { MOST = 16 << 20 };
    struct byte_source *source = NULL;
    char *text = NULL;
    int size = 0, n = 1, status;
    TRY_DONE(mem_alloc(&text, MOST, 1));
    TRY_DONE(byte_source_open(&source, path));
    for (; n > 0 && size < MOST; size += n) TRY_DONE(byte_source_read(source, text + size, MOST - size, &n));
    if (size == MOST) TRY_DONE(status_set(STATUS_FAILED, "%s: longer than 16 MiB", path));
    TRY_DONE(term_rules_add(&x->terms.rules, path, text, size));
done:
    byte_source_close(source);
    free(text);
    return status;
}

/* ---- descriptions ---- */
/* Whether a word of `text` with four letters or more, its first five, is in `whole`. */
static int shares_word(const char *text, int64_t size, const char *whole, int64_t whole_size) {
    for (int64_t i = 0, n; i < size; i += n + 1) {
        for (n = 0; i + n < size && isalpha((unsigned char)text[i + n]); n++) continue;
        const int64_t stem = n < 5 ? n : 5;
        if (strncasecmp(text + i, "unspec", 6) == 0) continue;
        for (int64_t k = 0; n >= 4 && k + stem <= whole_size; k++)
            if (strncasecmp(text + i, whole + k, (size_t)stem) == 0) return 1;
    }
    return 0;
}

/* Whether what ICD-9-CM calls a code only says something under its heading: "Anemia" of pregnancy, "Face" of open wounds. So it is with
 * complications of pregnancy, abnormal findings, injuries, and external causes; those by drugs (960-979, E930-E949) are called as the drugs. */
static int is_relative(const struct code_names *x, int64_t row, const char *text, int64_t size) {
    const struct vocabulary *v = &x->vocabulary;
    const char *code = vocabulary_code(v, row);
    char parent[64], below[64];
    int chapter = atoi(code), cause = code[0] == 'E' ? atoi(code + 1) : 0;
    if (x->system[row] != SYSTEM_ICD9CM) return 0;
    if ((chapter >= 960 && chapter <= 979) || (cause >= 930 && cause <= 949))
        return size < 9 || strncasecmp(text, "poisoning", 9) != 0;
    if (!((chapter >= 630 && chapter <= 679) || (chapter >= 790 && chapter <= 796) || chapter >= 800 ||
          code[0] == 'E' || code[0] == 'V'))
        return 0;
    for (int n = (int)strlen(code); n > 0; n = (int)strlen(parent)) {
        if (code_parent("ICD9CM", code, parent, sizeof parent) <= 0) return 0;
        int64_t above = code_index_same(&x->codes, "ICD9CM", parent);
        if (above >= 0) {
            const char *whole = v->description + v->description_offsets[above];
            return !shares_word(text, size, whole, v->description_offsets[above + 1] - v->description_offsets[above]);
        }
        memcpy(below, parent, sizeof below);
        code = below;
    }
    return 0;
}

/* Some tables have types of UMLS (T103, Chemical) among the codes of RxNorm, which are numbers. */
static int is_no_code(const struct code_names *x, int64_t row) {
    return x->system[row] == SYSTEM_RXNORM && !isdigit((unsigned char)vocabulary_code(&x->vocabulary, row)[0]);
}

static int add_description(struct code_names *x, int64_t row) {
    const struct vocabulary *v = &x->vocabulary;
    const char *text = v->description + v->description_offsets[row], *code = vocabulary_code(v, row);
    int64_t size = v->description_offsets[row + 1] - v->description_offsets[row];
    enum code_system system = (enum code_system)x->system[row];
    if ((int64_t)strlen(code) == size && memcmp(code, text, (size_t)size) == 0) return STATUS_OK; /* it has none */
    if (is_no_code(x, row) || is_relative(x, row, text, size)) return STATUS_OK;
    int is_brand = system == SYSTEM_RXNORM || system == SYSTEM_NDC || system == SYSTEM_HCPCS;
    return term_index_add(&x->terms, text, size, is_brand ? NAME_BRAND : NAME_DESCRIPTION, (int32_t)row);
}

static int add_descriptions(struct code_names *x, const char *path) {
    struct vocabulary *v = &x->vocabulary;
    TRY(vocabulary_read(path, 0, -1, VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS, v));
    if (v->n_codes > INT32_MAX) return status_set(STATUS_FAILED, "%s: more than 2^31 - 1 codes", path);
    TRY(code_index_make(&x->codes, (struct strings){v->code, NULL, v->code_bytes},
                        (struct strings){v->system, NULL, v->system_bytes}, v->n_codes));
    TRY(mem_alloc(&x->system, v->n_codes, 1));
    for (int64_t i = 0; i < v->n_codes; i++) x->system[i] = (uint8_t)code_system(vocabulary_system(v, i));
    for (int64_t i = 0; i < v->n_codes; i++) TRY(add_description(x, i));
    free(v->description);
    v->description = NULL;
    return STATUS_OK;
}

int code_names_open(struct code_names *x, const char *vocabulary, const struct string_list *synonyms,
                    const char *rules) {
    *x = (struct code_names){0};
    TRY(term_index_begin(&x->terms));
    if (rules[0]) TRY(read_rules(x, rules));
    TRY(add_descriptions(x, vocabulary));
    for (int i = 0; i < synonyms->n; i++) TRY(read_synonyms(x, synonyms->items[i]));
    return term_index_complete(&x->terms);
}
