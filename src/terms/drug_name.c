/* Each spelling is made from the one before it, by words. */
#include "terms/drug_name.h"

#include <ctype.h>
#include <string.h>

/* Salts, forms and ways of release that MIMIC's names of drugs end with. */
static const char *const DRUG_NAME_ENDINGS[] = {"HCL",       "HYDROCHLORIDE",
                                                "SULFATE",   "SODIUM",
                                                "TARTRATE",  "SUCCINATE",
                                                "MALEATE",   "ACETATE",
                                                "PHOSPHATE", "CITRATE",
                                                "FUMARATE",  "MESYLATE",
                                                "BESYLATE",  "GLUCONATE",
                                                "TABLET",    "TABLETS",
                                                "TAB",       "CAPSULE",
                                                "CAPSULES",  "CAP",
                                                "LIQUID",    "SOLN",
                                                "SOLUTION",  "SUSPENSION",
                                                "SYRUP",     "ELIXIR",
                                                "CREAM",     "OINTMENT",
                                                "GEL",       "PATCH",
                                                "INJECTION", "INJ",
                                                "DRIP",      "XL",
                                                "XR",        "SR",
                                                "ER",        "CR",
                                                "EC",        "ODT",
                                                "PF",        "IV",
                                                "ORAL",      "DESENSITIZATION"};

/* Upper case; blanks at the ends go, several become one. */
static void fold(const char *name, char text[DRUG_NAME_BYTES]) {
    int n = 0;
    for (; *name && n < DRUG_NAME_BYTES - 1; name++) {
        if (!isspace((unsigned char)*name))
            text[n++] = (char)toupper((unsigned char)*name);
        else if (n > 0 && text[n - 1] != ' ')
            text[n++] = ' ';
    }
    while (n > 0 && text[n - 1] == ' ') n--;
    text[n] = 0;
}

/* Removes (...), [...] and *...*; a bracket that is never closed stays. */
static void drop_asides(char *text) {
    static const char OPEN[] = "([*", CLOSE[] = ")]*";
    char *to = text;
    for (const char *p = text; *p;) {
        const char *kind = strchr(OPEN, *p), *end = kind ? strchr(p + 1, CLOSE[kind - OPEN]) : NULL;
        if (end) {
            *to++ = ' ';
            p = end + 1;
        } else {
            *to++ = *p++;
        }
    }
    *to = 0;
}

/* Ends the text before the first word behind the first that begins with a digit. */
static void drop_strength(char *text) {
    for (char *p = strchr(text, ' '); p; p = strchr(p + 1, ' '))
        if (isdigit((unsigned char)p[1])) {
            *p = 0;
            return;
        }
}

static int is_ending(const char *word) {
    for (size_t i = 0; i < sizeof DRUG_NAME_ENDINGS / sizeof *DRUG_NAME_ENDINGS; i++)
        if (strcmp(word, DRUG_NAME_ENDINGS[i]) == 0) return 1;
    return 0;
}

static void drop_endings(char *text) {
    for (char *last; (last = strrchr(text, ' ')) && is_ending(last + 1);) *last = 0;
}

void drug_name_spelling(const char *name, int spelling, char text[DRUG_NAME_BYTES]) {
    char parts[DRUG_NAME_BYTES];
    fold(name, text);
    if (spelling == 0) return;
    memcpy(parts, text, sizeof parts);
    drop_asides(parts);
    fold(parts, text);
    if (spelling >= 2) drop_strength(text);
    if (spelling >= 3) drop_endings(text);
}
