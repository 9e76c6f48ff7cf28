/* The built-in patterns are written as a user would write them. */
#include "terms/source_pattern.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "terms/code_form.h"
#include "terms/meds_code.h"

/* MIMIC-IV-MEDS writes what nurses did with a drug behind its name (emar.event_txt): these say that it was given. HCPCS// has codes in some
 * data sets and short descriptions in MIMIC-IV-MEDS. */
static const char *const BUILT_IN[] = {
    "DIAGNOSIS//ICD//9// -> ICD9CM",
    "DIAGNOSIS//ICD//10// -> ICD10CM",
    "PROCEDURE//ICD//9// -> ICD9PROC",
    "PROCEDURE//ICD//10// -> ICD10PCS",
    "MEDICATION//NDC// -> NDC",
    "^MEDICATION//NAME//(.*)$ -> NAME",
    "MEDICATION//START// -> NAME",
    "MEDICATION//STOP// -> -",
    "^MEDICATION//(.+)//(Delayed |Partial )?(Administered|Started|Restarted|Applied)$ -> NAME",
    "^MEDICATION//(.+)//Administered (in Other Location|Bolus from IV Drip)$ -> NAME",
    "^HCPCS//([A-V][0-9]{4}|[0-9]{4}[0-9FTU])$ -> HCPCS",
    "HCPCS// -> -",
    "LAB// -> -",
    "^MIMIC_LAB/([^/].*)$ -> LAB/",
    "DRG// -> -",
    "^Gender/([^/].*)$ -> GENDER/",
    "^Race/([^/].*)$ -> RACE/",
    "^Ethnicity/([^/].*)$ -> ETHNICITY/",
};

/* ---- what events are about ---- */
static const struct {
    const char *prefix;
    enum code_kind kind;
} KINDS[] = {
    {"DIAGNOSIS", CODE_KIND_DIAGNOSIS},
    {"PROCEDURE", CODE_KIND_PROCEDURE},
    {"HCPCS//", CODE_KIND_PROCEDURE},
    {"MEDICATION", CODE_KIND_DRUG},
    {"INFUSION_", CODE_KIND_DRUG},
    {"LAB//", CODE_KIND_MEASUREMENT},
    {"VITAL", CODE_KIND_MEASUREMENT},
    {"MIMIC_LAB/", CODE_KIND_MEASUREMENT},
    {"SUBJECT_FLUID_OUTPUT", CODE_KIND_MEASUREMENT},
    {"SUBJECT_WEIGHT", CODE_KIND_MEASUREMENT},
    {"HOSPITAL_", CODE_KIND_VISIT},
    {"ICU_", CODE_KIND_VISIT},
    {"ED_", CODE_KIND_VISIT},
    {"TRANSFER_TO", CODE_KIND_VISIT},
    {"VISIT_", CODE_KIND_VISIT},
    {"Visit/", CODE_KIND_VISIT},
    {"MEDS_BIRTH", CODE_KIND_FACT},
    {"MEDS_DEATH", CODE_KIND_FACT},
    {"GENDER/", CODE_KIND_FACT},
    {"RACE/", CODE_KIND_FACT},
    {"ETHNICITY/", CODE_KIND_FACT},
    {"SNOMED/3950001", CODE_KIND_FACT}, /* EHRSHOT's birth */
    {"Death Type/", CODE_KIND_FACT},
};
static const enum code_kind OF_SYSTEM[N_CODE_SYSTEMS] = {
    [SYSTEM_ICD9CM] = CODE_KIND_DIAGNOSIS,   [SYSTEM_ICD10CM] = CODE_KIND_DIAGNOSIS,
    [SYSTEM_ICD9PROC] = CODE_KIND_PROCEDURE, [SYSTEM_ICD10PCS] = CODE_KIND_PROCEDURE,
    [SYSTEM_CPT] = CODE_KIND_PROCEDURE,      [SYSTEM_HCPCS] = CODE_KIND_PROCEDURE,
    [SYSTEM_NDC] = CODE_KIND_DRUG,           [SYSTEM_ATC] = CODE_KIND_DRUG,
    [SYSTEM_RXNORM] = CODE_KIND_DRUG,        [SYSTEM_LOINC] = CODE_KIND_MEASUREMENT,
};

enum code_kind source_code_kind(const char *code, int64_t size) {
    char text[CODE_NAME_BYTES], system[MEDS_PART_BYTES], rest[MEDS_PART_BYTES];
    if (size >= CODE_NAME_BYTES) size = CODE_NAME_BYTES - 1;
    memcpy(text, code, (size_t)size);
    text[size] = 0;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (strncasecmp(text, KINDS[i].prefix, strlen(KINDS[i].prefix)) == 0) return KINDS[i].kind;
    return meds_code_split(text, system, rest) ? OF_SYSTEM[code_system(system)] : CODE_KIND_OTHER;
}

const char *race_name(const char *code) {
    static const struct {
        const char *code, *concept, *name;
    } RACES[] = {{"1", "8657", "AMERICAN INDIAN/ALASKA NATIVE"},
                 {"2", "8515", "ASIAN"},
                 {"3", "8516", "BLACK/AFRICAN AMERICAN"},
                 {"4", "8557", "NATIVE HAWAIIAN OR OTHER PACIFIC ISLANDER"},
                 {"5", "8527", "WHITE"}};
    for (size_t i = 0; i < sizeof RACES / sizeof *RACES; i++)
        if (strcmp(code, RACES[i].code) == 0 || strcmp(code, RACES[i].concept) == 0) return RACES[i].name;
    return code;
}

