/* Lengths by system. */
#include "terms/code_category.h"

#include <stddef.h>
#include <string.h>

static size_t category_length(enum code_system system, const char *form) {
    switch (system) {
        case SYSTEM_ICD10CM:
        case SYSTEM_ICD10PCS: return 3;
        case SYSTEM_ICD9CM: return form[0] == 'E' ? 4 : 3;
        case SYSTEM_ICD9PROC: return 2;
        case SYSTEM_ATC: return 5;
        case SYSTEM_NDC: return 9;
        default: return 0;
    }
}

static int front(const char *form, size_t length, char text[CODE_FORM_BYTES]) {
    if (strlen(form) < length) length = 0;
    memcpy(text, form, length);
    text[length] = 0;
    return (int)length;
}

int code_category(enum code_system system, const char *code, char category[CODE_FORM_BYTES]) {
    char form[CODE_FORM_BYTES];
    code_form(system, code, form);
    return front(form, strchr(form, '-') ? 0 : category_length(system, form), category);
}

static const struct {
    enum code_system system;
    const char *name;
    size_t length;
} CLASSES[] = {{SYSTEM_ICD10PCS, "section", 1}, {SYSTEM_ATC, "level 1", 1}, {SYSTEM_ATC, "level 2", 3}};

const char *code_string_class(enum code_system system, int i, const char *code, char value[CODE_FORM_BYTES]) {
    char form[CODE_FORM_BYTES];
    code_form(system, code, form);
    for (size_t k = 0; k < sizeof CLASSES / sizeof *CLASSES; k++)
        if (CLASSES[k].system == system && i-- == 0) {
            front(form, CLASSES[k].length, value);
            return CLASSES[k].name;
        }
    return NULL;
}
