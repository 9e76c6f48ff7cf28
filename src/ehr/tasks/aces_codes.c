/* Which codes of a cohort the predicates of a task file mean.
 *
 * A file names codes as its data set does, and the cohort has them in their normal form. So a code is meant if its text is the same, or
 * system and form are (DIAGNOSIS//ICD//10//E11.9 is ICD10CM/E119); a regular expression, if it is found in the text or in the
 * words of MIMIC-IV-MEDS for the system (DIAGNOSIS//ICD//10//E119, MEDICATION//ATC//A10BA02).
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ehr/tasks/aces_codes.h"
#include "terms/code_form.h"
#include "terms/meds_code.h"

/* ---- texts ---- */
static int split(const char *text, enum code_system *system, char form[CODE_FORM_BYTES]) {
    char name[MEDS_PART_BYTES], code[MEDS_PART_BYTES];
    if (!meds_code_split(text, name, code)) return 0;
    *system = code_system(name);
    code_form(*system, code, form);
    return *system != SYSTEM_OTHER;
}

static int is_same(const char *a, const char *b) {
    enum code_system systems[2];
    char forms[2][CODE_FORM_BYTES];
    if (strcmp(a, b) == 0) return 1;
    return split(a, &systems[0], forms[0]) && split(b, &systems[1], forms[1]) && systems[0] == systems[1] &&
           strcmp(forms[0], forms[1]) == 0;
}

static void find_texts(struct aces_predicate *p, const struct task_codes *codes) {
    for (int64_t i = 0; i < codes->n; i++)
        for (int t = 0; t < p->n_texts && !p->is_code[i]; t++)
            p->is_code[i] = (uint8_t)is_same(p->texts[t], string_at(&codes->text, i));
}

/* ---- regular expressions ---- */
/* From the syntax of ACES (Rust's regex) to POSIX's extended one, where they have the same: \d, \w, \s outside brackets, escaped
 * punctuation. Returns what is not supported, or NULL. */
static const char *translate(const char *text, char *to, size_t room) {
    size_t n = 0;
    int in_brackets = 0;
    for (const char *p = text; *p; p++) {
        const char *piece = NULL;
        if (n + 16 >= room) return "so long an expression";
        if (*p == '\\') {
            p++;
            piece = *p == 'd' ? "[0-9]" : *p == 'w' ? "[A-Za-z0-9_]" : *p == 's' ? "[ \t]" : NULL;
            if (!*p || in_brackets || (!piece && !strchr(".*+?()[]{}|^$/\\-", *p))) return "this use of a backslash";
            if (!piece) to[n++] = '\\';
            if (!piece && strchr("/-", *p)) n--; /* no escape in POSIX */
        } else if (strncmp(p, "(?:", 3) == 0 && !in_brackets) {
            piece = "(";
            p += 2;
        } else if (strncmp(p, "(?", 2) == 0 && !in_brackets)
            return "(?";
        else if (p > text && *p == '?' && strchr("*+?}", p[-1]) && !in_brackets)
            return "a lazy or possessive repetition";
        in_brackets = *p == '[' && !piece ? 1 : *p == ']' ? 0 : in_brackets;
        if (piece)
            n += (size_t)snprintf(to + n, room - n, "%s", piece);
        else
            to[n++] = *p;
    }
    to[n] = 0;
    return NULL;
}

/* The code as MIMIC-IV-MEDS writes it, or "". */
static void spell_as_meds(const char *text, char spelled[128]) {
    static const struct {
        enum code_system system;
        const char *begin;
    } WORDS[] = {{SYSTEM_ICD9CM, "DIAGNOSIS//ICD//9//"},   {SYSTEM_ICD10CM, "DIAGNOSIS//ICD//10//"},
                 {SYSTEM_ICD9PROC, "PROCEDURE//ICD//9//"}, {SYSTEM_ICD10PCS, "PROCEDURE//ICD//10//"},
                 {SYSTEM_NDC, "MEDICATION//NDC//"},        {SYSTEM_ATC, "MEDICATION//ATC//"},
                 {SYSTEM_RXNORM, "MEDICATION//RxNorm//"}};
    enum code_system system;
    char form[CODE_FORM_BYTES];
    spelled[0] = 0;
    if (!split(text, &system, form)) return;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (WORDS[i].system == system) snprintf(spelled, 128, "%s%s", WORDS[i].begin, form);
}

static int find_regex(struct aces_predicate *p, const char *path, const struct task_codes *codes) {
    char translated[1024], spelled[128], why[256];
    regex_t regex;
    const char *not_supported = translate(p->texts[0], translated, sizeof translated);
    if (not_supported)
        return status_set(STATUS_USAGE,
                          "%s: predicates.%s.code.regex %s: %s is not supported; supported are POSIX's extended "
                          "expressions, \\d, \\w, \\s and (?:",
                          path, p->name, p->texts[0], not_supported);
    int code = regcomp(&regex, translated, REG_EXTENDED | REG_NOSUB);
    if (code) {
        regerror(code, &regex, why, sizeof why);
        return status_set(STATUS_USAGE, "%s: predicates.%s.code.regex %s: %s", path, p->name, p->texts[0], why);
    }
    for (int64_t i = 0; i < codes->n; i++) {
        const char *text = string_at(&codes->text, i);
        spell_as_meds(text, spelled);
        p->is_code[i] = (uint8_t)(regexec(&regex, text, 0, NULL, 0) == 0 ||
                                  (spelled[0] && regexec(&regex, spelled, 0, NULL, 0) == 0));
    }
    regfree(&regex);
    return STATUS_OK;
}

int aces_find_codes(struct aces_spec *spec, const char *path, const struct task_codes *codes) {
    for (int i = 0; i < spec->n_predicates; i++) {
        struct aces_predicate *p = &spec->predicates[i];
        if (p->form >= ACES_AND) continue;
        TRY(mem_alloc(&p->is_code, codes->n, 1));
        if (p->form == ACES_REGEX)
            TRY(find_regex(p, path, codes));
        else
            find_texts(p, codes);
    }
    return STATUS_OK;
}
