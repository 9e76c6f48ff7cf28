/* The codes of a task file of ACES among those of a cohort. */
#ifndef MEDTOK_EHR_TASKS_ACES_CODES_H
#define MEDTOK_EHR_TASKS_ACES_CODES_H

#include "ehr/tasks/aces_spec.h"
#include "ehr/tasks/tasks.h"

/* Sets is_code of each predicate with codes. STATUS_USAGE for a regular expression that is none, or of which something is not supported. */
int aces_find_codes(struct aces_spec *spec, const char *path, const struct task_codes *codes);

#endif
