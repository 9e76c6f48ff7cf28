/* The words of made-up codes and nodes: names by number, each number another name, neighbouring numbers with words in common; and what
 * distinguishes the children of a code. The lists are our own; nothing is named so in any terminology. */
#ifndef MEDTOK_SYNTH_VOCABULARY_WORDS_H
#define MEDTOK_SYNTH_VOCABULARY_WORDS_H

#include <stdint.h>

enum { MADE_TEXT_BYTES = 1024, MADE_NAME_BYTES = 96 };

/* Kinds of names. */
enum name_kind {
    NAME_CONDITION,  /* chronic hepatic fibrosis */
    NAME_DRUG,       /* brafelamide */
    NAME_SITE,       /* left hepatic duct */
    NAME_GROUP,      /* inflammatory disorders: what a chapter or category is called */
    NAME_OPERATION,  /* endoscopic excision */
    NAME_SERVICE,    /* outpatient imaging */
    NAME_BRAND,      /* Velotra */
    NAME_AGENT_KIND, /* cardiovascular agents */
    NAME_GENE,       /* KLR412 */
    NAME_PROCESS,    /* hepatic signal transport */
};

/* The name with this number, from 0. */
void made_name_put(enum name_kind kind, int64_t number, char name[MADE_NAME_BYTES]);

/* What sets the children of a code apart from each other. */
enum made_qualifier {
    QUALIFIER_NONE,
    QUALIFIER_CAUSE,
    QUALIFIER_SIDE,
    QUALIFIER_COURSE,
    QUALIFIER_ENCOUNTER,
    QUALIFIER_STAGE,
    QUALIFIER_EVIDENCE,
    QUALIFIER_APPROACH,
    QUALIFIER_DEVICE,
    QUALIFIER_PURPOSE,
    QUALIFIER_STRENGTH,
    QUALIFIER_FORM,
    QUALIFIER_PACKAGE,
    QUALIFIER_ACTION,
    QUALIFIER_CHEMISTRY,
};

/* Texts grow to MADE_TEXT_BYTES at most; what does not fit is left out. */
struct made_text {
    int n;
    char bytes[MADE_TEXT_BYTES];
};
void made_text_add(struct made_text *text,
                   const char *words); /* behind a blank, or behind nothing if they begin with a comma */
void made_text_add_missing(struct made_text *text, const char *words); /* those of the words that are not there yet */

/* What sets child `number` (from 0) apart: a qualifier of the first kind; once these are used up, with one of the second kind (if it is not
 * QUALIFIER_NONE) behind it; and then as a variant. */
void made_text_qualify(struct made_text *text, const enum made_qualifier kinds[2], int64_t number);

#endif
