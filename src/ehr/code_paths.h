/* The paths of codes in their terminologies: a code and its ancestors (terms/code_hierarchy.h; a package's NDC: its product). Parents that
 * MEDS lists (parent_codes) count as well: a cohort's code that one names is called by it (terms/source_code.h).
 *
 * A node counts where train has it or a code below it, in ehr.min_count samples or more (of several codes their sum). So a code that
 * train never saw has those of its ancestors that train has, and a code that stands above another shares its row with it.
 */
#ifndef MEDTOK_EHR_CODE_PATHS_H
#define MEDTOK_EHR_CODE_PATHS_H

#include "ehr/code_rows.h"
#include "ehr/data.h"

/* A source of vectors (ehr/data.h): a code with a node has its own number, one without is missing. */
struct code_paths {
    struct vector_source source;
    int64_t min_count;
};
void code_paths_make(struct code_paths *paths, int64_t min_count);

/* The bags of the data's codes with a path: their nodes, with weight 1. First values are such that the sums of the codes of train are as
 * large as N(0, 0.02^2) in the mean. */
int code_paths_bags(const struct ehr_data *data, int64_t min_count, struct code_bags *bags);

#endif
