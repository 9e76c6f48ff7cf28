/* Parts of the reports of the jobs that answer questions. */
#ifndef MEDTOK_QA_CHOICE_REPORT_H
#define MEDTOK_QA_CHOICE_REPORT_H

#include "base/json.h"
#include "qa/cosine_scores.h"

/* As the member `name`, an object. */
void choice_report_proportion(struct json *json, const char *name, const struct proportion *proportion);
void choice_report_group(struct json *json, const char *name, const struct choice_summary *summary);

/* As members of the object that is open: id, set if it is told, answer, chosen, scores, with_codes. */
void choice_report_question(struct json *json, const struct question *question, const struct option_scores *scores);

#endif
