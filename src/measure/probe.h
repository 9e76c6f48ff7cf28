/* A run of probe: questions are asked of one space after the other, and each answer becomes a figure with its interval.
 *
 *   hit at 1, hit at 10, MRR   of a map: whether a right answer comes first, among ten, and the mean of 1 / its rank
 *   nearest, CLASS             share of codes whose class is that of most of the k nearest codes outside their category
 *   linear, CLASS              share of codes whose class a linear map gives them that was fitted to codes of other categories
 *   distance, Spearman         rank correlation of likeness with distance in the hierarchy, over pairs of codes: -1 is best
 */
#ifndef MEDTOK_MEASURE_PROBE_H
#define MEDTOK_MEASURE_PROBE_H

#include "measure/bag_search.h"
#include "measure/probe_codes.h"
#include "measure/probe_correlation.h"
#include "measure/probe_linear.h"
#include "measure/probe_report.h"
#include "measure/vector_search.h"

struct probe_run {
    const struct comm *comm;
    struct device *device;
    const struct bootstrap *bootstrap;
    const struct probe_codes *codes;
    const struct question_list *questions; /* in the order of their kinds */
    const struct code_classes *classes;
    int n_classes, k;
    int n_searched;                             /* questions in front that searches answer */
    struct probe_report report;                 /* owned: results */
    int32_t **unit;                             /* [questions] [n_queries] category of each query, numbered from 0 */
    int8_t (*metric_class)[PROBE_MOST_METRICS]; /* [questions] number in classes of each metric that is of classes */
    struct linear_memory (
        *memory)[PROBE_MOST_METRICS]; /* [questions] of linear maps of the space asked last, of this rank */
    double *
        *values; /* [questions, PROBE_MOST_SPACES] [n_metrics, answers]; answers: queries, or pairs; NULL: not asked */
};

/* k: neighbours that have a vote. All else is borrowed and set by the caller; all ranks pass the same. */
int probe_run_make(struct probe_run *run);
void probe_run_free(struct probe_run *run);

/* Marks codes that any question needs. used [n] */
void probe_run_mark_used(const struct probe_run *run, uint8_t *used);

/* Collective: asks all questions of the next space. *space: its number in the report; NULL: not wanted. */
int probe_run_vectors(struct probe_run *run, const char *name, const struct vector_source *source, int *space);
int probe_run_bags(struct probe_run *run, const char *name, const struct bags *bags, int *space);

/* Collective: the curve over the first 1 ... n_points tokens of each code. Linear maps have the strength that was chosen for the bags
 * asked last, which are those of all tokens. */
int probe_run_curve(struct probe_run *run, const struct token_bags *tokens, int n_points);

/* Collective: the difference of two spaces that were asked. */
int probe_run_difference(struct probe_run *run, int a, int b);

#endif
