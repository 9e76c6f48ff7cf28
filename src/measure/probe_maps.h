/* Questions about maps between systems: does a code find its equivalents? */
#ifndef MEDTOK_MEASURE_PROBE_MAPS_H
#define MEDTOK_MEASURE_PROBE_MAPS_H

#include "measure/probe_codes.h"

/* For each pair of systems between which `map` has codes of the vocabulary the question where their equivalents come among all codes
 * of the second system; appended to *questions. Of more than `most` queries so many are drawn by `seed`. A package (NDC) that the map does
 * not have is looked for as its product. A map of names of drugs is asked of NDC and RxNorm, by what their codes' descriptions name, in
 * the spellings of terms/drug_name.h. vocabulary_path: where the descriptions are. */
int probe_questions_of_map(const struct probe_codes *codes, const char *vocabulary_path, const struct code_map *map,
                           int64_t most, uint64_t seed, struct question_list *questions);

#endif
