/* The codes of a cohort in a vocabulary, for the job `cohort` (terms/vocabulary_match.h). */
#ifndef MEDTOK_JOBS_COHORT_MATCH_H
#define MEDTOK_JOBS_COHORT_MATCH_H

#include "dist/comm.h"
#include "ingest/options.h"
#include "ingest/record_collector.h"

struct cohort_match {
    int64_t
        *row; /* [n_codes] as cohort.h5's code_match and code_match_how, on every rank; NULL: there is no vocabulary */
    uint8_t *how;
};

/* Collective. Looks the codes up in options->vocabulary, if one is named. */
int cohort_match_make(struct cohort_match *match, const struct comm *comm, const struct cohort_options *options,
                      const struct collected *collected);
void cohort_match_free(struct cohort_match *match);

/* Rank 0. Log lines about the shares of events that are matched, and options->unmapped. counts: [n_codes] events with each code. */
int cohort_match_report(const struct cohort_match *match, const struct cohort_options *options,
                        const struct collected *collected, const int64_t *counts);

#endif
