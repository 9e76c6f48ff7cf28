/* Spellings under which the name of a drug, as prescribers write it, may stand in a map of names.
 *
 *   0  in upper case, blanks at the ends gone and several made one     "Heparin  Flush (10 units/ml)" -> HEPARIN FLUSH (10 UNITS/ML)
 *   1  without what stands in brackets and between stars               "*NF* Heparin (Porcine)" -> HEPARIN
 *   2  that, up to the first word behind the first which begins with   "Metoprolol Tartrate 25 mg Tab" -> METOPROLOL TARTRATE
 *      a digit, where strength and form stand
 *   3  that, without the words of the salt or form at its end          "Metoprolol Tartrate XL" -> METOPROLOL
 *      (DRUG_NAME_ENDINGS in drug_name.c)
 */
#ifndef MEDTOK_TERMS_DRUG_NAME_H
#define MEDTOK_TERMS_DRUG_NAME_H

enum { N_DRUG_NAME_SPELLINGS = 4, DRUG_NAME_BYTES = 256 };

/* Writes a spelling, cut at its room; "" if nothing is left. */
void drug_name_spelling(const char *name, int spelling, char text[DRUG_NAME_BYTES]);

#endif
