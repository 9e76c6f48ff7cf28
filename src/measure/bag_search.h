/* Questions (measure/probe_question.h) answered by the cosine of weighted bags. Each rank holds all bags and answers its share of the
 * queries; an answer is the same from any rank. */
#ifndef MEDTOK_MEASURE_BAG_SEARCH_H
#define MEDTOK_MEASURE_BAG_SEARCH_H

#include "dist/comm.h"
#include "measure/bags.h"
#include "measure/probe_question.h"

enum { BAG_QUERY_BLOCK = 16 };

/* Not collective: answers (probe_answers_make) to this rank's queries, block b of BAG_QUERY_BLOCK of them where b mod the number of ranks
 * is its own (comm_gather_blocks). */
int bag_search(const struct comm *comm, int threads, const struct bags *bags, const struct probe_question *question,
               struct probe_answers *answers);

#endif
