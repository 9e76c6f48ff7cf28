/* The codes of a vocabulary by the terms that name them: what qa-link looks texts up in. */
#ifndef MEDTOK_QA_CODE_NAMES_H
#define MEDTOK_QA_CODE_NAMES_H

#include "base/string_list.h"
#include "store/vocabulary.h"
#include "terms/code_index.h"
#include "terms/term_index.h"

/* What a code says of a patient, by its system. */
enum code_topic { TOPIC_DISEASE, TOPIC_MEDICATION, TOPIC_PROCEDURE, TOPIC_OTHER, N_CODE_TOPICS };

struct code_names {
    struct vocabulary vocabulary; /* names alone */
    struct code_index codes;
    struct term_index terms;
    uint8_t *system;               /* [n_codes] enum code_system of each row (terms/code_form.h) */
    int64_t n_synonyms, n_unknown; /* names from files, and those of codes that the vocabulary has not */
};

/* Reads descriptions from vocabulary.h5, further names from `synonyms`, and further rules from the file `rules` ("": none). Free with
 * code_names_free in any case. */
int code_names_open(struct code_names *names, const char *vocabulary, const struct string_list *synonyms,
                    const char *rules);
void code_names_free(struct code_names *names);

enum code_topic code_names_topic(const struct code_names *names, int64_t row);

/* How codes are preferred where nothing else tells them apart, by their systems and, in ATC, uses: the least first. */
int code_names_preference(const struct code_names *names, int64_t row);

#endif
