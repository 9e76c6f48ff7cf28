/* Made-up terminologies: trees of codes of published sizes, each code about a concept.
 *
 * A terminology is what one system has of one domain (SNOMED CT has three). Its codes stand in levels; the children of a level are dealt
 * out to the codes above, many to few. Codes are numbered in the order of the walk that visits a code before its children, and that number,
 * the position, is the order of the file. Concepts of a domain are numbered too, and run with the position: neighbours in a terminology are
 * about neighbouring concepts, and a code at a share of the way through one terminology has its equivalents near the same share of the others.
 * A tenth of the codes is about any concept.
 */
#ifndef MEDTOK_SYNTH_VOCABULARY_TERMINOLOGY_H
#define MEDTOK_SYNTH_VOCABULARY_TERMINOLOGY_H

#include <stdint.h>

#include "synth/vocabulary/words.h"
#include "terms/code_form.h"

enum made_domain { DOMAIN_CONDITION, DOMAIN_DRUG, DOMAIN_PROCEDURE, N_MADE_DOMAINS };

/* In the order of the file. */
enum made_terminology {
    MADE_SNOMED_CONDITIONS,
    MADE_SNOMED_PROCEDURES,
    MADE_SNOMED_SUBSTANCES,
    MADE_ICD10CM,
    MADE_RXNORM,
    MADE_ICD10PCS,
    MADE_NDC,
    MADE_ICD9CM,
    MADE_CPT,
    MADE_ATC,
    N_TERMINOLOGIES
};
enum { TERMINOLOGY_LEVELS = 5, MADE_CODE_BYTES = 24 };

struct terminology {
    enum made_terminology which;
    enum code_system system;
    enum made_domain domain;
    int64_t n, first;                   /* codes; those of the same system before them */
    int64_t at[TERMINOLOGY_LEVELS + 1]; /* codes at[l] .. at[l + 1] - 1, by level, are those of level l */
    int32_t *parent, *child;   /* [n], [n + 1] by level: the code above, -1 of roots; the first of those below */
    int32_t *order, *position; /* [n] code by level at each position; position of each */
    int32_t *concept;          /* [n] by position */
};

/* All terminologies at `scale` of their published sizes, over so many concepts of each domain. Fails for want of memory. Free in any case. */
int terminologies_make(struct terminology all[N_TERMINOLOGIES], double scale, const int64_t n_concepts[N_MADE_DOMAINS],
                       uint64_t seed);
void terminologies_free(struct terminology all[N_TERMINOLOGIES]);

/* Position of the code above, or -1. */
int64_t terminology_above(const struct terminology *terminology, int64_t position);

/* Whether what stands above its codes is told by no string of theirs (terms/code_hierarchy.h), but by a table. */
int terminology_needs_parents(const struct terminology *terminology);

/* The code at a position, well-formed in its system, and its description: the words of the code above and its own. */
void terminology_code(const struct terminology *terminology, int64_t position, char code[MADE_CODE_BYTES]);
void terminology_describe(const struct terminology *terminology, int64_t position, struct made_text *text);

/* The name of a concept. */
void concept_name(enum made_domain domain, int64_t concept, char name[MADE_NAME_BYTES]);

#endif
