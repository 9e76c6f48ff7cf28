/* A made-up vocabulary of published size: the files that prepare and probe read, from a seed, the same bytes for any number of ranks.
 *
 *   codes.csv         system, code, description, nodes: 617,490 codes at scale 1 (terminology.h)
 *   kg.csv            PrimeKG's columns, both directions of each edge (made_graph.h)
 *   parents.csv       from_system, from_code, to_system, to_code: what stands above codes whose strings do not tell it (graph.parents)
 *   equivalents.csv   the same columns: codes of two systems about one concept (probe.maps), for the pairs of EQUIVALENTS
 *   classes.csv       system, code, group: the topic of each code's concept (probe.classes)
 */
#ifndef MEDTOK_SYNTH_VOCABULARY_MADE_VOCABULARY_H
#define MEDTOK_SYNTH_VOCABULARY_MADE_VOCABULARY_H

#include "base/json.h"
#include "dist/comm.h"
#include "synth/options.h"
#include "synth/vocabulary/made_graph.h"

/* For each code of the first all codes of the second that are about its concept. */
enum { N_EQUIVALENTS = 5 };

struct made_vocabulary {
    struct terminology terminologies[N_TERMINOLOGIES];
    struct made_graph graph;
    struct concept_codes {
        int64_t *offsets; /* [concepts + 1] */
        int32_t *codes;   /* positions in the second terminology, by concept */
    } equivalents[N_EQUIVALENTS];
};

/* The same on every rank: some 25 bytes a code and 100 a node. Free in any case. */
int made_vocabulary_make(struct made_vocabulary *vocabulary, double scale, uint64_t seed);
void made_vocabulary_free(struct made_vocabulary *vocabulary);

/* Collective. Writes the files under `folder`, plain or gzip by options->gzip; all or none. */
int made_vocabulary_write(const struct comm *comm, const struct synth_options *options, const char *folder,
                          const struct made_vocabulary *vocabulary);

/* Its counts as members of an object: codes by system, nodes by kind, rows of the graph by relation, concepts, topics. */
void made_vocabulary_put_counts(struct json *json, const struct made_vocabulary *vocabulary);

#endif
