/* Names of columns, letters and digits alone. */
#include "ingest/code_columns.h"

#include <ctype.h>
#include <string.h>

#include "terms/code_form.h"
#include "terms/code_map.h"

enum { HEADER_BYTES = 64 };

static void drop_end(char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    if (n > m && strcmp(text + n - m, end) == 0) text[n - m] = 0;
}

const char *code_column_system(const char *header) {
    static const char *const DRUGS[] = {"DRUG", "DRUGNAME", "MEDICATION", "MEDICATIONNAME"};
    char name[HEADER_BYTES];
    size_t n = 0;
    for (; *header && n < HEADER_BYTES - 1; header++)
        if (isalnum((unsigned char)*header)) name[n++] = (char)toupper((unsigned char)*header);
    name[n] = 0;
    for (size_t i = 0; i < sizeof DRUGS / sizeof *DRUGS; i++)
        if (strcmp(name, DRUGS[i]) == 0) return DRUG_NAME_SYSTEM;
    drop_end(name, "CODE");
    if (strcmp(name, "NDC11") == 0) drop_end(name, "11");
    if (strcmp(name, "RXCUI") == 0) return code_system_of(SYSTEM_RXNORM);
    enum code_system system = code_system(name);
    return system == SYSTEM_OTHER ? NULL : code_system_of(system);
}

int code_columns_find(const struct delimited *reader, int column[2], const char *system[2]) {
    int n = 0, drugs = -1;
    for (int i = 0; i < reader->n_columns && n < 2; i++) {
        const char *s = code_column_system(reader->header[i].text);
        if (!s) continue;
        if (strcmp(s, DRUG_NAME_SYSTEM) == 0) {
            if (drugs < 0) drugs = i;
            continue;
        }
        column[n] = i;
        system[n++] = s;
    }
    if (n == 1 && drugs >= 0) {
        column[1] = column[0];
        system[1] = system[0];
        column[0] = drugs;
        system[0] = DRUG_NAME_SYSTEM;
        n = 2;
    }
    return n == 2;
}

void code_column_copy(struct field field, char *text, int size) {
    const char *p = field.text, *end = p + field.size;
    while (p < end && isspace((unsigned char)*p)) p++;
    while (end > p && isspace((unsigned char)end[-1])) end--;
    int64_t n = end - p < size ? end - p : size - 1;
    memcpy(text, p, (size_t)n);
    text[n] = 0;
}
