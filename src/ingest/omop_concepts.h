/* concept.csv of an OMOP vocabulary (Athena's is TSV with millions of rows): read from front to end, and only what is
 * asked for is kept. */
#ifndef MEDTOK_INGEST_OMOP_CONCEPTS_H
#define MEDTOK_INGEST_OMOP_CONCEPTS_H

#include <stdint.h>

#include "base/dictionary.h"
#include "terms/source_code.h"

struct omop_concept_row {
    int64_t concept;
    const char *vocabulary, *code; /* vocabulary_id, concept_code; valid during the call */
};

/* Calls take(self, row) for each concept; fails with its status. */
int omop_concepts_walk(const char *path, void *self, int (*take)(void *self, const struct omop_concept_row *row));

/* Gives the rules the concepts that the codes name (terms/source_code.h), from the file whose path `self` is: for
 * source_code_rules_set_reader. */
int omop_concepts_read(void *self, struct source_code_rules *rules, const struct dictionary *codes);

#endif
