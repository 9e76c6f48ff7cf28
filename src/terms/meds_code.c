/* Parts, and what they name. */
#include "terms/meds_code.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "terms/code_form.h"

enum { MOST_PARTS = 8 };

/* Cuts at double slashes or, where there are none, at single ones. Returns how many parts there are, at most MOST_PARTS: what is
 * behind them is the last one's. */
static int cut(const char *text, char parts[MOST_PARTS][MEDS_PART_BYTES]) {
    const char *slash = strstr(text, "//") ? "//" : "/";
    int n = 0;
    while (n < MOST_PARTS - 1) {
        const char *end = strstr(text, slash);
        if (!end) break;
        snprintf(parts[n++], MEDS_PART_BYTES, "%.*s", (int)(end - text), text);
        text = end + strlen(slash);
    }
    snprintf(parts[n++], MEDS_PART_BYTES, "%s", text);
    return n;
}

/* ICD's systems are told by three parts. */
static const char *icd_system(char (*parts)[MEDS_PART_BYTES]) {
    static const struct {
        const char *kind, *version, *system;
    } SYSTEMS[] = {{"DIAGNOSIS", "9", "ICD9CM"},
                   {"DIAGNOSIS", "10", "ICD10CM"},
                   {"PROCEDURE", "9", "ICD9PROC"},
                   {"PROCEDURE", "10", "ICD10PCS"}};
    for (size_t i = 0; i < sizeof SYSTEMS / sizeof *SYSTEMS; i++)
        if (strcasecmp(parts[0], SYSTEMS[i].kind) == 0 && strcasecmp(parts[1], "ICD") == 0 &&
            strcmp(parts[2], SYSTEMS[i].version) == 0)
            return SYSTEMS[i].system;
    return NULL;
}

int meds_code_split(const char *text, char system[MEDS_PART_BYTES], char code[MEDS_PART_BYTES]) {
    char parts[MOST_PARTS][MEDS_PART_BYTES];
    int n = cut(text, parts);
    const char *icd = n >= 4 ? icd_system(parts) : NULL;
    if (icd) {
        snprintf(system, MEDS_PART_BYTES, "%s", icd);
        snprintf(code, MEDS_PART_BYTES, "%s", parts[3]);
        return 1;
    }
    for (int i = 0; i + 1 < n; i++) {
        if (code_system(parts[i]) == SYSTEM_OTHER) continue;
        snprintf(system, MEDS_PART_BYTES, "%s", code_system_name(parts[i]));
        snprintf(code, MEDS_PART_BYTES, "%s", parts[i + 1]);
        return 1;
    }
    return 0;
}
