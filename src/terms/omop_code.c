/* Shapes of codes, one function a system. */
#include "terms/omop_code.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */
int omop_code_write(char code[OMOP_CODE_BYTES], const char *table, int64_t source_concept, int64_t concept,
                    const char *unit, int64_t unit_size, const char *value, int64_t value_size) {
    if (value_size >= OMOP_VALUE_BYTES) value_size = OMOP_VALUE_BYTES - 1;
    if (unit_size >= (int64_t)sizeof((struct omop_code *)0)->unit || memmem(unit, (size_t)unit_size, "//", 2) ||
        (unit_size > 0 && (unit[0] == '/' || unit[unit_size - 1] == '/')))
        unit_size = 0;
    return snprintf(code, OMOP_CODE_BYTES, OMOP_CODE_PREFIX "%.31s//%" PRId64 "//%" PRId64 "//%.*s//%.*s", table,
                    source_concept, concept, (int)unit_size, unit, (int)value_size, value);
}

/* Copies what stands before the next double slash and returns what is behind it; NULL: there is none, or too much. */
static const char *part(const char *text, char *to, size_t size) {
    const char *end = strstr(text, "//");
    if (!end || (size_t)(end - text) >= size) return NULL;
    memcpy(to, text, (size_t)(end - text));
    to[end - text] = 0;
    return end + 2;
}

static const char *number_part(const char *text, int64_t *number) {
    char digits[32], *end;
    const char *behind = part(text, digits, sizeof digits);
    if (!behind) return NULL;
    *number = strtoll(digits, &end, 10);
    return end > digits && *end == 0 ? behind : NULL;
}

int omop_code_read(const char *code, struct omop_code *parts) {
    const char *p = code + strlen(OMOP_CODE_PREFIX);
    if (strncmp(code, OMOP_CODE_PREFIX, strlen(OMOP_CODE_PREFIX)) != 0) return 0;
    if (!(p = part(p, parts->table, sizeof parts->table)) || !(p = number_part(p, &parts->source_concept)) ||
        !(p = number_part(p, &parts->concept)) || !(p = part(p, parts->unit, sizeof parts->unit)))
        return 0;
    snprintf(parts->value, sizeof parts->value, "%s", p);
    return 1;
}

/* ---- shapes ---- */
/* Whether the text is of the pattern's shape: 9 a digit, A a letter, X either, others themselves; a pattern in upper case. */
static int shaped(const char *text, const char *pattern) {
    for (; *pattern; text++, pattern++) {
        int c = toupper((unsigned char)*text);
        int fits = *pattern == '9'   ? isdigit(c)
                   : *pattern == 'A' ? isalpha(c)
                   : *pattern == 'X' ? isalnum(c)
                                     : c == *pattern;
        if (!*text || !fits) return 0;
    }
    return *text == 0;
}

static int shaped_as_any(const char *text, const char *const *patterns) {
    for (; *patterns; patterns++)
        if (shaped(text, *patterns)) return 1;
    return 0;
}

static const char *const SHAPES[N_CODE_SYSTEMS][16] = {
    [SYSTEM_ICD9CM] = {"999", "9999", "999.9", "99999", "999.99", "V99", "V999", "V99.9", "V9999", "V99.99", "E999",
                       "E9999", "E999.9", NULL},
    [SYSTEM_ICD9PROC] = {"99", "999", "99.9", "9999", "99.99", NULL},
    [SYSTEM_ICD10CM] = {"A9X", "A9XX", "A9X.X", "A9XXX", "A9X.XX", "A9XXXX", "A9X.XXX", "A9XXXXX", "A9X.XXXX", NULL},
    [SYSTEM_ICD10PCS] = {"XXXXXXX", NULL},
    [SYSTEM_NDC] = {"999999999", "9999999999", "99999999999", "9999-9999-99", "99999-999-99", "99999-9999-9",
                    "99999-9999-99", NULL},
    [SYSTEM_CPT] = {"99999", "9999F", "9999T", "9999U", NULL},
    [SYSTEM_HCPCS] = {"A9999", NULL},
    [SYSTEM_LOINC] = {"9-9", "99-9", "999-9", "9999-9", "99999-9", "999999-9", NULL},
};

/* ICD-9-CM's E codes are E000 to E030 and E800 to E999, ICD-10's E00 to E89; ICD-10-PCS has no letters I and O, and digits; HCPCS
 * goes to V. */
static int is_of(enum code_system system, const char *value) {
    int first = toupper((unsigned char)value[0]);
    if (!shaped_as_any(value, SHAPES[system])) return 0;
    if (system == SYSTEM_ICD9CM && first == 'E') return value[1] == '8' || value[1] == '9' || value[1] == '0';
    if (system == SYSTEM_ICD10CM && first == 'E') return value[1] != '9';
    if (system == SYSTEM_ICD10PCS) return !strpbrk(value, "IOio") && strpbrk(value, "0123456789");
    if (system == SYSTEM_HCPCS) return first <= 'V';
    return 1;
}

/* ---- tables ---- */
#define BIT(system) (1U << SYSTEM_##system)
static const struct {
    const char *table;
    unsigned systems;
} TABLES[] = {
    {"condition_occurrence", BIT(ICD9CM) | BIT(ICD10CM)},
    {"procedure_occurrence", BIT(ICD9PROC) | BIT(ICD10PCS) | BIT(CPT) | BIT(HCPCS)},
    {"drug_exposure", BIT(NDC) | BIT(HCPCS)},
    {"measurement", BIT(LOINC) | BIT(CPT) | BIT(HCPCS)},
    {"observation", BIT(ICD9CM) | BIT(ICD10CM) | BIT(CPT) | BIT(HCPCS) | BIT(LOINC)},
    {"device_exposure", BIT(HCPCS) | BIT(CPT)},
};
enum { N_TABLES = sizeof TABLES / sizeof *TABLES };

static int table_number(const char *table) {
    for (int i = 0; i < N_TABLES; i++)
        if (strcmp(table, TABLES[i].table) == 0) return i;
    return -1;
}

/* Systems that a source value may be a code of in its table: bits 1 << enum code_system; 0: none. */
static unsigned omop_value_systems(const char *table, const char *value) {
    int t = table_number(table);
    unsigned systems = 0;
    for (int s = 0; t >= 0 && s < N_CODE_SYSTEMS; s++)
        if ((TABLES[t].systems >> s & 1) && is_of((enum code_system)s, value)) systems |= 1U << s;
    return systems;
}

static int is_one(unsigned systems) { return systems && !(systems & (systems - 1)); }

void omop_tables_count(struct omop_tables *tables, const struct omop_code *code) {
    unsigned systems = omop_value_systems(code->table, code->value);
    if (is_one(systems)) tables->n[table_number(code->table)][__builtin_ctz(systems)]++;
}

enum code_system omop_value_system(const struct omop_tables *tables, const struct omop_code *code) {
    unsigned systems = omop_value_systems(code->table, code->value), used = 0;
    if (is_one(systems)) return (enum code_system)__builtin_ctz(systems);
    for (int s = 0; systems && s < N_CODE_SYSTEMS; s++)
        if ((systems >> s & 1) && tables->n[table_number(code->table)][s] > 0) used |= 1U << s;
    return is_one(used) ? (enum code_system)__builtin_ctz(used) : SYSTEM_OTHER;
}
