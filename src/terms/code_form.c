/* One rule for the ICD systems, one for NDC; the others are upper case, or as written. */
#include "terms/code_form.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- systems ---- */
static const struct {
    const char *name;
    enum code_system system;
} NAMES[] = {
    {"ICD9CM", SYSTEM_ICD9CM},   {"ICD9", SYSTEM_ICD9CM},   {"ICD9PROC", SYSTEM_ICD9PROC}, {"ICD9PCS", SYSTEM_ICD9PROC},
    {"ICD10CM", SYSTEM_ICD10CM}, {"ICD10", SYSTEM_ICD10CM}, {"ICD10PCS", SYSTEM_ICD10PCS}, {"NDC", SYSTEM_NDC},
    {"ATC", SYSTEM_ATC},         {"CPT", SYSTEM_CPT},       {"CPT4", SYSTEM_CPT},          {"HCPCS", SYSTEM_HCPCS},
    {"RXNORM", SYSTEM_RXNORM},   {"SNOMED", SYSTEM_SNOMED}, {"SNOMEDCT", SYSTEM_SNOMED},   {"LOINC", SYSTEM_LOINC},
};

enum code_system code_system(const char *name) {
    char letters[16];
    size_t n = 0;
    for (; *name && n < sizeof letters - 1; name++)
        if (isalnum((unsigned char)*name)) letters[n++] = (char)toupper((unsigned char)*name);
    letters[n] = 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(letters, NAMES[i].name) == 0) return NAMES[i].system;
    return SYSTEM_OTHER;
}

const char *code_system_of(enum code_system system) {
    static const char *const HERE[N_CODE_SYSTEMS] = {
        [SYSTEM_ICD9CM] = "ICD9CM",     [SYSTEM_ICD9PROC] = "ICD9PROC", [SYSTEM_ICD10CM] = "ICD10CM",
        [SYSTEM_ICD10PCS] = "ICD10PCS", [SYSTEM_NDC] = "NDC",           [SYSTEM_ATC] = "ATC",
        [SYSTEM_CPT] = "CPT",           [SYSTEM_HCPCS] = "HCPCS",       [SYSTEM_RXNORM] = "RxNorm",
        [SYSTEM_SNOMED] = "SNOMED",     [SYSTEM_LOINC] = "LOINC"};
    return HERE[system];
}

const char *code_system_name(const char *name) {
    const char *here = code_system_of(code_system(name));
    return here ? here : name;
}

int code_system_same(const char *a, const char *b) {
    if (strcasecmp(a, b) == 0) return 1;
    enum code_system system = code_system(a);
    return system != SYSTEM_OTHER && system == code_system(b);
}

/* ---- forms ---- */
/* In upper case, without blanks. */
static void fold(const char *code, char form[CODE_FORM_BYTES]) {
    int n = 0;
    for (; *code && n < CODE_FORM_BYTES - 1; code++)
        if (!isspace((unsigned char)*code)) form[n++] = (char)toupper((unsigned char)*code);
    form[n] = 0;
}

/* As written, but for blanks around it. */
static void trim(const char *code, char form[CODE_FORM_BYTES]) {
    while (isspace((unsigned char)*code)) code++;
    size_t n = strnlen(code, CODE_FORM_BYTES - 1);
    while (n > 0 && isspace((unsigned char)code[n - 1])) n--;
    memcpy(form, code, n);
    form[n] = 0;
}

static int is_letter(char c) { return c >= 'A' && c <= 'Z'; }
static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Characters of the category with which `code` begins, which are those before the dot; 0: it begins with none. */
static int category_length(enum code_system system, const char *code) {
    if (system == SYSTEM_ICD10CM)
        return is_letter(code[0]) && is_digit(code[1]) && (is_digit(code[2]) || is_letter(code[2])) ? 3 : 0;
    int n = system == SYSTEM_ICD9PROC ? 2 : code[0] == 'E' ? 4 : 3;
    if (!is_digit(code[0]) && !(system == SYSTEM_ICD9CM && (code[0] == 'E' || code[0] == 'V'))) return 0;
    for (int i = 1; i < n; i++)
        if (!is_digit(code[i])) return 0;
    return n;
}

/* Drops the dashes that are not those of a range, which stand behind and before a category. */
static void drop_dashes(enum code_system system, char *form) {
    char *to = form, *begin = form; /* of the code in hand: a range has two */
    for (const char *p = form; *p; p++) {
        if (*p == '-') {
            char behind = *to;
            *to = 0;
            int range = category_length(system, begin) && category_length(system, p + 1);
            *to = behind;
            if (!range) continue;
            begin = to + 1;
        }
        *to++ = *p;
    }
    *to = 0;
}

/* Drops the dots behind categories. */
static void drop_dots(enum code_system system, char *form) {
    char *to = form;
    const char *dot = form + category_length(system, form);
    for (const char *p = form; *p; p++) {
        if (*p == '-') dot = p + 1 + category_length(system, p + 1);
        if (*p == '.' && p == dot && p > form)
            dot++; /* two dots are one */
        else
            *to++ = *p;
    }
    *to = 0;
}

static void drop(char *form, const char *unwanted) {
    char *to = form;
    for (const char *p = form; *p; p++)
        if (!strchr(unwanted, *p)) *to++ = *p;
    *to = 0;
}

/* Writes the segment of `n` characters with zeros in front, `width` in all. Returns what is behind it, or NULL if it does
 * not fit. */
static char *fill_up(char *to, const char *segment, int n, int width) {
    while (n > width && *segment == '0') segment++, n--;
    if (n == 0 || n > width) return NULL;
    memset(to, '0', (size_t)(width - n));
    memcpy(to + width - n, segment, (size_t)n);
    return to + width;
}

static void form_ndc(char *form) {
    static const int WIDTH[3] = {5, 4, 2}, LONGEST[3] = {6, 4, 2};
    char whole[16] = "", *to = whole;
    const char *p = form;
    int n_segments = 0;
    for (char *c = form; *c; c++)
        if (*c == '*') *c = '0';
    for (; n_segments < 3; n_segments++) {
        int n = (int)strspn(p, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n > LONGEST[n_segments] || (p[n] && p[n] != '-')) return;
        to = fill_up(to, p, n, WIDTH[n_segments]);
        if (!to) return;
        if (!p[n]) break;
        p += n + 1;
        if (n_segments == 2) return; /* a fourth segment */
    }
    if (n_segments == 0) return; /* no dashes */
    if (n_segments == 1) {
        memmove(whole + 6, whole + 5, 4);
        whole[5] = '-';
    }
    strcpy(form, whole);
}

void code_form(enum code_system system, const char *code, char form[CODE_FORM_BYTES]) {
    if (system == SYSTEM_OTHER)
        trim(code, form);
    else
        fold(code, form);
    switch (system) {
        case SYSTEM_ICD9CM:
        case SYSTEM_ICD9PROC:
        case SYSTEM_ICD10CM:
            drop_dashes(system, form);
            drop_dots(system, form);
            break;
        case SYSTEM_ICD10PCS: drop(form, ".-"); break;
        case SYSTEM_NDC: form_ndc(form); break;
        default: break;
    }
}
