/* Questions about edges that were removed from the graph before anything was made of it (ingest/removed_edges.h): do the codes of one end
 * find those of the other? */
#ifndef MEDTOK_MEASURE_PROBE_LINKS_H
#define MEDTOK_MEASURE_PROBE_LINKS_H

#include "measure/probe_codes.h"

struct probe_link {
    int32_t x, y; /* nodes of the graph */
};

/* For the links [n] of one relation between nodes of two types, in both directions: appended to *questions. Asked are codes that list an
 * end; right are those that list the other end of a link of theirs; candidates are all codes that list an other end of some link. Right
 * answers that the graph still links to the query are no question about what training did not see: those that share a node with
 * it are asked in a question of their own ("..., a node in common": their token sets may be equal for that reason), and so are those that
 * another edge joins to it, of two codes that list several nodes ("..., still linked"). In each of the three the right answers of the
 * others, and other codes that the graph links to the query (measure/code_links.h), are no wrong answers: they are left out. */
struct link_ends {
    const char *relation, *x_type, *y_type; /* "": not known */
};
int probe_questions_of_links(const struct probe_codes *codes, const struct link_ends *ends, int64_t n,
                             const struct probe_link *links, int64_t most, uint64_t seed,
                             struct question_list *questions);

#endif
