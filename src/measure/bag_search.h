/* Questions (measure/probe_question.h) answered by the cosine of weighted bags. Each rank holds all bags and answers its share of the
 * queries; the answers are the same for any number of ranks. */
#ifndef MEDTOK_MEASURE_BAG_SEARCH_H
#define MEDTOK_MEASURE_BAG_SEARCH_H

#include "dist/comm.h"
#include "measure/bags.h"
#include "measure/probe_question.h"

/* Collective. answers (probe_answers_make): the same on every rank. */
int bag_search(const struct comm *comm, int threads, const struct bags *bags, const struct probe_question *question,
               struct probe_answers *answers);

#endif
