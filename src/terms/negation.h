/* Which words of a text are said not to be there: "no fever", "denies chest pain", "asthma was ruled out".
 *
 * After NegEx (Chapman et al. 2001, J Biomed Inform 34:301): a phrase before a finding, or behind it, negates the words within its reach; a
 * full stop, a semicolon, and words that begin another statement (but, presents, has, which ...) end the reach, commas do not ("no fever,
 * cough or rash"). `not` alone is no such phrase: in examinations it belongs to the question ("which is not a feature of asthma?").
 */
#ifndef MEDTOK_TERMS_NEGATION_H
#define MEDTOK_TERMS_NEGATION_H

#include "terms/text_words.h"

/* negated: [words->n], each set to 0 or 1. */
void negation_mark(const struct text_words *words, uint8_t *negated);

#endif
