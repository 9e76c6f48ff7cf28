/* Pairs of codes of a system and how far apart they stand in its hierarchy.
 *
 * The hierarchy is what the strings of codes tell (terms/code_hierarchy.h: E11.65 below E11.6 below E11), and above that their category and
 * the classes that strings tell (terms/code_category.h: table and section of ICD-10-PCS), the chapter if chapters are known, and
 * the system. The distance of two codes is the length of the path through their lowest common ancestor, each step one edge, whether or
 * not what stands between is a code of its own: E11.65 to E11.9 is 3.
 */
#ifndef MEDTOK_MEASURE_PROBE_HIERARCHY_H
#define MEDTOK_MEASURE_PROBE_HIERARCHY_H

#include "measure/probe_codes.h"

/* Appends the question (QUESTION_DISTANCE) about pairs of codes of a system: at most `most`, drawn by `seed`, of each distance as many, as far
 * as there are. chapters: class_of [n_codes], -1: none; NULL: not known. Nothing is appended where all distances are one. */
int probe_question_of_hierarchy(const struct probe_codes *codes, int system, const int32_t *chapters, int64_t most,
                                uint64_t seed, struct question_list *questions);

#endif
