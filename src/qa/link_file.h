/* What qa-link writes, a JSON object a line for each question, in the questions' order.
 *
 * Links:
 *   {"question": ID, "diseases": [TEXT...], "medications": [...], "procedures": [...], "rows": [ROW...], "spans": [SPAN...],
 *    "options": [{"rows": [...], "spans": [...]}...]}
 *   SPAN: {"text": TEXT, "begin": BYTE, "end": BYTE, "negated": 0 or 1, "candidates": N,
 *          "codes": [{"system": SYSTEM, "code": CODE, "row": ROW, "score": SCORE}...]}
 * diseases, medications, procedures: what the stem says, each text once, by the topic of its best code (the first of the seed's two steps,
 * extract_disease); rows: of the vocabulary, of all codes of the stem (its second step, map_query_id). begin and end are bytes of the
 * text, in UTF-8. What is negated is among the spans alone.
 *
 * Questions: as qa/questions.h reads them, with codes and option_codes.
 */
#ifndef MEDTOK_QA_LINK_FILE_H
#define MEDTOK_QA_LINK_FILE_H

#include <stdio.h>

#include "qa/link.h"

int links_write(FILE *out, const struct code_names *names, const struct question *question,
                const struct question_links *links);
int linked_question_write(FILE *out, const struct code_names *names, const struct question *question,
                          const struct question_links *links);

#endif