/* ---- patterns ---- */
enum { SYSTEM_BYTES = 64, STAYS = -1 };

struct pattern {
    char *prefix; /* owned; NULL: a regular expression */
    regex_t regex;
    char system[SYSTEM_BYTES]; /* "-": the code stays */
};
struct source_patterns {
    struct pattern *of_user, *built_in;
    long long n_of_user, n_built_in, of_user_capacity, built_in_capacity;
};

static int wrong(const char *line, const char *why) {
    return status_set(STATUS_USAGE,
                      "the pattern \"%s\" %s: write PREFIX -> SYSTEM, or ^REGULAR EXPRESSION WITH (THE CODE) -> SYSTEM",
                      line, why);
}

static int compile(struct pattern *p, const char *line, const char *text) {
    char why[128];
    int code = regcomp(&p->regex, text, REG_EXTENDED);
    if (code) {
        regerror(code, &p->regex, why, sizeof why);
        return status_set(STATUS_USAGE, "the pattern \"%s\" is no regular expression: %s", line, why);
    }
    if (p->regex.re_nsub > 0) return STATUS_OK;
    regfree(&p->regex);
    return wrong(line, "has no group in brackets that says which part is the code");
}

/* Cuts `PATTERN -> SYSTEM` at its last arrow. */
static int parse(const char *line, struct pattern *p) {
    const char *arrow = NULL;
    for (const char *next = strstr(line, " -> "); next; next = strstr(next + 1, " -> ")) arrow = next;
    if (!arrow) return wrong(line, "has no \" -> \"");
    const char *system = arrow + 4;
    size_t length = strcspn(system, " \t\r\n");
    if (length == 0 || length >= SYSTEM_BYTES || system[length]) return wrong(line, "names no system");
    if (arrow == line) return wrong(line, "has nothing before the arrow");
    snprintf(p->system, sizeof p->system, "%s", system);
    char *text;
    TRY(mem_alloc(&text, arrow - line + 1, 1));
    memcpy(text, line, (size_t)(arrow - line));
    if (text[0] != '^') {
        p->prefix = text;
        return STATUS_OK;
    }
    int status = compile(p, line, text);
    free(text);
    return status;
}

static int add(struct pattern **list, long long *n, long long *capacity, const char *line) {
    struct pattern p = {0};
    TRY(mem_grow(list, capacity, *n + 1, sizeof **list));
    TRY(parse(line, &p));
    (*list)[(*n)++] = p;
    return STATUS_OK;
}

int source_patterns_add(struct source_patterns *s, const char *line) {
    return add(&s->of_user, &s->n_of_user, &s->of_user_capacity, line);
}

int source_patterns_new(struct source_patterns **out) {
    TRY(mem_alloc(out, 1, sizeof **out));
    struct source_patterns *s = *out;
    for (size_t i = 0; i < sizeof BUILT_IN / sizeof *BUILT_IN; i++)
        TRY(add(&s->built_in, &s->n_built_in, &s->built_in_capacity, BUILT_IN[i]));
    return STATUS_OK;
}

static void free_list(struct pattern *list, long long n) {
    for (long long i = 0; i < n; i++) {
        if (!list[i].prefix) regfree(&list[i].regex);
        free(list[i].prefix);
    }
    free(list);
}

void source_patterns_free(struct source_patterns *s) {
    if (!s) return;
    free_list(s->of_user, s->n_of_user);
    free_list(s->built_in, s->n_built_in);
    free(s);
}

/* ---- matching ---- */
/* The part that is the code: begins at *part, its length is returned; -1: the pattern does not fit. */
static long long fit(const struct pattern *p, const char *code, const char **part) {
    if (p->prefix) {
        size_t n = strlen(p->prefix);
        if (strncasecmp(code, p->prefix, n) != 0) return -1;
        *part = code + n;
        const char *end = strstr(*part, "//");
        return end ? end - *part : (long long)strlen(*part);
    }
    regmatch_t found[2];
    if (regexec(&p->regex, code, 2, found, 0) != 0 || found[1].rm_so < 0) return -1;
    *part = code + found[1].rm_so;
    return found[1].rm_eo - found[1].rm_so;
}

/* 1: one fits; 0: none; STAYS: one that says so. */
static int match_list(const struct pattern *list, long long n, const char *code, char system[CODE_NAME_BYTES],
                      char found[CODE_NAME_BYTES]) {
    for (long long i = 0; i < n; i++) {
        const char *part;
        long long size = fit(&list[i], code, &part);
        if (size < 0 || size >= CODE_NAME_BYTES) continue;
        if (strcmp(list[i].system, "-") == 0) return STAYS;
        if (size == 0) continue;
        snprintf(system, CODE_NAME_BYTES, "%s", list[i].system);
        memcpy(found, part, (size_t)size);
        found[size] = 0;
        return 1;
    }
    return 0;
}

int source_patterns_match(const struct source_patterns *s, const char *code, char system[CODE_NAME_BYTES],
                          char found[CODE_NAME_BYTES]) {
    char short_system[MEDS_PART_BYTES], short_code[MEDS_PART_BYTES];
    int matched = match_list(s->of_user, s->n_of_user, code, system, found);
    if (matched == 0) matched = match_list(s->built_in, s->n_built_in, code, system, found);
    if (matched != 0) return matched == 1;
    if (!meds_code_split(code, short_system, short_code)) return 0;
    memcpy(system, short_system, sizeof short_system);
    memcpy(found, short_code, sizeof short_code);
    return 1;
}
