/* Maps between systems of codes (NDC to ATC, names of drugs to ATC, ICD-9-CM to ICD-10-CM), and the names that codes
 * have in a cohort.
 *
 * A package whose NDC no map has stands for its product: it becomes what all packages of that labeler and product
 * become. The name of a drug is looked up in the spellings of terms/drug_name.h, the first that a map has.
 */
#ifndef MEDTOK_TERMS_CODE_MAP_H
#define MEDTOK_TERMS_CODE_MAP_H

#include "base/dictionary.h"

/* Stands for a system where names of drugs are mapped. */
#define DRUG_NAME_SYSTEM "NAME"

/* Room for a name: system and form, or what a source has, at most 1,024 bytes. */
enum { CODE_NAME_BYTES = 1100 };

/* Writes SYSTEM/FORM: "ICD9CM/4280" for "icd9", "428.0". A system unknown to terms/code_form.h stays as it is
 * written. */
void code_name_make(const char *system, const char *code, char name[CODE_NAME_BYTES]);

/* What stands behind the code in SYSTEM/CODE//UNIT, from its slashes on; NULL: nothing, or it is no such name
 * (LAB//50912//mg/dL). */
char *code_name_unit(char *name);

/* Writes the name of the code above it in the hierarchy of its system (terms/code_hierarchy.h; a package's NDC: its
 * product) and returns 1; 0 if it has none. */
int code_name_parent(const char *name, char parent[CODE_NAME_BYTES]);

/* The same further up where that ends below the top: of ICD-10-PCS, whose characters are axes from the section to the qualifier,
 * one character less, down to the section. */
int code_name_above(const char *name, char above[CODE_NAME_BYTES]);

struct code_map {
    struct dictionary from, to; /* SYSTEM/FORM */
    int32_t *first, *last;      /* [from.n] first and last entry of each, -1: none */
    struct code_map_entry {
        int32_t to, next; /* number in `to`; next entry of the same code, or -1 */
    } * entries;
    long long n, first_capacity, last_capacity, capacity;
};

/* Says that one code becomes another. The same pair twice counts once. */
int code_map_add(struct code_map *map, const char *from_system, const char *from_code, const char *to_system,
                 const char *to_code);
void code_map_free(struct code_map *map);

/* The first entry of what a name SYSTEM/FORM becomes, or -1. */
int32_t code_map_find(const struct code_map *map, const char *name);

/* The same for the name of a drug. */
int32_t code_map_find_drug(const struct code_map *map, const char *drug);

#endif
