/* One rule a system. A rule gives the length of the parent's string, or 0. */
#include "terms/code_hierarchy.h"

#include <ctype.h>
#include <string.h>

/* ---- rules ---- */
static int all_alphanumeric(const char *text, int n) {
    for (int i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i])) return 0;
    return 1;
}

/* `undotted`: length of the category where no dot marks its end. */
static int icd_parent(const char *code, int undotted) {
    int n = (int)strlen(code), category = (int)strcspn(code, ".");
    if (!all_alphanumeric(code, category)) return 0;
    if (category == n) return n > undotted ? n - 1 : 0;
    if (n <= category + 1 || !all_alphanumeric(code + category + 1, n - category - 1)) return 0;
    return n - 1 == category + 1 ? category : n - 1; /* without the dot at the end */
}

static int icd10_parent(const char *code) { return icd_parent(code, 3); }
static int icd9_parent(const char *code) { return icd_parent(code, code[0] == 'E' || code[0] == 'e' ? 4 : 3); }
static int icd9_procedure_parent(const char *code) { return icd_parent(code, 2); }

static int icd10_procedure_parent(const char *code) { return strlen(code) == 7 && all_alphanumeric(code, 7) ? 6 : 0; }

static int atc_parent(const char *code) {
    static const int PARENT[8] = {[7] = 5, [5] = 4, [4] = 3, [3] = 1};
    size_t n = strlen(code);
    return n < 8 && all_alphanumeric(code, (int)n) ? PARENT[n] : 0;
}

static int ndc_parent(const char *code) {
    const char *first = strchr(code, '-'), *second = first ? strchr(first + 1, '-') : NULL;
    return second ? (int)(second - code) : 0;
}

static const struct {
    const char *system;
    int (*parent)(const char *code);
} RULES[] = {
    {"ICD10", icd10_parent},
    {"ICD10CM", icd10_parent},
    {"ICD9", icd9_parent},
    {"ICD9CM", icd9_parent},
    {"ICD9PROC", icd9_procedure_parent},
    {"ICD9PCS", icd9_procedure_parent},
    {"ICD10PCS", icd10_procedure_parent},
    {"ATC", atc_parent},
    {"NDC", ndc_parent},
};

/* ---- names of systems ---- */
/* Whether `system` has the letters and digits of `wanted`, in any case. */
static int same_system(const char *system, const char *wanted) {
    for (; *system; system++) {
        if (!isalnum((unsigned char)*system)) continue;
        if (toupper((unsigned char)*system) != *wanted) return 0;
        wanted++;
    }
    return *wanted == 0;
}

int code_parent(const char *system, const char *code, char *parent, size_t size) {
    int length = 0;
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if (same_system(system, RULES[i].system)) length = RULES[i].parent(code);
    if ((size_t)length >= size) length = 0;
    memcpy(parent, code, (size_t)length);
    if (size > 0) parent[length] = 0;
    return length;
}
