/* How an event of an OMOP table is named in the list of source codes, and what that name tells.
 *
 *   OMOP//condition_occurrence//44835752//133729////25200    table, source concept, standard concept, unit, source value
 *
 * The source code where it has one: the source concept, if the data set's concept.csv has it; else the source value, if
 * it is a code of one system that belongs in the table, by its shape:
 *   condition_occurrence   ICD9CM, ICD10CM
 *   procedure_occurrence   ICD9PROC, ICD10PCS, CPT, HCPCS
 *   drug_exposure          NDC (9 to 11 digits, or with dashes), HCPCS
 *   measurement            LOINC, CPT, HCPCS
 *   observation            ICD9CM, ICD10CM, CPT, HCPCS, LOINC
 *   device_exposure        HCPCS, CPT
 * A value that has the shape of two (V4511 is one of ICD-9-CM and of ICD-10-CM) is that one of the two which alone has
 * values of its own in the data set's table; if both have or none has, it tells nothing. Then the standard concept:
 * SYSTEM/FORM, or CONCEPT/133729 where there is no concept.csv; then the source value as it is:
 * OMOP//condition_occurrence//25200.
 */
#ifndef MEDTOK_TERMS_OMOP_CODE_H
#define MEDTOK_TERMS_OMOP_CODE_H

#include <stdint.h>

#include "terms/code_form.h"

#define OMOP_CODE_PREFIX "OMOP//"

enum { OMOP_CODE_BYTES = 1024, OMOP_VALUE_BYTES = 256 };

struct omop_code {
    char table[32];
    int64_t source_concept, concept; /* 0: none */
    char unit[64];                   /* of a measurement, or "" */
    char value[OMOP_VALUE_BYTES];
};

/* Writes the name and returns its length. unit, value: of so many bytes; the value is cut at its room; a unit that is
 * too long or has a double slash is left out. */
int omop_code_write(char code[OMOP_CODE_BYTES], const char *table, int64_t source_concept, int64_t concept,
                    const char *unit, int64_t unit_size, const char *value, int64_t value_size);

/* Reads it back; 0: it is no such name. */
int omop_code_read(const char *code, struct omop_code *parts);

/* What a data set's source values tell of its tables: for each, how many values are a code of one system alone. */
struct omop_tables {
    int64_t n[8][N_CODE_SYSTEMS];
};
void omop_tables_count(struct omop_tables *tables, const struct omop_code *code);

/* The one system that the value is a code of, or SYSTEM_OTHER. */
enum code_system omop_value_system(const struct omop_tables *tables, const struct omop_code *code);

#endif
