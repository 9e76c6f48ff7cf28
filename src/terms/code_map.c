/* Codes in two dictionaries, entries in chains. */
#include "terms/code_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "terms/code_form.h"
#include "terms/code_hierarchy.h"
#include "terms/drug_name.h"

void code_name_make(const char *system, const char *code, char name[CODE_NAME_BYTES]) {
    char form[CODE_FORM_BYTES];
    code_form(code_system(system), code, form);
    snprintf(name, CODE_NAME_BYTES, "%.96s/%s", code_system_name(system), form);
}

char *code_name_unit(char *name) {
    char *slash = strchr(name, '/');
    return slash && slash[1] != '/' ? strstr(slash, "//") : NULL;
}

/* The name of the product of a package's: NDC/00002120001 -> NDC/00002-1200; 0: it is no package. */
static int product_name(const char *name, char product[CODE_NAME_BYTES]) {
    enum { DIGITS = 11 };
    const char *digits = name + 4;
    if (strncmp(name, "NDC/", 4) != 0 || strspn(digits, "0123456789") != DIGITS || digits[DIGITS]) return 0;
    snprintf(product, CODE_NAME_BYTES, "NDC/%.5s-%.4s", digits, digits + 5);
    return 1;
}

int code_name_parent(const char *name, char parent[CODE_NAME_BYTES]) {
    char system[CODE_FORM_BYTES];
    const char *slash = strchr(name, '/');
    if (product_name(name, parent)) return 1;
    if (!slash || slash - name >= CODE_FORM_BYTES) return 0;
    memcpy(system, name, (size_t)(slash - name));
    system[slash - name] = 0;
    size_t front = (size_t)(slash + 1 - name);
    memcpy(parent, name, front);
    return code_parent(system, slash + 1, parent + front, CODE_NAME_BYTES - front) > 0;
}

int code_name_above(const char *name, char above[CODE_NAME_BYTES]) {
    static const char PCS[] = "ICD10PCS/";
    enum { FRONT = sizeof PCS - 1, CODE = 7 };
    if (code_name_parent(name, above)) return 1;
    size_t size = strncmp(name, PCS, FRONT) == 0 ? strlen(name + FRONT) : 0;
    if (size < 2 || size >= CODE) return 0;
    snprintf(above, CODE_NAME_BYTES, "%.*s", (int)(FRONT + size - 1), name);
    return 1;
}

void code_map_free(struct code_map *m) {
    dictionary_free(&m->from);
    dictionary_free(&m->to);
    free(m->first);
    free(m->last);
    free(m->entries);
    *m = (struct code_map){0};
}

/* ---- filling ---- */
static int add_entry(struct code_map *m, const char *from, int32_t to) {
    int32_t key;
    int64_t known = m->from.n;
    TRY(dictionary_add(&m->from, from, (int64_t)strlen(from), &key));
    TRY(mem_grow(&m->first, &m->first_capacity, m->from.n, sizeof *m->first));
    TRY(mem_grow(&m->last, &m->last_capacity, m->from.n, sizeof *m->last));
    if (m->from.n > known) m->first[key] = m->last[key] = -1;
    for (int32_t e = m->first[key]; e >= 0; e = m->entries[e].next)
        if (m->entries[e].to == to) return STATUS_OK;
    if (m->n >= INT32_MAX) return status_set(STATUS_FAILED, "maps with more than 2^31 - 1 pairs of codes");
    TRY(mem_grow(&m->entries, &m->capacity, m->n + 1, sizeof *m->entries));
    int32_t entry = (int32_t)m->n++;
    m->entries[entry] = (struct code_map_entry){to, -1};
    if (m->first[key] < 0)
        m->first[key] = entry;
    else
        m->entries[m->last[key]].next = entry;
    m->last[key] = entry;
    return STATUS_OK;
}

static int is_drug_name(const char *system) { return strcmp(system, DRUG_NAME_SYSTEM) == 0; }

static void drug_key(const char *drug, int spelling, char name[CODE_NAME_BYTES]) {
    char text[DRUG_NAME_BYTES];
    drug_name_spelling(drug, spelling, text);
    snprintf(name, CODE_NAME_BYTES, DRUG_NAME_SYSTEM "/%s", text);
}

int code_map_add(struct code_map *m, const char *from_system, const char *from_code, const char *to_system,
                 const char *to_code) {
    char name[CODE_NAME_BYTES], product[CODE_NAME_BYTES];
    int32_t to;
    code_name_make(to_system, to_code, name);
    TRY(dictionary_add(&m->to, name, (int64_t)strlen(name), &to));
    if (is_drug_name(from_system))
        drug_key(from_code, 0, name);
    else
        code_name_make(from_system, from_code, name);
    TRY(add_entry(m, name, to));
    return product_name(name, product) ? add_entry(m, product, to) : STATUS_OK;
}

/* ---- finding ---- */
static int32_t find(const struct code_map *m, const char *name) {
    int32_t key = dictionary_find(&m->from, name, (int64_t)strlen(name));
    return key < 0 ? -1 : m->first[key];
}

int32_t code_map_find(const struct code_map *m, const char *name) {
    char product[CODE_NAME_BYTES];
    int32_t entry = find(m, name);
    return entry < 0 && product_name(name, product) ? find(m, product) : entry;
}

int32_t code_map_find_drug(const struct code_map *m, const char *drug) {
    char name[CODE_NAME_BYTES];
    int32_t entry = -1;
    for (int spelling = 0; spelling < N_DRUG_NAME_SPELLINGS && entry < 0; spelling++) {
        drug_key(drug, spelling, name);
        entry = find(m, name);
    }
    return entry;
}
